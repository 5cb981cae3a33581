"""Who reads whom: a ring, two cliques and a star, by mixtures and by language models.

python analysis/topology.py [--figure FOLDER]

Mixtures are simulated from a seed; the runs of language models are those of data/worked/.
"""

from __future__ import annotations

from typing import Any

import beside
import numpy as np
import pandas as pd
import xarray as xr

import lwdstats as lwd
from lwdstats.results.pictures.style import colour, styled

SETTING = {
    "n_models": 6,
    "initial_weights": [[0.8, 0.2]] * 3 + [[0.2, 0.8]] * 3,
    "initial_points": [-5.0] * 10 + [5.0] * 10,
    "n_steps": 200,
    "beta": 0.1,
    "complexity": 0,
}
SCENARIOS = {
    "ring": {"readers": "ring"},
    "cliques": {"readers": ("blocks", 2, 0.1)},
    "star": {"readers": "star"},
}
# What the four language models read: two posts of the last step.
READERS = {"ring": "ring", "cliques": ("blocks", 2), "star": "star"}
# Exponents are fitted from here on, when what the models were at first is forgotten.
SINCE = 50
# What is drawn; the fit has every second time from SINCE on.
_DRAWN = [1, 2, 3, 5, 7, 10, 14, 20, 30, 40, 50, 70, 100, 140, 200]
_TIMES = [0, 4, 8, 12, 16, 20]


def sides(n: int) -> list[str]:
    """Return the side of each model: neighbours on the ring, a clique each."""
    return ["left"] * (n // 2) + ["right"] * (n // 2)


def between(ds: xr.Dataset) -> xr.DataArray:
    """Return the part of ||D||_F^2 that lies between the sides, (time, replicate)."""
    part = lwd.polarization(ds, sides(ds.sizes["model"]), debias="weight" not in ds)
    return part * abs(part)


def mixtures() -> tuple[beside.Runs, dict[str, pd.DataFrame]]:
    """Return the runs of mixtures, and what theory says of them, of ten times as many steps too."""
    how = {"replicates": 100, "record": sorted({0, *_DRAWN, *range(SINCE, 201, 2)}), "seed": 2}
    theory = beside.exact(SETTING, SCENARIOS, n_steps=10 * SETTING["n_steps"])
    return beside.simulated(SETTING, SCENARIOS, **how), theory


def exponent(name: str) -> float:
    """Return q of E||D||_F^2 ~ t^-q in the long run."""
    options = {k: v for k, v in SETTING.items() if k != "n_steps"}
    return lwd.long_run(**options, scenario=SCENARIOS[name]).norm_exponent


def print_mixtures(runs: beside.Runs, theory: dict[str, pd.DataFrame]) -> None:
    """Print the tables about mixtures."""
    print("Mixtures: ||D||_F^2 and H, 100 replicates, beside exact expectations")
    print(beside.shown(beside.against(runs, theory, [0, 10, 50, 100, 200]), 4), end="\n\n")
    rows = {}
    for name, ds in runs.items():
        fit = lwd.convergence_fit(ds, "power", since=SINCE, square=True)
        low, high = fit.confint("b")["b"]
        square = theory[name]["D2"]
        slope = np.log(square[SINCE] / square[200]) / np.log(200 / SINCE)
        rows[name] = {"theory": exponent(name), f"exact, t = {SINCE} to 200": slope,
                      "fitted": fit.coef()["b"], "2.5%": low, "97.5%": high}  # fmt: skip
    print("Exponent q of ||D||_F^2 ~ t^-q: in the long run, exact slope, fit (convergence_fit)")
    print(beside.shown(pd.DataFrame(rows).T), end="\n\n")
    print("Share of ||D||_F^2 between the sides (polarization), of means, and exact:")
    shares = {name: shared(ds) for name, ds in runs.items()}
    shares |= {f"{name}, exact": share for name, share in expected_share(200).items()}
    print(beside.shown(pd.DataFrame(shares).loc[[0, 10, 50, 100, 200]].T))


def polarization(ds: xr.Dataset) -> xr.DataArray:
    """Return the part of ||D||_F between the sides, debiased, (time, replicate)."""
    return lwd.polarization(ds, sides(ds.sizes["model"]), debias=True)


def shared(ds: xr.Dataset) -> pd.Series:
    """Return the share between the sides of the mean squared norm, by time."""
    return (between(ds).mean("replicate") / beside.squared(ds).mean("replicate")).to_series()


def expected_share(n_steps: int) -> dict[str, pd.Series]:
    """Return the exact share of E||D||_F^2 between the sides, by time.

    Of two sides of n/2 models it is (n^2 / 2) E|a - b|^2, their mean weights being a and b.
    """
    n = SETTING["n_models"]
    contrast = np.where(np.array(sides(n)) == "left", 2 / n, -2 / n)
    out = {}
    for name, scenario in SCENARIOS.items():
        moments: Any = lwd.second_moments(**SETTING | {"n_steps": n_steps}, scenario=scenario)
        spread = np.einsum("i,j,mijbb->m", contrast, contrast, moments.cov[:, :n, :n])
        apart = ((contrast @ moments.model_mean()) ** 2).sum(1) + spread
        out[name] = pd.Series(n**2 / 2 * apart / moments.expected_sq_norm, index=moments.time)
    return out


def copied() -> dict[str, pd.DataFrame]:
    """Return exact moments of four models that only copy what they read, as shares of t = 0."""
    out = {}
    for name, readers in READERS.items():
        web = {"keep": "last", "readers": readers, "n_read": 2}
        told = beside.copying(web, [[0.8, 0.2]] * 2 + [[0.2, 0.8]] * 2)
        frame = beside.exact(told, {name: told.pop("scenario")})[name]
        out[name] = (frame / frame.loc[1]).loc[1:].reset_index(drop=True)
    return out


def print_answers(runs: beside.Runs) -> None:
    """Print the tables about language models."""
    for what, measure in {
        "||D||_F, debiased": beside.debiased,
        "polarization, the part of ||D||_F between the sides, debiased": polarization,
        "H": lwd.diversity,
    }.items():
        print(f"{what}:")
        print(beside.shown(beside.over_time(runs, measure, _TIMES)), end="\n\n")
    for what, name in (("||D||_F^2", "D2"), ("H", "H")):
        print(
            f"{what} of models that only copy what they read, as a share of that at t = 0 (exact):"
        )
        shares = pd.DataFrame(beside.column(copied(), name))
        print(beside.shown(shares.loc[_TIMES].T), end="\n\n")
    beside.print_commonest(runs)
    print()
    beside.print_tests(runs, [(name, "exponential", 0, 20) for name in runs])


def draw(
    folder: str, runs: beside.Runs, theory: dict[str, pd.DataFrame], answers: beside.Runs
) -> None:
    """Draw norm, polarization and diversity of both."""
    with styled():
        figure, axes = beside.panels(3)
        theory = {name: frame.iloc[1:] for name, frame in theory.items()}
        late = {name: ds.sel(time=_DRAWN) for name, ds in runs.items()}
        beside.draw_mixtures(axes[0, 0], late, beside.squared, beside.column(theory, "D2"))
        axes[0, 0].set(xscale="log", yscale="log")
        shares = expected_share(10 * SETTING["n_steps"])
        for i, (name, ds) in enumerate(late.items()):
            axes[1, 0].plot(shared(ds), ".", color=colour(i))
            axes[1, 0].plot(shares[name].iloc[1:], color=colour(i))
            q, square = exponent(name), theory[name]["D2"]
            end = (square.index[-1], square.iloc[-1])
            axes[0, 0].annotate(f"$t^{{-{q:.2g}}}$", end, (3, 0), textcoords="offset points")
        beside.draw_mixtures(axes[2, 0], late, lwd.diversity, beside.column(theory, "H"))
        beside.draw_runs(axes[0, 1], answers, beside.squared)
        beside.draw_runs(axes[1, 1], answers, between)
        beside.draw_runs(axes[2, 1], answers, lwd.diversity)
        for i, (name, frame) in enumerate(copied().items()):
            start = float(lwd.diversity(answers[name]).sel(time=0).mean())
            axes[2, 1].plot(start * frame["H"], ":", color=colour(i))
        for row, name in zip(axes[::2], (r"$\|D\|_F^2$", "$H$"), strict=True):
            for ax in row:
                ax.set_ylabel(name)
        axes[1, 0].set_ylabel("share between the sides")
        axes[1, 1].set_ylabel(r"part of $\|D\|_F^2$ between them")
        axes[1, 0].set_ylim(0, 1.05)
        axes[2, 0].set_ylim(0, 0.55)
        axes[2, 1].set_ylim(bottom=0)
        beside.save(figure, axes, folder, "topology")


def main(arguments: list[str] | None = None) -> None:
    """Print what the page holds, or draw its figure."""
    beside.run(
        "topology",
        __doc__,
        lambda: (*mixtures(), beside.read(SCENARIOS)),
        draw,
        (print_mixtures, print_answers),
        arguments,
    )


if __name__ == "__main__":
    main()
