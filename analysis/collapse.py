"""Are the models still told apart by their answers, after the first step and at the end?

python analysis/collapse.py [FILE]
"""

from __future__ import annotations

import argparse
import sys

import lwdstats as lwd


def main(arguments: list[str] | None = None) -> None:
    """Print what a results section needs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", nargs="?", default="data/bitcoin_network.nc")
    ds = lwd.read_results(parser.parse_args(arguments).file)
    # The first step after the start that the file has, and the last.
    known = ds["time"].values.tolist()
    times = sorted({known[min(1, len(known) - 1)], known[-1]})

    print(lwd.collapse_test(ds, times, seed=1))
    print()
    if ds.sizes["replicate"] > 1:
        print(lwd.collapse_test(ds, times, null="model", seed=1))
        print()

    for time in times:
        one = ds.sel(time=time).isel(replicate=0)
        print(f"Pairs of models at t = {time}, replicate {one['replicate'].item()}:")
        labels = one["model"].values
        answers = one["embedding"].isel(query=0) if "query" in one.dims else one["embedding"]
        for i in range(len(labels)):
            for j in range(i + 1, len(labels)):
                pair = answers.isel(model=[i, j]).transpose("model", "response", "feature")
                points = pair.values.reshape(-1, pair.shape[-1])
                test = lwd.eqdist_etest(points, [pair.shape[1]] * 2, R=999, seed=1)
                print(
                    f"  {labels[i]} - {labels[j]}: E = {test.statistic:.3f}, p = {test.p_value:.3f}"
                )
        print()

    norm, floor = lwd.fnorm(ds), lwd.noise_floor(ds)
    for time in times:
        print(f"t = {time}: ||D||_F {norm.sel(time=time).mean().item():.2f}, of which identical")
        print(f"  models would show {floor.sel(time=time).mean().item():.2f}")


if __name__ == "__main__":
    try:
        main()
    except lwd.InputError as error:
        sys.exit(f"collapse.py: {error}")
