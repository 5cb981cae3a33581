"""The section of a sweep: what varied, means with intervals, effects."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pandas as pd

from lwdstats.inference.linear.lm import lm
from lwdstats.inference.survival.survfit import survfit
from lwdstats.reports.section import Finding, Panel, Section, attempt, file_name, found
from lwdstats.reports.tables import frame
from lwdstats.results.generics import anova
from lwdstats.studies.sweep.result import Sweep

# Factors that can be chosen for axes, and levels of one that a picture has room for.
_FACTORS, _LEVELS = 6, 60


def sweep_section(sweep: Sweep, name: str) -> Section:
    """Return the section of a sweep."""
    runs = len(sweep.frame[["cell", "replicate"]].drop_duplicates())
    facts = [
        ("Cells", f"{sweep.n_cells}{'' if sweep.full else ', a design'}"),
        ("Runs", f"{runs}, of {len(sweep.replicates)} replicates of each cell"),
    ]
    facts += [(f"Factor {f}", _listing(sweep.levels[f])) for f in sweep.factors]
    facts.append(("Measures", ", ".join(sweep.measures) or "none"))
    streams = "the same in all cells, so that contrasts are sharper" * sweep.common_streams
    facts.append(("Random streams", f"{streams or 'of each cell its own'}; seed {sweep.seed}"))
    facts.append(("Failed", f"{len(sweep.failures)} runs" if len(sweep.failures) else "none"))
    section = Section(name, sweep.lines()[0], facts, notes=list(sweep.notes))
    if sweep.spec is None:
        said = "This file does not hold its base; with the file that it was run from, run"
        section.again.append((said, "lwdstats sweep SWEEP.toml -o sweep.nc"))
    else:
        file = file_name(name)
        section.spec = sweep.spec
        section.again.append(
            ("Download the specification, and run", f"lwdstats sweep {file}.json -o {file}.nc")
        )
    section.data = {"name": name, "tables": {}}
    numeric = sweep._numeric()
    _add_means(section, sweep, numeric)
    _add_time(section, sweep, numeric)
    section.data["tables"]["runs"] = frame(sweep.frame)
    _add_failures(section, sweep)
    timed = {"collapse_time", "collapsed"} <= set(sweep.measures)
    for measure in numeric:
        # Times that may be censored are no plain numbers.
        if not (timed and measure in ("collapse_time", "collapsed")):
            section.findings.append(_effects(sweep, measure))
    if timed:
        for factor in sweep.factors:
            question = f"When do networks collapse, by {factor}?"
            formula = f"Surv(collapse_time, collapsed) ~ {_term(sweep, factor)}"
            section.findings.append(
                found(question, lambda formula=formula: survfit(formula, sweep))[0]
            )
    return section


def _add_means(section: Section, sweep: Sweep, numeric: list[str]) -> None:
    """Add means of each measure by one factor and by pairs of them."""
    about = (
        "Means over runs with 95% intervals over replicates; other factors are averaged over "
        "within a replicate. Intervals are of one mean each: for differences see the effects below."
    )
    lines = Panel(
        "means", "Means by factors", about, draws={"kind": "means", "table": "means", "wide": True}
    )
    about = "Means over runs for each pair of levels; a stronger shade is larger."
    cells = Panel(
        "map", "Map of two factors", about, draws={"kind": "map", "table": "means", "wide": True}
    )
    section.panels += [lines, cells]
    factors = [f for f in sweep.factors if len(sweep.levels[f]) <= _LEVELS][:_FACTORS]
    if not numeric or not len(sweep.frame):
        lines.why = cells.why = "Nothing was measured that is a number."
        return
    if not factors:
        lines.why = cells.why = (
            f"No factor has {_LEVELS} levels or fewer." if sweep.factors else "Nothing was varied."
        )
        return
    if len(factors) == 1:
        cells.why = "A single factor was varied."
    tables = []
    for measure in numeric:
        for names in [*((f,) for f in factors), *permutations(factors, 2)]:
            means, _, _ = attempt(lambda m=measure, n=names: sweep.means(m, n))
            if means is None or means.empty:
                continue
            x, by = names[0], (names[1] if len(names) > 1 else "")
            row: dict[str, Any] = {"measure": measure, "x": x, "by": by}
            row |= {
                "x_level": means[x].astype(str),
                "by_level": means[by].astype(str) if by else "",
            }
            kept = ("estimate", "conf_low", "conf_high", "n")
            tables.append(pd.DataFrame(row | {c: means[c].to_numpy() for c in kept}))
    if not tables:
        lines.why = cells.why = "No mean could be taken: all runs lack the measures."
        return
    section.data["tables"]["means"] = frame(pd.concat(tables, ignore_index=True))
    section.data["levels"] = {f: [str(v) for v in sweep.levels[f]] for f in factors}
    section.data["numeric"] = {
        f: all(isinstance(v, int | float) for v in sweep.levels[f]) for f in factors
    }
    section.data["measures"] = numeric
    section.data["factors"] = factors


def _add_time(section: Section, sweep: Sweep, numeric: list[str]) -> None:
    """Add means over time, where something was measured over time."""
    panel = Panel("course", "Over time", "Means over all runs with a level, at each time.",
                  draws={"kind": "course", "table": "course", "wide": True})  # fmt: skip
    section.panels.append(panel)
    if "time" not in sweep.frame or not section.data.get("factors"):
        panel.why = "Nothing was measured over time; measures are of the end of each run."
        return
    tables = []
    data: Any = sweep.frame
    for measure in numeric:
        values = data[measure].astype(float)
        for factor in section.data["factors"]:
            means = values.groupby([data[factor].astype(str), data["time"]], sort=False).mean()
            table = means.rename("mean").rename_axis(["level", "time"]).reset_index()
            tables.append(table.assign(measure=measure, factor=factor))
    section.data["tables"]["course"] = frame(pd.concat(tables, ignore_index=True))


def _add_failures(section: Section, sweep: Sweep) -> None:
    panel = Panel("failures", "Runs that failed", "Each combination that could not run, and why.",
                  draws={"kind": "table", "table": "failures", "wide": True})  # fmt: skip
    section.panels.append(panel)
    if len(sweep.failures):
        section.data["tables"]["failures"] = frame(sweep.failures)
    else:
        panel.why = "No run failed."


def _effects(sweep: Sweep, measure: str) -> Finding:
    """Return the analysis of variance of a measure by the factors, and by pairs where it can be."""
    terms = [_term(sweep, f) for f in sweep.factors if len(sweep.levels[f]) > 1]
    question = f"What moves {measure}?"
    if not terms:
        return Finding(question, None, "Nothing was varied.")
    together = " + ".join(terms)
    models = [f"({together})^2"] * (sweep.full and len(terms) > 1) + [together]
    told = Finding(question, None)
    for right in models:
        told, _ = found(question, lambda r=right: anova(lm(f"{_quoted(measure)} ~ {r}", sweep)))
        if told.block is not None:
            break
    return told


def _term(sweep: Sweep, factor: str) -> str:
    """Return a factor as a formula has it: of a grid by its levels, of a design as a number."""
    text = any(isinstance(v, str) for v in sweep.levels[factor])
    return _quoted(factor) if text or not sweep.full else f"factor({_quoted(factor)})"


def _quoted(name: str) -> str:
    return name if name.isidentifier() else f"`{name}`"


def _listing(levels: list[Any], most: int = 12) -> str:
    shown = ", ".join(str(level) for level in levels[:most])
    return shown + f", ... ({len(levels)} levels)" * (len(levels) > most)
