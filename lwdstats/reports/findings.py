"""Tests and fits of a run, as R prints them, each with its question."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr

from lwdstats.geometry.diversity import diversity
from lwdstats.inference.changepoints.changepoints import changepoints
from lwdstats.inference.convergence.convergence_fit import convergence_fit
from lwdstats.inference.convergence.convergence_test import convergence_test
from lwdstats.inference.permutation.collapse_test import collapse_test
from lwdstats.inference.trend.mann_kendall import mann_kendall
from lwdstats.reports.section import Finding, Panel, Section, found
from lwdstats.reports.tables import frame

# So that a page made again is the same.
_SEED = 1
# Squared numbers of answers at once, over cells, that take some seconds to permute.
_PERMUTED = 8_000_000
# Times by replicates beyond which a test takes longer than a page should.
_TREND, _CHANGES = 5_000, 1_200


def add_findings(section: Section, ds: xr.Dataset) -> Panel:
    """Add the tests of a run to its section; return the panel of that which has one a time."""
    size = ds.sizes["time"] * ds.sizes["replicate"]
    told, apart = found(
        "Given what they read, are the models told apart by their answers?",
        lambda: collapse_test(ds, _times(ds), seed=_SEED),
    )
    section.findings.append(told)
    if ds.sizes["replicate"] > 1:
        question = "Do the models differ beyond what each happened to read in a replicate?"
        section.findings.append(
            found(question, lambda: collapse_test(ds, _times(ds), null="model", seed=_SEED))[0]
        )
    long = "it takes minutes with so many times and replicates; call lwd.{}(ds)"
    asked: list[tuple[str, str, Callable[[], Any], int | None]] = [
        (
            "Does the distance rise or fall?",
            "mann_kendall",
            lambda: mann_kendall(ds, seed=_SEED),
            _TREND,
        ),
        (
            "Does the diversity rise or fall?",
            "mann_kendall",
            lambda: mann_kendall(diversity(ds), seed=_SEED),
            _TREND,
        ),
        (
            "Does the distance settle above 0?",
            "convergence_test",
            lambda: convergence_test(ds),
            None,
        ),
        (
            "By which law does the distance fall, and to what?",
            "convergence_fit",
            lambda: convergence_fit(ds).summary(),
            None,
        ),
        (
            "Were there sudden changes?",
            "changepoints",
            lambda: changepoints(ds, seed=_SEED),
            _CHANGES,
        ),
    ]
    for question, name, make, most in asked:
        if most is not None and size > most:
            section.findings.append(Finding(question, None, long.format(name)))
        else:
            section.findings.append(found(question, make)[0])
    about = (
        "The energy distance between the models' answers at each time; 0 is expected where all are "
        "alike. Filled points are times at which a permutation test tells the models apart "
        "(p, adjusted for all times shown, at most .05)."
    )
    panel = Panel("apart", "Are the models told apart?", about, told.why)
    if apart is not None:
        table = apart.tidy()
        column = "energy_distance" if table["energy_distance"].notna().all() else "r2_adjusted"
        if column != "energy_distance":
            panel.about = panel.about.replace("The energy distance between", "The adjusted R2 of")
        section.data["tables"]["apart"] = frame(table)
        panel.draws = {"kind": "apart", "table": "apart", "column": column}
    return panel


def _times(ds: xr.Dataset) -> list[float] | None:
    """Return the times that are tested: all, or as many as take some seconds."""
    others = ds.sizes["replicate"] * ds.sizes.get("query", 1)
    one = others * (ds.sizes["model"] * ds.sizes.get("response", 1)) ** 2
    n = ds.sizes["time"]
    keep = max(2, int(_PERMUTED // max(one, 1)))
    if keep >= n:
        return None
    places = np.unique(np.linspace(0, n - 1, keep).round().astype(int))
    return ds["time"].values[places].tolist()
