"""A run on a disk that is full before it ends, and goes on once there is room.

Run as ``unshare -Urm python full_disk.py WEB FOLDER``; FOLDER becomes a disk of its own.
"""

import subprocess
import sys
from pathlib import Path

from fakes import Hasher, Writer

import lwdstats as lwd
from lwdstats.simulate.llm.storing.journal import RunStoppedError

ARGUMENTS = {
    "posts": ["Bitcoin is up.", "Gold is down."],
    "n_steps": 12,
    "n_responses": 4,
    "seed": 5,
    "cut": None,
}


def models():
    def long(prompt, seed, row):
        return f"Text {seed} {row} of {len(prompt.posts)}. " + "More of it. " * 600

    return {name: Writer(name, say=long) for name in ("a", "b")}


def disk(folder, *options):
    subprocess.run(["mount", *options, "-t", "tmpfs", "none", folder], check=True)


def main(web, folder):
    disk(folder, "-o", "size=640k")
    store = Path(folder) / "run"
    first = models()
    try:
        lwd.simulate_llm(first, embedder=Hasher(), store=store, web=web, **ARGUMENTS)
    except RunStoppedError as error:
        sys.stdout.write(f"{error}\n")
    else:
        sys.exit("the disk was large enough")
    disk(folder, "-o", "remount,size=64m")
    again = models()
    ds = lwd.simulate_llm(again, embedder=Hasher(), store=store, web=web, **ARGUMENTS)
    whole = lwd.simulate_llm(models(), embedder=Hasher(), **ARGUMENTS)
    assert ds.assign_attrs(created=whole.attrs["created"]).identical(whole)
    n_calls = sum(model.calls for model in [*first.values(), *again.values()])
    sys.stdout.write(f"{n_calls} calls\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
