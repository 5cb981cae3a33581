"""Files and logs take memory in proportion to what they hold."""

import subprocess
import sys
import tracemalloc

import numpy as np
import pytest

import lwdstats as lwd

# What a process needs besides its data, in MiB, is seen by doing the same on little of it first.
TEXTS = """
import resource, sys
import numpy as np, pandas as pd
import lwdstats as lwd
from lwdstats.dataset.as_results import as_results

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

def log(n_queries, size, longest, equal):
    texts = ["x" * size if equal else f"{i} " + "y" * size for i in range(4 * n_queries)]
    texts[0] = "z" * longest
    queries = [f"{i} what?" for i in range(n_queries)]
    queries[0] = "q" * longest
    return pd.DataFrame({
        "time": 0, "text": texts, "model": ["a", "b", "c", "d"] * n_queries,
        "query": np.repeat(np.array(queries, dtype=object), 4),
    })

def embed(texts):
    return np.ones((len(texts), 2), dtype=np.float32)

step, path, equal = sys.argv[1], sys.argv[2], sys.argv[3] == "equal"
small = as_results(log(2, 10, 20, equal), embedder=embed)
lwd.read_results(lwd.write_results(small, path + ".small"))
if step == "write":
    frame = log(1000, 5000, 1_500_000, equal)
    before = peak()
    ds = as_results(frame, embedder=embed)
    lwd.write_results(ds, path)
    lwd.summary(ds)
    again = lwd.to_frame(ds)
else:
    before = peak()
    ds = lwd.read_results(path)
    assert len(ds["text"].values.flat[0]) == len(ds["query"].values[0]) == 1_500_000
print(peak() - before)
"""
VECTORS = """
import resource
import numpy as np
import lwdstats as lwd
from lwdstats.dataset.as_results import as_results

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

x = np.random.default_rng(1).standard_normal((20, 8, 1, 10, 20, 64), dtype=np.float32)
lwd.summary(as_results(x[:2, :2]))
before = peak()
lwd.summary(as_results(x))
print((peak() - before) * 2**20 / x.nbytes)
"""


def run(code, *arguments):
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout)


@pytest.mark.long
@pytest.mark.parametrize("kind", ["equal", "different"])
def test_texts_take_their_own_room(tmp_path, kind):
    path = str(tmp_path / "run.nc")
    # 20 MB of answers, one of them and one query of 1.5 MB: 24 GB in arrays of one width.
    data = (4000 * 5000 + 2 * 1_500_000) / 2**20
    assert run(TEXTS, "write", path, kind) < 8 * data
    assert run(TEXTS, "read", path, kind) < 5 * data


def test_vectors_are_copied_about_once():
    assert run(VECTORS) < 2


def test_the_norm_of_one_answer_a_cell_takes_its_means_alone():
    # The means are as large as the answers; the rest goes in blocks of 8 MiB.
    x = np.random.default_rng(1).normal(size=(1, 100, 1, 100, 1, 400))
    ds = lwd.as_results(x)
    tracemalloc.start()
    try:
        lwd.fnorm(ds)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1.2 * x.nbytes + 4 * 2**23
