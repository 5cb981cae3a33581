"""Components that move: theory against simulation.

Run: python benchmarks/validity/moving.py [--runs 4000]
Prints, as markdown: moments of single normal laws in scenarios; how fast variances grow or fall
where posts are replaced; where they go on a web that keeps all; several components; how fast each
distance between mixtures falls; and what clipping the gain does.
"""

from __future__ import annotations

import argparse
import warnings
from typing import Any

import numpy as np

import lwdstats as lwd

BOTH = ("mean", "covariance")
SCENARIOS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("the paper's", {}, {}),
    ("replace", {"keep": "last"}, {}),
    ("replace, posts after update", {"keep": "last", "posts": "after update"}, {}),
    ("the last 3 steps", {"keep": ("last", 3)}, {}),
    ("random, 14 posts", {"keep": ("random", 14)}, {}),
    ("reservoir, 14 posts", {"keep": ("reservoir", 14)}, {}),
    ("fresh posts, share of reads", {"fresh": 2, "read_real": 0.4}, {}),
    ("the same, sources of their own",
     {"fresh": 2, "read_real": ("random", 0.4), "anchors": (0.3, [1.0])}, {}),
    ("ring of 4", {"readers": "ring"}, {"n_models": 4}),
    ("blocks with weights", {"readers": ("blocks", 2, 0.2)}, {"n_models": 4}),
    ("frozen and silent", {"frozen": [0], "silent": [2]}, {}),
    ("noise", {"noise": 0.25}, {}),
    ("9 newest", {"keep": "last", "n_read": 9, "retrieval": "recent"}, {}),
    ("refit, weight of real points", {"fresh": 3, "real_weight": 0.7, "keep": "last"},
     {"update": "refit"}),
    ("prior of 3 points", {"keep": "last"}, {"update": ("prior", 3.0)}),
]  # fmt: skip


def row(*cells: object) -> None:
    print("| " + " | ".join(map(str, cells)) + " |", flush=True)


def header(*cells: str) -> None:
    row(*cells)
    row(*["---"] * len(cells))


def parts(ds: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return means and variances (times, n, runs) of one component on a line."""
    mean = ds["component_mean"].values[:, :, :, 0, 0]
    variance = ds["component_covariance"].values
    return mean, variance[:, :, :, 0, 0, 0] if variance.ndim == 6 else np.full(mean.shape, variance)


def moments(runs: int) -> None:
    print("\n## Moments of single normal laws\n")
    print("Moments at t = 1..12, n = 3, L = 3, from means 0, 1 and 3: simulated less exact, in")
    print(
        "standard errors. E tr C is over models, network its whole variance, D^2 that of means.\n"
    )
    header(
        "scenario", "rule", "E tr C at 12", "largest z", "network", "largest z", "D^2", "largest z"
    )
    every: list[float] = []
    for name, scenario, more in SCENARIOS:
        for rule in ("zivkovic", "welford"):
            given = {
                "n_models": 3, "n_responses": 3, "n_steps": 12, "means": [0.5], "covariance": 1.3,
                "initial_points": [-1.0, 0.5, 2.0, 4.0], "step_size": "1/(k + 1)", "moving": BOTH,
                "variance_rule": rule, "scenario": scenario,
            } | more  # fmt: skip
            first = np.array([0.0, 1.0, 3.0, -2.0])[: given["n_models"]]
            given["initial_means"] = first[:, None, None]
            exact = lwd.moving_moments(**given)
            ds = lwd.simulate_gmm(n_components=1, replicates=runs, seed=5, progress=False, **given)
            mean, variance = parts(ds)
            centre = mean.mean(1)
            n = mean.shape[1]
            cells: list[str] = []
            for value, key in (
                (variance.mean(1), "model_variance"),
                ((variance + mean**2).mean(1) - centre**2, "network_variance"),
                (2 * n * n * ((mean - centre[:, None]) ** 2).mean(1), "expected_sq_norm"),
            ):
                error = value.std(1, ddof=1) / runs**0.5
                some = error > 1e-9
                z = ((value.mean(1) - getattr(exact, key))[some]) / error[some]
                every += z.tolist()
                cells += [f"{getattr(exact, key)[-1]:.4f}", f"{np.abs(z).max():.1f}"]
            row(name, rule, *cells)
    z = np.array(every)
    print(f"\n{z.size} numbers: root mean square of z {np.sqrt((z**2).mean()):.2f}, beyond 2 "
          f"{(np.abs(z) > 2).mean():.1%}, largest {np.abs(z).max():.1f}.")  # fmt: skip


def growth(runs: int) -> None:
    print("\n## How fast variances grow or fall\n")
    print("Growth of a variance a step where posts are replaced: E C, and log C of a run.\n")
    header("n, L, kappa", "rule", "order", "E C exact", "first order", "simulated (se)",
           "log C first order", "simulated (se)")  # fmt: skip
    for n, n_responses, kappa in ((3, 10, 1.0), (1, 30, 0.2), (1, 30, 1.0), (10, 10, 1.0)):
        for rule in ("zivkovic", "welford"):
            for posts in ("before update", "after update"):
                given = {
                    "n_models": n, "n_responses": n_responses, "step_size": f"{kappa}/k",
                    "variance_rule": rule, "scenario": {"keep": "last", "posts": posts},
                }  # fmt: skip
                rate = lwd.variance_rate(**given).tidy().iloc[0]
                ds = lwd.simulate_gmm(
                    n_components=1, means=[0.0], n_steps=60, record=[20, 60], moving=BOTH,
                    replicates=runs, seed=2, progress=False, **given,
                )  # fmt: skip
                variance = parts(ds)[1].mean(1)
                ratio = variance[1].mean() / variance[0].mean()
                # The spread of a ratio of means.
                spread = (variance[1] - ratio * variance[0]).std(ddof=1) / variance[0].mean()
                step = ratio ** (1 / 40)
                mean_error = step / 40 * spread / ratio / runs**0.5
                logs = np.log(parts(ds)[1]).mean(1)
                slope = (logs[1] - logs[0]) / 40
                row(f"{n}, {n_responses}, {kappa:g}", rule, posts, f"{rate['exact_rate']:+.4f}",
                    f"{rate['mean_rate']:+.4f}", f"{step - 1:+.4f} ({mean_error:.4f})",
                    f"{rate['log_rate']:+.4f}",
                    f"{slope.mean():+.4f} ({slope.std(ddof=1) / runs**0.5:.4f})")  # fmt: skip


def kept(runs: int) -> None:
    print("\n## Where they go on a web that keeps all\n")
    print(
        "A web that keeps all, n = 3, L = 3, beta = .5, t = 150: variances come to rest, and both"
    )
    print("distances fall like 1/t. g is (1 - 2 beta tanh(1/2)) (n - 1) / (beta L).\n")
    header("rule", "E C exact", "simulated (se)", "t E sum (mu_i - mu_j)^2 exact", "simulated (se)",
           "g E C", "t E sum (C_i - C_j)^2 simulated (se)", "2 g E C^2")  # fmt: skip
    n, n_responses, beta, t = 3, 3, 0.5, 150
    g = (1 - 2 * beta * np.tanh(0.5)) * (n - 1) / (beta * n_responses)
    for rule in ("zivkovic", "welford"):
        given = {"n_models": n, "n_responses": n_responses, "beta": beta, "n_steps": t,
                 "variance_rule": rule, "initial_points": np.linspace(-2, 2, 30)}  # fmt: skip
        exact = lwd.moving_moments(**given)
        ds = lwd.simulate_gmm(n_components=1, means=[0.0], moving=BOTH, record=[t], seed=4,
                              replicates=runs // 4, progress=False, **given)  # fmt: skip
        mean, variance = (x[0] for x in parts(ds))
        apart = 2 * n * n * mean.var(0), 2 * n * n * variance.var(0)
        said = [x.mean() for x in (variance.mean(0), t * apart[0], t * apart[1])]
        error = [
            x.std(ddof=1) / x.size**0.5 for x in (variance.mean(0), t * apart[0], t * apart[1])
        ]
        own = variance.mean(0)
        row(rule, f"{exact.model_variance[-1]:.4f}", f"{said[0]:.4f} ({error[0]:.4f})",
            f"{t * exact.expected_sq_norm[-1]:.4f}", f"{said[1]:.4f} ({error[1]:.4f})",
            f"{g * own.mean():.4f}", f"{said[2]:.3f} ({error[2]:.3f})",
            f"{2 * g * (own**2).mean():.3f}")  # fmt: skip


def several(runs: int) -> None:
    print("\n## Several components\n")
    print(
        "Two components 60 apart, replace, n = 3, L = 40, weights from .3 and .7, steps 10 to 30:"
    )
    print("growth of E C_b a step, where weights drift and theory holds them.\n")
    header("rule", "component", "first order", "simulated (se)")
    for rule in ("zivkovic", "welford"):
        rate = lwd.variance_rate([0.3, 0.7], n_models=3, n_responses=40, variance_rule=rule)
        ds = lwd.simulate_gmm(
            3, 2, means=[-30.0, 30.0], n_responses=40, n_steps=30, initial_weights=[0.3, 0.7],
            moving=BOTH, variance_rule=rule, scenario={"keep": "last"}, record=[10, 30],
            replicates=runs // 2, seed=8, progress=False,
        )  # fmt: skip
        variance = ds["component_covariance"].values[..., 0, 0].mean(1)
        for b in (0, 1):
            one = variance[:, :, b]
            ratio = one[1].mean() / one[0].mean()
            spread = (one[1] - ratio * one[0]).std(ddof=1) / one[0].mean() / ratio
            step = ratio ** (1 / 20)
            error = step / 20 * spread / one[0].size ** 0.5
            row(rule, b, f"{rate.mean_rate[b]:+.4f}", f"{step - 1:+.4f} ({error:.4f})")


def distances(runs: int) -> None:
    print("\n## How fast each distance falls\n")
    print(
        "A web that keeps all, B = 2, n = 3, L = 3: slope of log E d^2 on log t, t = 30 to 150.\n"
    )
    header("distance", "slope (se over 20 batches of runs)")
    times = [30, 45, 67, 100, 150]
    ds = lwd.simulate_gmm(
        3, 2, n_steps=150, moving=BOTH, record=times, replicates=runs // 4, seed=6, progress=False,
        initial_weights=[[0.2, 0.8], [0.5, 0.5], [0.75, 0.25]],
        initial_points=np.repeat([-5.0, 5.0], 15) + np.tile(np.linspace(-1.5, 1.5, 15), 2),
        variance_rule="welford",
    )  # fmt: skip
    weight = ds["weight"] / ds["weight"].sum("component")
    centre = weight - weight.mean("model")
    found = {
        name: (lwd.dist(ds, name) ** 2).mean(["model", "model_"]).transpose("time", "replicate")
        for name in ("mmd", "l2", "mean", "mw2")
    }
    found["weights"] = (centre**2).sum(["model", "component"]).transpose("time", "replicate")
    for name, square in found.items():
        batches = np.array_split(square.values, 20, axis=1)
        slopes = [np.polyfit(np.log(times), np.log(b.mean(1)), 1)[0] for b in batches]
        whole = np.polyfit(np.log(times), np.log(square.values.mean(1)), 1)[0]
        row(name, f"{whole:.3f} ({np.std(slopes, ddof=1) / 20**0.5:.3f})")


def clipped(runs: int) -> None:
    print("\n## Clipped gains\n")
    print("Weights .03 and .97, k = 20, means -5 and 5, replace: E C of the small component,")
    print("and how often a gain was clipped in a step and model.\n")
    header("t", "E C_1", "clipped")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        ds = lwd.simulate_gmm(
            1, 2, n_steps=4, n_responses=20, beta=1.0, initial_weights=[0.03, 0.97], moving=BOTH,
            scenario={"keep": "last"}, replicates=runs, seed=3, progress=False,
        )  # fmt: skip
    for t in range(5):
        one = ds["component_covariance"].isel(time=t, component=0, feature=0, feature_=0)
        row(
            t,
            f"{float(one.mean()):.2f}",
            f"{float(ds['n_clipped'].isel(time=t).mean()):.2f}" if t < 4 else "",
        )


def main() -> None:
    parser = argparse.ArgumentParser(description="components that move: theory and simulation")
    parser.add_argument("--runs", type=int, default=4000)
    runs = parser.parse_args().runs
    for table in (moments, growth, kept, several, distances, clipped):
        table(runs)


if __name__ == "__main__":
    main()
