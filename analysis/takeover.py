"""What happened in a run of language models: how far apart, how varied, and which phrase took over.

python analysis/takeover.py [FILE] [--without-form]

With --without-form the answers are embedded once more without list marks and quotation marks, and
again without the words with which instructed models take up the question, which tells how much of
the distance is form. That takes the embedder of the run, and some seconds.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from itertools import combinations

import numpy as np
import pandas as pd
import xarray as xr

import lwdstats as lwd

# What stands before and around a sentence, without being part of it.
MARKS = r"^\s*(?:(?:\d+[.):]|[-*•])\s*)+|[\"“”*_]"
FRAME = r"\bthe future prospects of bitcoin (?:are|is)\b[:\s]*"
FORMS = {"without marks": MARKS, "without marks and frame": f"{MARKS}|{FRAME}"}


def at_times(values: xr.DataArray, times: np.ndarray) -> xr.DataArray:
    """Return the mean over replicates and queries, (time, ...)."""
    over = [dim for dim in values.dims if dim not in ("time", "model")]
    return values.mean(over).transpose("time", ...).sel(time=times).round(3)


def without(ds: xr.Dataset, form: str) -> xr.Dataset:
    """Return the run with its answers embedded without what matches `form`."""
    pattern = re.compile(form, re.IGNORECASE)
    plain = [pattern.sub("", str(text)).strip() for text in ds["text"].values.ravel()]
    unique, codes = np.unique(plain, return_inverse=True)
    name = json.loads(ds.attrs["spec"])["embedder"]
    vectors = np.asarray(lwd.SentenceEmbedder(name).embed(unique.tolist()), dtype=np.float32)
    shape = (*ds["text"].shape, vectors.shape[1])
    embedding = ds["embedding"].transpose(*ds["text"].dims, "feature")
    # An answer that is nothing but form stays missing.
    there = np.array([bool(text) for text in unique])[codes]
    new = np.where(there[:, None], vectors[codes], np.nan).reshape(shape)
    text = ds["text"].copy(data=unique.astype(object)[codes].reshape(ds["text"].shape))
    return ds.assign(embedding=embedding.copy(data=new), text=text)


def main(arguments: list[str] | None = None) -> None:
    """Print what happened."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", nargs="?", default="data/paper_sizes.nc")
    parser.add_argument("--without-form", action="store_true")
    given = parser.parse_args(arguments)
    ds = lwd.read_results(given.file)
    known = ds["time"].values
    times = known[np.unique(np.linspace(0, len(known) - 1, 7).astype(int))]

    print("||D||_F, the noise of a finite number of answers taken out:")
    norm = {"as answered": lwd.fnorm(ds, debias=True)}
    if given.without_form:
        norm |= {name: lwd.fnorm(without(ds, form), debias=True) for name, form in FORMS.items()}
    frame = pd.DataFrame({k: at_times(v, times).to_pandas() for k, v in norm.items()})
    print(frame.to_string(), end="\n\n")
    for name, values in norm.items():
        curve = values.mean([dim for dim in values.dims if dim != "time"])
        trend = lwd.tidy(lwd.mann_kendall(curve, seed=1)).iloc[0]
        tau, p = trend["estimate2"], trend["p_value"]
        print(f"Trend, {name}: tau = {tau:.2f}, Mann-Kendall p = {p:.3f}")

    distance = lwd.dist(ds)
    pairs = list(combinations(range(ds.sizes["model"]), 2))
    names = [str(m) for m in ds["model"].values]
    columns = {
        f"{names[i]} - {names[j]}": at_times(distance.isel(model=i, model_=j), times).to_pandas()
        for i, j in pairs
    }
    print("\nDistance of each pair of models:")
    print(pd.DataFrame(columns).to_string(), end="\n\n")

    print("Inner diversity (total variance within the answers of a model):")
    print(at_times(lwd.inner_diversity(ds), times).to_pandas().to_string(), end="\n\n")

    count = xr.apply_ufunc(
        lambda row: len({text for text in row.tolist() if text}),
        ds["text"],
        input_core_dims=[["response"]],
        vectorize=True,
    )
    print(f"Distinct answers of {ds.sizes['response']}:")
    print(at_times(count, times).to_pandas().to_string(), end="\n\n")
    print(lwd.phrases(ds, top=5))


if __name__ == "__main__":
    try:
        main()
    except lwd.InputError as error:
        sys.exit(f"takeover.py: {error}")
