"""What only a network of mixtures has on its page: weights."""

from __future__ import annotations

from typing import Any

import xarray as xr

from lwdstats.reports.section import Panel, Section
from lwdstats.reports.tables import grid


def add_mixtures(section: Section, ds: xr.Dataset) -> None:
    """Add the weights of a run to its section, and the components' means where they move."""
    columns = {"weight": ds["weight"]}
    dims = ("time", "model", "replicate", "component")
    section.data["tables"]["weights"] = _named(grid(dims, columns), section)
    mean = ds.get("component_mean")
    moving = mean if mean is not None and "model" in mean.dims else None
    about = "The weight that each model gives to a component; models that agree have the same."
    if moving is not None:
        about = (
            "The weight that each model gives to a component of its own. Components move, so that "
            "models with the same weights may differ, and models that agree may number theirs in "
            "another order."
        )
    section.panels.append(
        Panel("weights", "Weights", about, None,
              {"kind": "lines", "table": "weights", "y": "weight", "choose": "component",
               "lines": [{"column": "weight", "split": "model"}], "zero": True, "wide": True})
    )  # fmt: skip
    if moving is not None:
        first = moving.isel(feature=0, drop=True)
        section.data["tables"]["means"] = _named(grid(dims, {"mean": first}), section)
        about = "Where each model's component lies, in its first coordinate."
        section.panels.append(
            Panel("means", "Means of components", about, None,
                  {"kind": "lines", "table": "means", "y": "mean", "choose": "component",
                   "lines": [{"column": "mean", "split": "model"}]})
        )  # fmt: skip


def _named(table: dict[str, Any], section: Section) -> dict[str, Any]:
    """Return a table whose models have the names of the section."""
    table["dims"] = [
        [dim, section.data["models"] if dim == "model" else labels] for dim, labels in table["dims"]
    ]
    return table
