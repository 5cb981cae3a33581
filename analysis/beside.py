"""What the worked pages share: mixtures beside exact theory, and runs of language models."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

import lwdstats as lwd
from lwdstats.inference.permutation.collapse_test import NULLS
from lwdstats.results.pictures import drawing
from lwdstats.results.pictures.style import DASHES, colour

WORKED = Path("data/worked")
LEVEL = 0.05
Runs = Mapping[str, xr.Dataset]
# Name of a run, law of its norm, and the first and the last time of it.
Law = tuple[str, str, int, int]


def simulated(setting: Mapping[str, Any], scenarios: Mapping[str, Any], **how: Any) -> Runs:
    """Return a run of mixtures for each scenario, all of one setting."""
    return {
        name: lwd.simulate_gmm(**setting, scenario=scenario, **how, progress=False)
        for name, scenario in scenarios.items()
    }


def exact(
    setting: Mapping[str, Any], scenarios: Mapping[str, Any], **changes: Any
) -> dict[str, pd.DataFrame]:
    """Return E||D||_F^2 and E[1 - |x|^2] by time, columns D2 and H, for each scenario."""
    options = {**setting, **changes}
    return {
        name: pd.DataFrame({
            "D2": lwd.expected_sq_norm(**options, scenario=scenario),
            "H": lwd.expected_diversity(**options, scenario=scenario),
        })
        for name, scenario in scenarios.items()
    }  # fmt: skip


def copying(scenario: Mapping[str, Any], first: Any) -> dict[str, Any]:
    """Return arguments of theory for models that say what they have just read, and no more.

    That is what language models without anything of their own would do: each posts one answer
    a step, and has no memory but its prompt. What a prompt of time t gives stands at t + 1.
    """
    return {
        "initial_weights": first,
        "initial_points": [-5.0] * 10 + [5.0] * 10,
        "n_responses": 1,
        "n_steps": 21,
        "update": "refit",
        "scenario": {**scenario, "posts": "after update"},
    }


def column(theory: Mapping[str, pd.DataFrame], what: str) -> dict[str, pd.Series]:
    """Return one column of what `exact` gives."""
    return {name: pd.Series(frame[what]) for name, frame in theory.items()}


def mean_and_error(values: xr.DataArray) -> tuple[pd.Series, pd.Series]:
    """Return the mean over replicates by time, and its standard error."""
    frame = pd.DataFrame(values.transpose("time", "replicate").to_pandas())
    return pd.Series(frame.mean(axis=1)), pd.Series(frame.sem(axis=1))


def against(runs: Runs, theory: Mapping[str, pd.DataFrame], times: Iterable[int]) -> pd.DataFrame:
    """Return what was simulated, with standard errors, beside what theory says."""
    rows = []
    for name, ds in runs.items():
        found = {
            "D2": mean_and_error(squared(ds)),
            "H": mean_and_error(lwd.diversity(ds)),
        }
        for t in times:
            row: dict[str, Any] = {"mixtures": name, "t": t}
            for what, (mean, error) in found.items():
                row |= {what: mean[t], "se": error[t], "exact": theory[name][what][t]}
                row = {f"{what} {k}" if k in ("se", "exact") else k: v for k, v in row.items()}
            rows.append(row)
    return pd.DataFrame(rows).set_index(["mixtures", "t"])


def limits(runs: Runs, laws: Iterable[Law]) -> pd.DataFrame:
    """Return `convergence_test` of runs, each by its law: c = 0 against c > 0."""
    rows = []
    for name, law, since, until in laws:
        row: dict[str, Any] = {"run": name, "law": law, "from": since, "to": until}
        try:
            part = runs[name].sel(time=slice(None, until))
            test = lwd.convergence_test(part, law, since=since)
        except lwd.InputError as error:
            rows.append(row | {"verdict": f"no test: {str(error.got).partition(' (')[0]}"})
            continue
        c = np.nan if test.estimate is None else test.estimate["c"]
        df = None if test.parameter is None else f"{test.parameter['df']:g}"
        row |= {"c": c, "t": test.statistic, "df": df, "p": test.p_value}
        said = "c > 0" if test.p_value <= LEVEL else "c = 0 is not rejected"
        rows.append(row | {"verdict": said if test.note is None else "a limit or a slow decay"})
    columns = ["run", "law", "from", "to", "c", "t", "df", "p", "verdict"]
    return pd.DataFrame(rows, columns=columns).set_index("run").dropna(axis=1, how="all")


def read(names: Iterable[str]) -> Runs:
    """Return the runs of language models by name, from data/worked/."""
    return {name: lwd.read_results(WORKED / f"{name}.nc") for name in names}


def over_time(
    runs: Runs, measure: Callable[[xr.Dataset], xr.DataArray], times: Iterable[int]
) -> pd.DataFrame:
    """Return a measure (time, replicate) of each run, a row a replicate."""
    frames = {
        name: pd.DataFrame(
            measure(ds).transpose("replicate", "time").sel(time=list(times)).to_pandas()
        )
        for name, ds in runs.items()
    }
    return pd.concat(frames, names=["run"])


def told_apart(runs: Runs, times: list[int]) -> pd.DataFrame:
    """Return `collapse_test` of each run under both null hypotheses, a row a time."""
    tables = {}
    for name, ds in runs.items():
        for null in NULLS:
            test = lwd.collapse_test(ds, times, null=null, seed=1)
            table = test.table[["r2_adjusted", "energy_distance", "p_adjusted"]]
            tables[name, null] = table.assign(smallest_p=test.smallest_p)
    return pd.concat(tables, names=["run", "null"])


def print_tests(runs: Runs, laws: Iterable[Law]) -> None:
    """Print tests of runs of language models, with their null hypotheses."""
    print("Are the models told apart (collapse_test, p adjusted for two times)? Null hypotheses:")
    for null, text in NULLS.items():
        print(f"- {null}: {text}")
    print(shown(told_apart(runs, [0, 20])), end="\n\n")
    print("Does H have a trend (mann_kendall)? Null hypothesis: no trend; AR(1) in time")
    for name, ds in runs.items():
        found = lwd.tidy(lwd.mann_kendall(lwd.diversity(ds), seed=1))
        told = [f"tau = {tau:.2f}, p = {p:.3f}" for tau, p in found[["tau", "p_value"]].to_numpy()]
        print(f"- {name}: {'; '.join(told)}")
    print("\nDoes ||D||_F^2, debiased, go to a limit c (convergence_test)? Null hypothesis: c = 0")
    print(shown(limits(runs, laws)))


def shown(frame: pd.DataFrame, digits: int = 3) -> str:
    """Return a table as text, what is missing left out."""
    return frame.round(digits).to_string(na_rep="")


def squared(ds: xr.Dataset) -> xr.DataArray:
    """Return ||D||_F^2, of answers without what a finite number of them adds, (time, replicate)."""
    norm = lwd.fnorm(ds, debias="weight" not in ds)
    return norm * abs(norm)


def debiased(ds: xr.Dataset) -> xr.DataArray:
    """Return ||D||_F without what a finite number of answers adds, (time, replicate)."""
    return lwd.fnorm(ds, debias=True)


def distinct(ds: xr.Dataset) -> xr.DataArray:
    """Return the share of a step's answers, of all models, that are distinct, (time, replicate)."""
    return xr.apply_ufunc(
        lambda texts: len({text for text in texts.ravel() if text}) / texts.size,
        ds["text"].isel(query=0),
        input_core_dims=[["model", "response"]],
        vectorize=True,
    )


def print_commonest(runs: Runs) -> None:
    """Print what is said most at the last time, and by which share of all answers."""
    print("Said most at t = 20, and its share of all answers:")
    for name, ds in runs.items():
        last = ds["text"].isel(query=0, time=-1)
        for replicate in last["replicate"].values:
            texts = pd.Series(last.sel(replicate=replicate).values.ravel())
            top = texts.value_counts().head(1)
            print(f"- {name}, {replicate}: {top.iloc[0] / len(texts):.0%} {top.index[0]!r}")


def saying(ds: xr.Dataset, word: str) -> xr.DataArray:
    """Return the share of answers that hold a word, (time, model, replicate)."""
    found = [word in str(text).lower() for text in ds["text"].values.ravel()]
    held = ds["text"].copy(data=np.reshape(found, ds["text"].shape).astype(float))
    return held.isel(query=0).mean("response")


def draw_mixtures(
    ax: Any, runs: Runs, values: Callable[[xr.Dataset], xr.DataArray], theory: Mapping[str, Any]
) -> None:
    """Draw means over replicates with two standard errors to each side, theory as lines."""
    for i, (name, ds) in enumerate(runs.items()):
        mean, error = mean_and_error(values(ds))
        line: Any = {"color": colour(i), "linestyle": "none", "marker": ".", "markersize": 5}
        ax.errorbar(mean.index, mean, 2 * error, **line, elinewidth=0.8)
        if name in theory:
            ax.plot(theory[name].index, theory[name], color=colour(i), label=name)


def draw_runs(ax: Any, runs: Runs, values: Callable[[xr.Dataset], xr.DataArray]) -> None:
    """Draw a line a replicate, replicates by dashes and runs by colour."""
    for i, ds in enumerate(runs.values()):
        curves = values(ds).transpose("time", "replicate")
        for j, replicate in enumerate(curves["replicate"].values):
            curve = curves.sel(replicate=replicate)
            ax.plot(curve["time"], curve, color=colour(i), linestyle=DASHES[j])


def panels(rows: int, size: tuple[float, float] = (10.5, 3.0)) -> tuple[drawing.Figure, Any]:
    """Return a figure with mixtures on the left and language models on the right."""
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(
        rows, 2, figsize=(size[0], size[1] * rows), layout="constrained", sharex="col"
    )
    axes[0, 0].set_title("mixtures: means with 2 standard errors, and theory (lines)")
    axes[0, 1].set_title("language models: two replicates")
    for ax in axes[-1]:
        ax.set_xlabel("time t")
    axes[-1, 1].locator_params(axis="x", integer=True)
    return figure, axes


def run(
    name: str,
    about: str | None,
    read_runs: Callable[[], tuple[Runs, Mapping[str, pd.DataFrame], Runs]],
    draw: Callable[[str, Runs, Any, Runs], None],
    parts: tuple[Callable[[Runs, Any], None], Callable[[Runs], None]],
    arguments: list[str] | None = None,
) -> None:
    """Print what a page holds, mixtures and then language models, or draw its figure.

    `arguments` are those of the command line where they are not given.
    """
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--figure", metavar="FOLDER", help="draw there, and print nothing else")
    folder = parser.parse_args(arguments).figure
    try:
        runs, theory, answers = read_runs()
        if folder is not None:
            draw(folder, runs, theory, answers)
            return
        parts[0](runs, theory)
        print()
        parts[1](answers)
    except lwd.InputError as error:
        sys.exit(f"{name}.py: {error}")


def save(figure: drawing.Figure, axes: Any, folder: str, name: str) -> None:
    """Write the legend below the panels, save the figure, and say where it is."""
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    path = Path(folder) / f"{name}.png"
    figure.savefig(path, dpi=130)
    print(path)
