"""Size and coverage of `lm`, `coxph` and `survdiff` on sweeps of few and more replicates.

    .venv/bin/python benchmarks/validity/sweeps.py 10000 common
    .venv/bin/python benchmarks/validity/sweeps.py 10000 own

Networks of four mixtures by `regime` (the web keeps the posts of one step, or of three) and by
`silent`: which of three models does not post. These are alike before a run, so that this factor
can't matter, nor its interaction with `regime`, though each level uses random numbers otherwise.
A sweep of so many replicates, whose cells share their streams ("common") or do not ("own"), is cut
into data sets; what `regime` does is taken from all of them. Prints the rows of sweeps.md.
"""

from __future__ import annotations

import sys
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from scipy import stats

import lwdstats as lwd
from lwdstats.studies.sweep.result import Sweep

BASE = {"simulator": "gmm", "n_models": 4, "n_components": 2, "n_steps": 25, "n_responses": 2}
GRID = {
    "regime": {"replace": {"scenario.keep": "last"}, "window": {"scenario.keep": ["last", 3]}},
    "scenario.silent": {"a": [0], "b": [1], "c": [2]},
}
# Replicates of a data set.
SIZES = (5, 10, 20)
# A share of the runs is left out at random, as if they had failed.
LOST = 0.15
EVENT = "Surv(collapse_time, collapsed)"
Counts = defaultdict[str, list[bool]]


def measured(ds):
    """Return H and ||D||_F at the end, and when H is first below .1; of arrays, which is quick."""
    weight = ds["weight"].values[:, :, 0]
    mean = weight.mean(axis=1)
    h = 1 - (mean**2).sum(axis=-1)
    below = h < 0.1
    return {
        "diversity": float(h[-1]),
        "fnorm": float(np.sqrt(2 * weight.shape[1] * ((weight[-1] - mean[-1]) ** 2).sum())),
        "collapse_time": float(below.argmax() if below.any() else len(h) - 1),
        "collapsed": bool(below.any()),
    }


def data_sets(found: Sweep, size: int, lost: float, most: int) -> Iterator[Sweep]:
    """Yield at most so many sweeps of some replicates each, none of which is in two."""
    frame = found.frame
    frame = frame.loc[np.random.default_rng(size).uniform(size=len(frame)) >= lost]
    block = np.asarray(frame["replicate"]) // size
    for number in np.unique(block[block < most]):
        yield replace(found, frame=frame.loc[block == number].reset_index(drop=True))


def of_lm(found: Sweep, of: str) -> Callable[[Sweep, Counts], None]:
    """Return what counts claims of a linear model; those of all replicates are the truth."""

    def fitted(data: Sweep) -> tuple[Any, Any]:
        fit = lwd.lm(f"{of} ~ regime * silent", data)
        return fit, lwd.emmeans(fit, "regime")

    truth = fitted(found)[1]

    def count(data: Sweep, counts: Counts) -> None:
        fit, means = fitted(data)
        p = lwd.anova(fit).table["Pr(>F)"]
        counts["size of F: silent"].append(p["silent"] <= 0.05)
        counts["size of F: regime:silent"].append(p["regime:silent"] <= 0.05)
        p = fit.tidy().set_index("term")["p_value"]
        counts["size of t: silentb"].append(bool(p["silentb"] <= 0.05))
        for i, name in enumerate(("replace", "window")):
            low, high = means.table.loc[i, ["conf_low", "conf_high"]]
            true = truth.table.loc[i, "estimate"]
            counts[f"coverage: marginal mean of {name}"].append(low <= true <= high)
        row = means.contrasts.loc[0]
        error = abs(row["estimate"] - truth.contrasts.loc[0, "estimate"])
        reach = stats.t.isf(0.025, row["df"]) * row["std_error"]
        counts["coverage: replace - window"].append(error <= reach)

    return count


def of_coxph(found: Sweep) -> Callable[[Sweep, Counts], None]:
    """Return what counts claims of a Cox model; infinite estimates have none, and are counted."""
    formula = f"{EVENT} ~ regime + silent"
    # A fifth of all: each event is compared with all at risk.
    part = replace(found, frame=found.frame[found.frame["replicate"] % 5 == 0])
    truth = lwd.coxph(formula, part).coef()["regimewindow"]

    def count(data: Sweep, counts: Counts) -> None:
        fit = lwd.coxph(formula, data)
        finite = bool(np.isfinite(fit.estimate).all())
        counts["an estimate is infinite"].append(not finite)
        if finite:
            table = fit.tidy()
            p = dict(zip(table["term"], table["p_value"], strict=True))
            counts["size of the test: silentb"].append(p["silentb"] <= 0.05)
            low, high = fit.confint()["regimewindow"]
            counts["coverage: log hazard ratio of window"].append(bool(low <= truth <= high))

    return count


def of_survdiff(data: Sweep, counts: Counts) -> None:
    for terms in ("silent", "silent + strata(regime)"):
        p = lwd.survdiff(f"{EVENT} ~ {terms}", data).p_value
        counts[f"size: {terms}"].append(p <= 0.05)


def main(replicates: int, streams: str) -> None:
    """Print a row for each claim."""
    found = lwd.sweep(
        BASE, GRID, replicates=replicates, measure=measured,
        common_streams=streams == "common", seed=20261130,
    )  # fmt: skip
    # What counts the claims of a function, which share of runs is lost, and how many data sets.
    kinds = [
        ("lm, diversity", of_lm(found, "diversity"), 0.0, 1000),
        ("lm, diversity", of_lm(found, "diversity"), LOST, 1000),
        ("lm, log(fnorm)", of_lm(found, "log(fnorm)"), 0.0, 500),
        ("coxph", of_coxph(found), 0.0, 500),
        ("survdiff", of_survdiff, 0.0, 1000),
    ]
    print(f"| model | streams | lost | claim | {' | '.join(f'R = {size}' for size in SIZES)} |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for model, count, lost, most in kinds:
        cells: defaultdict[str, list[str]] = defaultdict(list)
        for size in SIZES:
            counts: Counts = defaultdict(list)
            for data in data_sets(found, size, lost, most):
                count(data, counts)
            for what, values in counts.items():
                share = float(np.mean(values))
                error = np.sqrt(share * (1 - share) / len(values))
                cells[what].append(f"{share:.3f} ({error:.3f})")
        for what, shares in cells.items():
            row = " | ".join([model, streams, f"{lost:.0%}", what, *shares])
            print(f"| {row} |", flush=True)


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # of few clusters
    main(int(sys.argv[1]), sys.argv[2])
