"""The section of a run: what answers and mixtures have in common."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr

from lwdstats.dataset.positions import components_move, fewest_answers, n_answers
from lwdstats.dataset.schema import spec_of
from lwdstats.geometry.distance import fnorm, noise_floor
from lwdstats.geometry.diversity import diversity, drift, inner_diversity
from lwdstats.geometry.dkps.dkps import dkps
from lwdstats.reports.answers import add_answers
from lwdstats.reports.findings import add_findings
from lwdstats.reports.mixtures import add_mixtures
from lwdstats.reports.section import Panel, Section, attempt, file_name
from lwdstats.reports.tables import grid, labels_of, named_models, places
from lwdstats.reports.thinned import thinned
from lwdstats.summaries import summary

# The norm is computed of each query by itself for so many, and of all together.
_QUERIES = 20
# Numbers of the matrix whose rows are models at a time, and that is scaled to a plane.
_SCALED = 50_000_000


def network_section(ds: xr.Dataset, name: str, budget: int) -> Section:
    """Return the section of a run, which takes about `budget` bytes on the page."""
    told, why, _ = attempt(lambda: summary(ds))
    spec = spec_of(ds)
    section = Section(name, str(ds.attrs["title"]), [], summary=told)
    if told is None:
        time = ds["time"].values
        section.facts = [
            ("Models", ", ".join(named_models(ds))),
            ("Run", f"t = {time[0]}..{time[-1]}"),
        ]
        section.notes = [f"There is no summary: {why}"]
    else:
        section.facts, section.notes = list(told.facts), list(told.notes)
    _add_origin(section, ds, spec)
    shown, left_out = thinned(ds, budget)
    if left_out:
        listing = "; ".join(left_out)
        said = f"To keep the page small, it holds {listing}. The file holds everything; "
        said += "||D||, H, phrases, who read whom and the tests are of the whole run."
        section.notes.append(said)
    if thinning := ds.attrs.get("thinned"):
        section.notes.append(f"The file itself was thinned: {thinning}.")
    section.data = {
        "name": name,
        "times": labels_of(shown, "time"),
        "models": named_models(shown),
        "replicates": labels_of(shown, "replicate"),
        "queries": labels_of(shown, "query") if "query" in shown.dims else [],
        "tables": {},
    }
    answered = "weight" not in ds
    _add_norm(section, ds)
    collapse = add_findings(section, ds)
    section.panels.append(collapse)
    if answered:
        add_answers(section, shown, ds)
    else:
        add_mixtures(section, shown)
    _add_models(section, shown)
    return section


def _add_origin(section: Section, ds: xr.Dataset, spec: dict[str, Any]) -> None:
    """Say how the run is made again."""
    simulator = spec.get("simulator")
    file = file_name(section.name)
    if parts := ds.attrs.get("parts"):
        text = parts if isinstance(parts, str) else json.dumps(parts, ensure_ascii=False)
        section.spec = text
        said = "This file joins several runs; the specification of each is in the download."
        section.again.append((said, ""))
    elif simulator in ("gmm", "llm"):
        section.spec = json.dumps(spec, ensure_ascii=False, indent=1)
        command = f"lwdstats simulate {simulator} {file}.json -o {file}.nc"
        section.again.append(("Download the specification, and run", command))
        section.again.append(
            (
                "Or, in Python, from the results themselves",
                f'lwd.run_spec(lwd.read_results("{file}.nc"))',
            )
        )
    else:
        said = "These answers were logged, not simulated here, so that no command makes them again."
        section.again.append((said, ""))


def _add_norm(section: Section, ds: xr.Dataset) -> None:
    """Add ||D||_F and the diversity over time, of all queries together and of each."""
    queries = ds.sizes.get("query", 1)
    parts = [("all queries", ds)] if queries > 1 else []
    if queries <= _QUERIES:
        labels = labels_of(ds, "query") if "query" in ds.dims else [""]
        parts += [
            (str(q), ds.isel(query=[i]) if "query" in ds.dims else ds) for i, q in enumerate(labels)
        ]
    several = ds.sizes.get("response", 0) > 1 and "weight" not in ds and fewest_answers(ds) > 1
    measures: dict[str, Callable[[xr.Dataset], xr.DataArray]] = {
        "norm": fnorm,
        "diversity": diversity,
    }
    if several:
        measures |= {"noise_floor": noise_floor, "debiased": lambda part: fnorm(part, debias=True)}
    columns: dict[str, xr.DataArray] = {}
    reasons: dict[str, str] = {}
    for measure, make in measures.items():
        curves, why, _ = attempt(lambda make=make: [make(part) for _, part in parts])
        if curves is None:
            reasons[measure] = why or ""
            continue
        joined = xr.concat(curves, "query", coords="minimal", compat="override", join="override")
        columns[measure] = joined.assign_coords(query=[label for label, _ in parts])
    if columns:
        section.data["tables"]["norm"] = grid(("query", "replicate", "time"), columns)
    moves = components_move(ds)
    lines: list[dict[str, Any]] = [{"column": "norm", "name": "‖D‖"}]
    about = "How far the models are apart: 0 where all are alike."
    if several:
        lines.append({"column": "debiased", "name": "noise taken out", "look": 1})
        lines.append({"column": "noise_floor", "name": "noise floor", "look": 7, "dash": "dash"})
        about += (
            f" With {_numbers_of_answers(ds)} answers each, models that are all the same would "
            "show the noise floor; the second line has it taken out, and may fall below 0."
        )
    elif "weight" not in ds:
        about += " With one answer a model, noise of sampling can't be told from difference."
    if ds.sizes["replicate"] > 1:
        about += " Thin lines are the other replicates."
    section.panels.append(
        Panel("norm", "Distance between models, ‖D‖", about, reasons.get("norm"),
              {"kind": "lines", "table": "norm", "y": "‖D‖ (Frobenius norm)", "lines": lines,
               "others": True, "wide": True, "zero": True})
    )  # fmt: skip
    name = "Variance of the network" if moves else "Diversity of the network, H"
    about = (
        "The total variance of a point that some model draws. It may explode or collapse, "
        "whatever ‖D‖ does."
        if moves
        else "How varied the network is as a whole. ‖D‖ says nothing about it: models may come to "
        "differ and yet each repeat itself, or be alike and varied."
    )
    section.panels.append(
        Panel("diversity", name, about, reasons.get("diversity"),
              {"kind": "lines", "table": "norm", "y": "variance" if moves else "H",
               "lines": [{"column": "diversity", "name": "variance" if moves else "H"}],
               "others": True, "zero": True})
    )  # fmt: skip


def _numbers_of_answers(ds: xr.Dataset) -> str:
    """Return how many answers models gave at a time, or from how many to how many."""
    there = n_answers(ds)
    if there is None:
        return str(ds.sizes["response"])
    few, most = int(there.min()), int(there.max())
    return str(few) if few == most else f"{few} to {most}"


def _add_models(section: Section, ds: xr.Dataset) -> None:
    """Add what there is of each model over time: its place, its inner variety, its way."""
    columns: dict[str, xr.DataArray] = {}
    dims = ("time", "model", "replicate")
    for name, make in (("inner_diversity", inner_diversity), ("drift", drift)):
        value, why, _ = attempt(lambda make=make: make(ds))
        reason = None if value is not None else why
        if value is not None:
            columns[name] = value
        _model_panel(section, name, reason, "" if value is None else str(value.attrs["long_name"]))
    size = ds.sizes["time"] * ds.sizes["model"] * ds.sizes["replicate"]
    width = ds.sizes.get("component", 0) or ds.sizes.get("feature", 1) * ds.sizes.get("query", 1)
    if size * width > _SCALED:
        space, why = None, "There are too many models and times to scale them on a page."
    else:
        k = max(1, min(2, size - 1))
        space, why, _ = attempt(lambda: dkps(ds, k=k))
    about = (
        "Each model at the chosen time, by classical multidimensional scaling of the distances "
        "between models, all times and replicates in one plane; the line is its way over the last "
        "ten times."
    )
    plane = np.zeros((size, 2))
    if space is not None:
        points = space.points.transpose(*dims, "coordinate")
        plane[:, : points.shape[-1]] = points.values.reshape(len(plane), -1)
        about += f" The plane holds {float(space.gof[1]):.0%} of the variation."
        for i, axis in enumerate("xy"):
            columns[axis] = points[..., 0].copy(data=plane[:, i].reshape(points.shape[:3]))
    if columns:
        table = grid(dims, columns)
        table["dims"][1][1] = section.data["models"]
        for axis in set("xy") & set(columns):
            table["columns"][axis] = places(plane)[axis]
        section.data["tables"]["models"] = table
    section.panels.append(
        Panel("plane", "Models in a plane, over time", about, why if space is None else None,
              {"kind": "models", "table": "models", "wide": "weight" in ds})
    )  # fmt: skip


def _model_panel(section: Section, name: str, why: str | None, what: str) -> None:
    title, about = {
        "inner_diversity": (
            "Variety within each model",
            "How much what one model gives at one step differs: 0 where it repeats itself.",
        ),
        "drift": ("How far each model has gone", "Where it is against where it began."),
    }[name]
    about += f" Shown is the {what}." if what else ""
    section.panels.append(
        Panel(name, title, about, why,
              {"kind": "lines", "table": "models", "y": name.replace("_", " "),
               "lines": [{"column": name, "split": "model"}], "zero": True})
    )  # fmt: skip
