"""What a step leaves of the difference between overlapping models, by each way to predict it.

Run: python benchmarks/validity/theory_overlap.py [--runs 60000] [--averaged 10000]
Networks of three models start from fixed, different weights; beta = .5, alpha = 1/k,
c = 1/(k B^2), epsilon = 1e-3. The simulated factor is the slope of the difference at t + 1 on
that at t, over all runs and pairs. Predictions average over the weights at t of the first runs.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

import numpy as np

import lwdstats as lwd
from lwdstats.theory.overlap.information import missing_information, overlap_factor
from lwdstats.theory.overlap.step import measured_decay, overlap_decay

SEED = 20240601
TIMES = (5, 7, 10)
TWO = [[0.2, 0.8], [0.5, 0.5], [0.75, 0.25]]
THREE = [[0.2, 0.3, 0.5], [0.4, 0.4, 0.2], [0.3, 0.1, 0.6]]
HEAD = (
    "t",
    "k",
    "J",
    "paper",
    "J(mean), h = 1",
    "J(mean)",
    "linear",
    "tangent",
    "tangent, each model",
    "step",
    "step, own web",
    "simulated (se)",
    "linear, % off",
    "tangent, % off",
    "step, % off",
    "own web, % off",
)


def weights_of(start: list, means: list, n_responses: int, runs: int) -> tuple:
    """Simulate; return weights (time, replicate, model, component), points and k_t."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that alpha is 1 at k = 1
        ds = lwd.simulate_gmm(
            len(start),
            len(means),
            means=means,
            initial_weights=start,
            n_steps=max(TIMES) + 1,
            n_responses=n_responses,
            replicates=runs,
            seed=SEED,
            progress=False,
        )
    weight = ds["weight"].transpose("time", "replicate", "model", "component").values
    points = ds["embedding"].transpose("replicate", "time", "model", "response", "feature").values
    return weight, points, ds["n_retrieved"].values


def row(
    weight: np.ndarray, points: np.ndarray, k: int, t: int, means: list, averaged: int
) -> list[str]:
    now, n_b = weight[t, :averaged], len(means)
    posts = points[:averaged, :t].reshape(len(now), -1, points.shape[-1])
    web = weight[:t, :averaged].mean((0, 2))
    information = missing_information(now.mean((0, 1)), means)
    alpha, c = 1 / k, 1 / (k * n_b**2)
    plain = overlap_factor(information, k, alpha, 0.0)[1]
    plug_in = overlap_factor(information, k, alpha, c)[1]
    fit = {
        method: overlap_decay(now, means, n_retrieved=k, method=method, web=web)
        for method in ("linear", "tangent", "step")
    }
    fit["own"] = overlap_decay(now, means, n_retrieved=k, method="step", points=posts)
    n = now.shape[1]
    apart = overlap_decay(
        now.reshape(-1, n_b), means, n_retrieved=k, method="tangent", web=np.repeat(web, n, axis=0)
    )
    simulated = measured_decay(weight[t], weight[t + 1])

    def listed(values: np.ndarray) -> str:
        return ", ".join(f"{v:.3f}" for v in values)

    off = [100 * (f.factor / simulated.factor - 1) for f in fit.values()]
    return [
        str(t),
        str(k),
        listed(information.eigenvalues),
        f"{(1 - alpha) ** k:.3f}",
        listed(plain),
        listed(plug_in),
        listed(fit["linear"].eigenvalues),
        listed(fit["tangent"].eigenvalues),
        listed(apart.eigenvalues),
        listed(fit["step"].eigenvalues),
        listed(fit["own"].eigenvalues),
        f"{listed(simulated.eigenvalues)} ({simulated.std_error:.3f})",
        *(f"{value:+.1f}" for value in off),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description="factors of a step under overlap")
    parser.add_argument("--runs", type=int, default=60_000)
    parser.add_argument("--averaged", type=int, default=10_000, help="runs that predictions use")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".md"))
    options = parser.parse_args()
    settings = [
        (f"{s:g}", n_responses, TWO, [-s, s])
        for n_responses in (3, 30)
        for s in (0.5, 0.75, 1, 1.5, 2, 3)
    ]
    settings += [("B = 3, 2 apart", n_responses, THREE, [-2, 0, 2]) for n_responses in (3, 30)]
    lines = [
        "# What a step leaves of a difference, by overlap",
        "",
        f"`python benchmarks/validity/theory_overlap.py --runs {options.runs} "
        f"--averaged {options.averaged}`",
        "",
        *(__doc__ or "").splitlines()[3:],
        "",
        "Means at -s and s, variance 1; for B = 3 at -2, 0 and 2, with both eigenvalues. `J` is at",
        "the mean weights. `J(mean)`: J at the mean consensus. `linear`, `tangent`, `step`: the",
        "methods of `overlap_decay`. `tangent, each model`: from each model's weights rather than",
        "the consensus. `step, own web`: on each network's own posts (`points=`) rather than draws",
        "from their mixture. The last four columns are for the largest eigenvalue.",
        "",
        "| " + " | ".join(("s", "L", *HEAD)) + " |",
        "| " + " | ".join(["---"] * (len(HEAD) + 2)) + " |",
    ]
    for name, n_responses, start, means in settings:
        weight, points, n_retrieved = weights_of(start, means, n_responses, options.runs)
        for t in TIMES:
            k = int(n_retrieved[t])
            cells = [
                name,
                str(n_responses),
                *row(weight, points, k, t, means, options.averaged),
            ]
            lines.append("| " + " | ".join(cells) + " |")
            print(lines[-1], flush=True)
    options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
