"""Posts are replaced, kept, or partly real: does a network collapse, and when?

python analysis/regimes.py [--figure FOLDER]

Mixtures are simulated from a seed; the runs of language models are those of data/worked/.
"""

from __future__ import annotations

import beside
import numpy as np
import pandas as pd

import lwdstats as lwd
from lwdstats.results.pictures.style import colour, styled

FIRST = [[0.2, 0.8], [0.5, 0.5], [0.75, 0.25]]
SETTING = {"initial_weights": FIRST, "n_steps": 200, "n_responses": 3, "beta": 0.5}
SCENARIOS = {
    "replace": {"keep": "last"},
    "accumulate": {},
    "real": {"keep": "last", "fresh": 1},
}
# Where diversity is below this, all that is left is one component, or one phrase.
_COLLAPSED = 0.01
# Below such a share of that at t = 0 the answers of language models have all but lost theirs.
_LOW = 0.1
# By which law, from when to when the norm is asked for its limit.
LAWS = [("replace", "exponential", 20, 200), ("accumulate", "power_floor", 50, 200)]
LAWS += [("real", "exponential", 0, 200)]


def mixtures() -> tuple[beside.Runs, dict[str, pd.DataFrame]]:
    """Return the runs of mixtures, and what theory says of them."""
    how = {"replicates": 200, "seed": 1}
    return beside.simulated(SETTING, SCENARIOS, **how), beside.exact(SETTING, SCENARIOS)


def copied() -> dict[str, pd.Series]:
    """Return the exact H of models that only copy what they read, as shares of that at t = 0."""
    out = {}
    for name, scenario in SCENARIOS.items():
        told = beside.copying(scenario | {"n_read": 2}, [[0.5, 0.5]] * 2)
        left = lwd.expected_diversity(**told)[1:]
        out[name] = pd.Series(left / left[0])
    return out


def print_mixtures(runs: beside.Runs, theory: dict[str, pd.DataFrame]) -> None:
    """Print the tables about mixtures."""
    print("Mixtures: ||D||_F^2 and H, 200 replicates, beside exact expectations")
    print(beside.shown(beside.against(runs, theory, [0, 10, 50, 100, 200]), 4), end="\n\n")
    for name, scenario in SCENARIOS.items():
        told = lwd.long_run(FIRST, scenario=scenario).lines()
        print(f"{name}: " + "; ".join(" ".join(line.split()) for line in told[2:-1]))
    size = lwd.effective_size(FIRST, scenario=SCENARIOS["replace"])
    print(f"\nOne component is left after about 2 N_e log 2 = {2 * size * np.log(2):.0f} steps.")
    for name, ds in runs.items():
        told = lwd.collapse_time(lwd.diversity(ds), _COLLAPSED)
        low, high = told.conf_int
        when = f", half of them by t = {told.median:g} (95% {low:g} to {high:g})"
        share = f"{told.events} of {told.n} runs" + when * (told.events > told.n / 2)
        print(f"{name}: H below {_COLLAPSED:g} to the end in {share}")
    print("\nDoes ||D||_F go to a limit c (convergence_test)? Null hypothesis: c = 0")
    print(beside.shown(beside.limits(runs, LAWS)), end="\n\n")
    print("How does the mean difference of two models decay (check_decay, 1,500 runs)?")
    print("Null hypotheses: a step leaves (1 - alpha)^k of it; or something more than 5% off")
    for name, scenario in SCENARIOS.items():
        spec = {"initial_weights": FIRST, "n_steps": 6, "scenario": scenario}
        check = lwd.check_decay(spec, replicates=1500, n_draws=299, seed=1, progress=False)
        print(f"{name}: {check.verdict}")


def print_answers(runs: beside.Runs) -> None:
    """Print the tables about language models."""
    times = [0, 4, 8, 12, 16, 20]
    for what, measure in {
        "||D||_F, debiased": beside.debiased,
        "H": lwd.diversity,
        "Share of all answers of a step that are distinct": beside.distinct,
    }.items():
        print(f"{what}:")
        print(beside.shown(beside.over_time(runs, measure, times)), end="\n\n")
    print("H of models that only copy what they read, as a share of that at t = 0 (exact):")
    print(beside.shown(pd.DataFrame(copied()).loc[times].T), end="\n\n")
    print(f"Times t = 2, 4, ..., 20 at which H is below {_LOW:g} of that at t = 0:")
    for name, ds in runs.items():
        left = lwd.diversity(ds).transpose("replicate", "time")
        low = left < _LOW * left.sel(time=0)
        told = [", ".join(map(str, r["time"].values[r.values])) or "none" for r in low]
        print(f"- {name}: {'; '.join(told)}")
    print()
    beside.print_commonest(runs)
    print()
    beside.print_tests(runs, [(name, "exponential", 0, 20) for name in runs])


def draw(
    folder: str, runs: beside.Runs, theory: dict[str, pd.DataFrame], answers: beside.Runs
) -> None:
    """Draw norm and diversity of both."""
    with styled():
        figure, axes = beside.panels(2)
        kept = {name: ds.sel(time=slice(None, None, 10)) for name, ds in runs.items()}
        beside.draw_mixtures(axes[0, 0], kept, beside.squared, beside.column(theory, "D2"))
        beside.draw_mixtures(axes[1, 0], kept, lwd.diversity, beside.column(theory, "H"))
        beside.draw_runs(axes[0, 1], answers, beside.squared)
        beside.draw_runs(axes[1, 1], answers, lwd.diversity)
        for i, (name, share) in enumerate(copied().items()):
            start = float(lwd.diversity(answers[name]).sel(time=0).mean())
            axes[1, 1].plot(start * share, ":", color=colour(i))
        for row, name in zip(axes, (r"$\|D\|_F^2$", "$H$"), strict=True):
            row[0].set_ylabel(name)
            row[1].axhline(0, color="0.8", linewidth=0.8, zorder=0)
        axes[0, 0].set(yscale="log", ylim=(5e-4, 3))
        beside.save(figure, axes, folder, "regimes")


def main(arguments: list[str] | None = None) -> None:
    """Print what the page holds, or draw its figure."""
    beside.run(
        "regimes",
        __doc__,
        lambda: (*mixtures(), beside.read(SCENARIOS)),
        draw,
        (print_mixtures, print_answers),
        arguments,
    )


if __name__ == "__main__":
    main()
