"""Do the models lose inner diversity, and how far do they drift from the initial web?

python analysis/diversity.py [FILE]
"""

from __future__ import annotations

import argparse
import sys

import numpy as np
import pandas as pd

import lwdstats as lwd


def main(arguments: list[str] | None = None) -> None:
    """Print what a results section needs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", nargs="?", default="data/bitcoin_network.nc")
    ds = lwd.read_results(parser.parse_args(arguments).file)
    known = ds["time"].values
    times = known[np.unique(np.linspace(0, len(known) - 1, 7).astype(int))]
    # The first step after the start that the file has, and the last.
    ends = np.unique(known[[min(1, len(known) - 1), -1]])

    measures = {"inner diversity": lwd.inner_diversity(ds), "drift": lwd.drift(ds)}
    if "text" in ds:
        measures["distinct-1"] = lwd.distinct_n(ds, 1)
        measures["distinct-2"] = lwd.distinct_n(ds, 2)
    for name, values in measures.items():
        over = [dim for dim in values.dims if dim not in ("time", "model")]
        table = values.mean(over).transpose("time", "model").sel(time=times).to_pandas()
        print(f"{name[0].upper()}{name[1:]} ({values.attrs['long_name']}), mean over replicates:")
        print(table.round(3).to_string(), end="\n\n")

    if "post_sentiment" in ds:
        share = lwd.sentiment_share(ds)
        over = [dim for dim in share.dims if dim not in ("time", "sentiment")]
        print("Share of what is read, by sentiment:")
        print(
            share.mean(over).sel(time=times).transpose("time", ...).to_pandas().round(3).to_string()
        )
        print()

    # One replicate and query at a time: answers of different ones are not exchangeable.
    rows = []
    for time in ends:
        for replicate in ds["replicate"].values:
            one = ds.sel(time=time, replicate=replicate)
            one = one.isel(query=0) if "query" in one.dims else one
            answers = one["embedding"].transpose("model", "response", "feature").values
            labels = np.repeat([str(m) for m in one["model"].values], answers.shape[1])
            spread = lwd.betadisper(lwd.dist(answers.reshape(len(labels), -1)), labels)
            test = lwd.permutest(spread, permutations=999, seed=1)
            p = lwd.tidy(test)["p_value"].iloc[0]
            rows.append({"time": time, "replicate": replicate, "p": p})
    print("Do the models differ in inner diversity? Permutation test of dispersion:")
    print(pd.DataFrame(rows).to_string(index=False))


if __name__ == "__main__":
    try:
        main()
    except lwd.InputError as error:
        sys.exit(f"diversity.py: {error}")
