"""A small run of two models with a store, here or in a process of its own."""

import subprocess
import sys

from fakes import Hasher, Writer
from paths import TESTS

import lwdstats as lwd

POSTS = ["Bitcoin is up.", "Gold is down.", "Taxes are certain."]
ARGUMENTS = {"n_steps": 3, "n_responses": 2, "replicates": 2, "seed": 5, "query": ["Up?", "Down?"]}


def run(models=None, embedder=None, **changes):
    models = models or [Writer("a"), Writer("b")]
    return lwd.simulate_llm(models, POSTS, embedder=embedder or Hasher(), **(ARGUMENTS | changes))


# A run in another process, which tells of every answer it asks for.
SCRIPT = f"""
import sys, time
sys.path[:0] = {[str(TESTS)]}
from fakes import Writer
from store_runs import run

class Slow(Writer):
    def generate(self, prompt, n, **options):
        print("asked", flush=True)
        time.sleep(float(sys.argv[2]))
        return super().generate(prompt, n, **options)

run([Slow("a"), Slow("b")], store=sys.argv[1], web="lance")
"""


def start(store, pause):
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(store), str(pause)], stdout=subprocess.PIPE, text=True
    )
