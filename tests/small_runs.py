"""Small datasets in the shape of a run."""

import json

import numpy as np
import xarray as xr

from lwdstats.dataset.schema import CONVENTIONS, describe


def small_llm(seed=0, **sizes):
    """A dataset in the shape of an LLM run, with awkward texts."""
    size = {"time": 3, "model": 2, "replicate": 2, "query": 1, "response": 4, "feature": 5} | sizes
    rng = np.random.default_rng(seed)
    dims = tuple(size)
    text = np.full(tuple(size.values())[:-1], "", dtype=object)
    awkward = ["plain", "", "Ärger 比特币 🚀", 'a "quote", <b>&', "line\nbreak\ttab", "x" * 5000]
    text.flat[:] = [awkward[i % len(awkward)] for i in range(text.size)]
    return describe(
        xr.Dataset(
            {
                "embedding": (dims, rng.normal(size=tuple(size.values())).astype("f4")),
                "text": (dims[:-1], text),
                "n_web": ("time", np.arange(size["time"])),
            },
            coords={
                "time": np.arange(size["time"]),
                "model": [f"m{i}" for i in range(size["model"])],
            },
            attrs={
                "title": "A test",
                "Conventions": CONVENTIONS,
                "lwdstats_version": "0",
                "created": "now",
                "seed": "1",
                "spec": json.dumps({"simulator": "llm"}),
            },
        )
    )
