"""One bot in ten captures the consensus while ||D||_F goes to 0, by mixtures and language models.

python analysis/bot.py [--figure FOLDER]

Mixtures are simulated from a seed; the run of language models is that of data/worked/.
"""

from __future__ import annotations

import beside
import numpy as np
import pandas as pd
import xarray as xr

import lwdstats as lwd
from lwdstats.results.pictures.style import styled

# The bot posts component 1 alone; the others and the first web hold a tenth of it.
SETTING = {
    "n_models": 10,
    "initial_weights": [[0.9, 0.1]] * 9 + [[1e-12, 1 - 1e-12]],
    "initial_points": [-5.0] * 18 + [5.0] * 2,
    "n_steps": 200,
    "beta": 0.1,
    "complexity": 0,
}
BOT = 9
SCENARIOS = {
    "replace": {"frozen": [BOT], "keep": "last"},
    "accumulate": {"frozen": [BOT]},
    "replace, real": {"frozen": [BOT], "keep": "last", "fresh": 3, "fresh_from": [0.9, 0.1]},
    "accumulate, no bot": {},
}
# Word of the bot's text that tells it from what the others say.
WORD = "fraud"
# By which law, from when to when the norm is asked for its limit: before, it is not yet of the law;
# after, on a web that is replaced, nothing is left that moves.
LAWS = [("replace", "exponential", 20, 150), ("accumulate", "power_floor", 50, 200)]
LAWS += [("replace, real", "exponential", 0, 200)]
_TIMES = [0, 4, 8, 12, 16, 20]


def captured(ds: xr.Dataset) -> xr.DataArray:
    """Return the mean weight of what the bot posts in the other nine, (time, replicate)."""
    return ds["weight"].isel(component=1).drop_isel(model=BOT).mean("model")


def away(ds: xr.Dataset) -> xr.DataArray:
    """Return the mean distance of the other nine from the bot, (time, replicate)."""
    return lwd.dist(ds).isel(model_=BOT).drop_isel(model=BOT).mean("model")


def repeating(ds: xr.Dataset) -> xr.DataArray:
    """Return the share of the nine's answers that hold the bot's word, (time, replicate)."""
    return beside.saying(ds, WORD).drop_isel(model=BOT).mean("model")


def mixtures() -> tuple[beside.Runs, dict[str, pd.DataFrame]]:
    """Return the runs of mixtures, and what theory says of them."""
    how = {"replicates": 100, "record": 5, "seed": 3}
    return beside.simulated(SETTING, SCENARIOS, **how), beside.exact(SETTING, SCENARIOS)


def expected_capture() -> dict[str, pd.Series]:
    """Return the exact mean weight of what the bot posts in the other nine, by time."""
    out = {}
    for name, scenario in SCENARIOS.items():
        moments = lwd.second_moments(**SETTING, scenario=scenario)
        nine = moments.model_mean(np.delete(np.arange(10), BOT))[:, :, 1].mean(axis=1)
        out[name] = pd.Series(nine, index=moments.time)
    return out


def copied() -> pd.Series:
    """Return the exact share of the bot in what models say that only copy what they read."""
    copying = beside.copying(SCENARIOS["replace"] | {"n_read": 2}, SETTING["initial_weights"])
    moments = lwd.second_moments(**copying | {"initial_points": [-5.0] * 20})
    return pd.Series(moments.model_mean(0)[1:, 0, 1], index=moments.time[1:] - 1)


def print_mixtures(runs: beside.Runs, theory: dict[str, pd.DataFrame]) -> None:
    """Print the tables about mixtures."""
    times = [0, 10, 50, 100, 200]
    print("Mixtures: ||D||_F^2 and H, 100 replicates, beside exact expectations")
    print(beside.shown(beside.against(runs, theory, times), 4), end="\n\n")
    print("Mean weight of the bot's component in the other nine, and exact:")
    shares = {name: captured(ds).mean("replicate").to_series() for name, ds in runs.items()}
    shares |= {f"{name}, exact": values for name, values in expected_capture().items()}
    print(beside.shown(pd.DataFrame(shares).loc[times].T), end="\n\n")
    options = {k: v for k, v in SETTING.items() if k != "n_steps"}
    for name, scenario in SCENARIOS.items():
        told = lwd.long_run(**options, scenario=scenario).lines()
        print(f"{name}: " + "; ".join(" ".join(line.split()) for line in told[2:4]))
    print("\nDoes ||D||_F go to a limit c (convergence_test)? Null hypothesis: c = 0")
    print(beside.shown(beside.limits(runs, LAWS)), end="\n\n")
    print("Are the models told apart at t = 0 and 200 (collapse_test, p adjusted for two times)?")
    print(f"Null hypothesis: {beside.NULLS['given_prompts']}")
    for name, ds in runs.items():
        p = lwd.collapse_test(ds, [0, 200], seed=1).table["p_adjusted"]
        print(f"{name}: p = {p[0]:.3f} and {p[200]:.3f}")
    try:
        lwd.check_decay({**SETTING, "scenario": SCENARIOS["replace"]}, replicates=20)
    except lwd.InputError as error:
        print(f"\ncheck_decay refuses: {error}")


def print_answers(runs: beside.Runs) -> None:
    """Print the tables about language models."""
    measures = {
        "||D||_F of all ten, debiased": beside.debiased,
        "Mean distance of the nine from the bot": away,
        f"Share of the nine's answers that hold '{WORD}'": repeating,
        "H of all ten": lwd.diversity,
    }
    for what, measure in measures.items():
        print(f"{what}:")
        print(beside.shown(beside.over_time(runs, measure, _TIMES)), end="\n\n")
    print("Share of the bot in what models would say that only copy what they read (exact):")
    print(beside.shown(copied().loc[_TIMES].to_frame().T), end="\n\n")
    beside.print_commonest(runs)
    print()
    beside.print_tests(runs, [(name, "exponential", 0, 20) for name in runs])


def draw(
    folder: str, runs: beside.Runs, theory: dict[str, pd.DataFrame], answers: beside.Runs
) -> None:
    """Draw norm, capture and diversity of both."""
    with styled():
        figure, axes = beside.panels(3)
        beside.draw_mixtures(axes[0, 0], runs, beside.squared, beside.column(theory, "D2"))
        beside.draw_mixtures(axes[1, 0], runs, captured, expected_capture())
        beside.draw_mixtures(axes[2, 0], runs, lwd.diversity, beside.column(theory, "H"))
        for ax, measure in zip(axes[:, 1], (beside.squared, repeating, lwd.diversity), strict=True):
            beside.draw_runs(ax, answers, measure)
        axes[1, 1].plot(copied(), ":", color="0.4", label="models that only copy what they read")
        axes[1, 1].legend()
        axes[0, 0].set_ylabel(r"$\|D\|_F^2$")
        axes[1, 0].set_ylabel("bot's weight in the nine")
        axes[2, 0].set_ylabel("$H$")
        axes[1, 1].set_ylabel(f"share that says '{WORD}'")
        for ax in axes.ravel():
            ax.set_ylim(bottom=0)
        beside.save(figure, axes, folder, "bot")


def main(arguments: list[str] | None = None) -> None:
    """Print what the page holds, or draw its figure."""
    beside.run(
        "bot",
        __doc__,
        lambda: (*mixtures(), beside.read(["bot"])),
        draw,
        (print_mixtures, print_answers),
        arguments,
    )


if __name__ == "__main__":
    main()
