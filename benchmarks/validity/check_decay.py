"""How often `check_decay` errs: coverage of its bands, size of its two tests, its power.

Run: python benchmarks/validity/check_decay.py [--checks 1000] [--part NAME ...]
Writes check_decay.md beside it. Each check has runs of its own. Components are 10 standard
deviations apart, and no run of the settings is truncated, so that the paper's factor is exact and
the truth is known. Intervals are Clopper and Pearson's at 99.9%.
"""

from __future__ import annotations

import argparse
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from size_permutation import interval

import lwdstats as lwd
from lwdstats.dataset.schema import spec_of
from lwdstats.inference.theorem import bands as kernel
from lwdstats.inference.theorem.compare import compare_means, compare_steps
from lwdstats.inference.theorem.factors import Factors, paper_factors
from lwdstats.mixtures.spec import GmmSpec

HERE = Path(__file__).parent
LEVEL, MARGIN, DRAWS = 0.95, 0.05, 499
FIRST = [[0.2, 0.8], [0.5, 0.5], [0.75, 0.25]]
FOUR = [[0.4, 0.3, 0.2, 0.1], [0.1, 0.2, 0.3, 0.4], [0.25, 0.25, 0.25, 0.25]]
# Rare ones make early differences skew.
RARE = [[0.05, 0.95], [0.1, 0.9], [0.02, 0.98]]
SETTINGS: dict[str, dict[str, Any]] = {
    "B = 2, A(0) of 20 + 20": {
        "initial_weights": FIRST,
        "initial_points": [-5.0] * 20 + [5.0] * 20,
    },
    "B = 2, A(0) empty, c = 0": {"initial_weights": FIRST, "complexity": 0.0},
    "B = 2, alpha = .05, c = 0": {
        "initial_weights": FIRST,
        "complexity": 0.0,
        "step_size": 0.05,
    },
    "B = 2, a rare component, c = 0": {"initial_weights": RARE, "complexity": 0.0},
    "B = 4, A(0) empty, c = 0": {"initial_weights": FOUR, "complexity": 0.0},
}
STEPS = 20


def checks(name: str, runs: int, count: int) -> Iterator[tuple[np.ndarray, GmmSpec]]:
    """Yield weights (T+1, runs, n, B) of each check, and their specification."""
    options = SETTINGS[name]
    n, n_b = np.shape(options["initial_weights"])
    block = max(1, 20_000 // runs)
    for first in range(0, count, block):
        size = min(block, count - first)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            ds = lwd.simulate_gmm(
                n,
                n_b,
                n_steps=STEPS,
                replicates=size * runs,
                seed=10_000_019 * list(SETTINGS).index(name) + 1_000_003 * runs + first,
                progress=False,
                **options,
            )
        if (ds["n_truncated"] > 0).any():
            raise RuntimeError(f"a run of {name} was truncated")
        spec = GmmSpec.from_json(spec_of(ds))
        weight = ds["weight"].transpose("time", "replicate", "model", "component").values
        for part in range(size):
            yield weight[:, part * runs : (part + 1) * runs], spec


def compared(weight: np.ndarray, spec: GmmSpec, seed: int, shift: float) -> list[dict]:
    """Return the rows of tests: of a claim that is right, or one off by `shift` at one time."""
    start = weight[0, 0]
    scale = float(np.ptp(start, axis=0).max())
    i, j = np.triu_indices(len(start), 1)
    paper = paper_factors(spec)
    curve = np.concatenate([[1.0], np.cumprod(paper)])[:, None, None] * (start[i] - start[j])
    # At the last time, where the mean difference is known best, for one pair and component.
    curve[-1, 0, 0] += shift * scale
    factors = (paper + shift)[:, None, None] * np.eye(start.shape[1])
    claim = Factors(factors, np.empty(0), np.empty(0, np.int64))
    exact = np.zeros((STEPS + 1, start.shape[1]))
    pairs = np.stack([i, j], axis=1)
    curves = {"paper": curve, "overlap": curve}
    found = compare_means(weight, pairs, curves, exact, scale, LEVEL, MARGIN, DRAWS, seed)[1]
    steps, rows = compare_steps(weight, spec, claim, LEVEL, MARGIN, DRAWS, seed)
    held = (steps["conf_low"] <= steps["overlap"]) & (steps["overlap"] <= steps["conf_high"])
    return [found[0], rows[1] | {"held": bool(held.all())}]


def shares(name: str, runs: int, count: int, shift: float = 0.0) -> dict[str, float]:
    """Return how often each thing happened."""
    hits: dict[str, list[float]] = {}
    for seed, (weight, spec) in enumerate(checks(name, runs, count)):
        mean, step = compared(weight, spec, seed, shift)
        p = [row["p_difference"] for row in (mean, step)]
        q = [row["p_equivalence"] for row in (mean, step)]
        both = kernel.verdict(min(1.0, 2 * min(p)), max(q), LEVEL)
        seen = {
            "mean band": p[0] > 1 - LEVEL,
            "step band": step["held"],
            "step test": p[1] <= 1 - LEVEL,
            "mean agrees": q[0] <= 1 - LEVEL,
            "step agrees": q[1] <= 1 - LEVEL,
            "agrees": both == "agrees within the margin",
            "differs": both == "differs",
            "needed": max(mean["n_needed"], step["n_needed"]),
        }
        for key, value in seen.items():
            hits.setdefault(key, []).append(float(value))
    return {key: float(np.mean(values)) for key, values in hits.items()}


def cell(share: float, count: int) -> str:
    low, high = interval(round(share * count), count)
    return f"{share:.3f} ({low:.3f} to {high:.3f})"


def coverage(count: int) -> list[str]:
    lines = [
        "## Coverage of the bands (95%), and size of the test of difference",
        "",
        "The band of the mean difference holds the truth at all times, for all pairs and",
        "components, and fails where the test of difference rejects; that of the step factor",
        "holds it at all steps; its test, which takes their mean too, has a column of its own.",
        "Differs: verdicts of both together (at most 5% may). Below 10 replicates the check is",
        "refused.",
        "",
        "| setting | replicates | checks | mean difference | step factor | rejected | differs |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name in SETTINGS:
        for runs in (10, 20, 50, 200):
            many = count if runs < 200 else max(count // 2, 1)
            seen = shares(name, runs, many)
            lines.append(
                f"| {name} | {runs} | {many:,} | {cell(seen['mean band'], many)} "
                f"| {cell(seen['step band'], many)} | {cell(seen['step test'], many)} "
                f"| {cell(seen['differs'], many)} |"
            )
            print(lines[-1], flush=True)
    return lines


def equivalence(count: int) -> list[str]:
    lines = [
        "## Size of the test of equivalence (5%)",
        "",
        f"The claim is off by exactly the margin, {MARGIN:.0%}: at the last time for one pair and",
        "component, and in every step's factor. How often agreement is shown all the same.",
        "",
        "| setting | replicates | checks | mean difference | step factor | both |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name in list(SETTINGS)[:3]:
        for runs in (50, 200, 1000):
            many = count if runs < 1000 else max(count // 4, 1)
            seen = shares(name, runs, many, MARGIN)
            lines.append(
                f"| {name} | {runs} | {many:,} | {cell(seen['mean agrees'], many)} "
                f"| {cell(seen['step agrees'], many)} | {cell(seen['agrees'], many)} |"
            )
            print(lines[-1], flush=True)
    return lines


def power(count: int) -> list[str]:
    lines = [
        "## Power",
        "",
        "The claim is right. How often agreement is shown, and how many replicates the check says",
        "would do (its mean).",
        "",
        "| setting | replicates | checks | agrees | differs | not decided | said to do |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    many = max(count // 5, 1)
    for name in list(SETTINGS)[:2]:
        said = 0
        for runs in (100, 300, 0):
            number = runs or said
            seen = shares(name, number, many)
            said = round(seen["needed"]) if runs == 100 else said
            undecided = 1 - seen["agrees"] - seen["differs"]
            lines.append(
                f"| {name} | {number} | {many:,} | {seen['agrees']:.3f} | {seen['differs']:.3f} "
                f"| {undecided:.3f} | {seen['needed']:,.0f} |"
            )
            print(lines[-1], flush=True)
    return lines


PARTS = {"coverage": coverage, "equivalence": equivalence, "power": power}


def main() -> None:
    parser = argparse.ArgumentParser(description="size, coverage and power of check_decay")
    parser.add_argument("--checks", type=int, default=1000)
    parser.add_argument("--part", nargs="*", choices=list(PARTS), default=list(PARTS))
    options = parser.parse_args()
    out = Path(__file__).with_suffix(".md")
    old = out.read_text(encoding="utf-8") if out.exists() else ""
    kept = dict(re.findall(r"<!-- (\w+) -->\n(.*?)\n<!-- end -->", old, flags=re.DOTALL))
    for name in options.part:
        kept[name] = "\n".join(PARTS[name](options.checks))
    command = f"python benchmarks/validity/check_decay.py --checks {options.checks}"
    lines = ["# How often check_decay errs", "", f"`{command}`", ""]
    lines += (__doc__ or "").splitlines()[3:]
    for name in PARTS:
        if name in kept:
            lines += ["", f"<!-- {name} -->", kept[name], "<!-- end -->"]
    out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
