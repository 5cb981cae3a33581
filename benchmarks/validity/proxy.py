"""Bias and coverage of `fit_proxy`, size of its tests, coverage of its forecasts.

    .venv/bin/python benchmarks/validity/proxy.py coverage 100   # runs a row
    .venv/bin/python benchmarks/validity/proxy.py mixtures 60
    .venv/bin/python benchmarks/validity/proxy.py bic 50
    .venv/bin/python benchmarks/validity/proxy.py tests 75
    .venv/bin/python benchmarks/validity/proxy.py forecast 40
    .venv/bin/python benchmarks/validity/proxy.py real

Runs are those of `tests/rag_run.py`: answers in the shape of a language model's, of a network
that is known. Each command prints rows of a table of proxy.md.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

from rag_run import rag_run

import lwdstats as lwd
from lwdstats.studies.proxy.contraction import contraction

# What differs from n = 3, T = 60, L = 40, B = 3, kappa = 1, far components, one replicate.
ROWS = [
    ("network", {}),
    ("network", {"kappa": 0.4}),
    ("network", {"kappa": 2.0}),
    ("network", {"n_responses": 10}),
    ("network", {"n_responses": 5}),
    ("network", {"n_components": 2}),
    ("network", {"n_components": 5, "n_models": 6}),
    ("network", {"apart": 3.0}),
    ("network", {"n_responses": 10, "replicates": 5}),
    ("anchored", {}),
    ("anchored", {"share": 0.1}),
    ("anchored", {"share": 0.25}),
    ("anchored", {"share": 0.25, "replicates": 5}),
    ("anchored", {"share": 0.25, "memory": False}),
    ("anchored", {"share": 0.1, "memory": False, "n_models": 6, "n_responses": 10}),
    ("memoryless", {"share": 1.0, "memory": False}),
]


def fitted(seed, form, settings, n_components=None, **options):
    """Return the proxy of a run, whether it warned, and the run."""
    ds, _ = rag_run(seed, **settings)
    B = settings.get("n_components", 3) if n_components is None else n_components
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        proxy = lwd.fit_proxy(ds, B, form=form, n_starts=options.get("n_starts", 1), seed=seed)
    return proxy, bool(proxy.notes), ds


def true_rho(proxy, settings):
    """Return the contraction of a network with these reads: that of overlap where there is one."""
    if not settings.get("memory", True):
        return 0.0
    return contraction(settings.get("kappa", 1.0), proxy.n_read, proxy.spread)


def judged(seed, form, settings, **options):
    """Return errors of rho and w, if intervals hold the truth, a warning, and p of no priors."""
    proxy, warned, _ = fitted(seed, form, settings, **options)
    ends = proxy.confint()
    out = []
    for name, truth in (("rho", true_rho(proxy, settings)), ("w", settings.get("share", 0.0))):
        if name not in proxy.coef():
            out += [np.nan, np.nan]
            continue
        low, high = ends[name]
        out += [proxy.coef()[name] - truth, low <= truth <= high]
    least_squares = proxy.naive - true_rho(proxy, settings)
    return [*out, warned, least_squares, proxy.components[0].n, proxy.anchor_test[2]]


def coverage(runs, only=()):
    """Print a row for each setting."""
    head = "| form | setting | rho: median / mean bias (sd) | covers | w: the same | covers"
    print(f"{head} | least squares | warns | no priors |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for j, (form, settings) in enumerate(ROWS):
        if only and j not in only:
            continue
        x = np.array([judged(1000 + seed, form, settings) for seed in range(runs)], float)
        said = ", ".join(f"{k} {v}" for k, v in settings.items()) or "as above"
        cells = []
        for column in (0, 2):
            known = x[:, column]
            if np.isnan(known).all():
                cells += ["", ""]
                continue
            cells.append(f"{np.median(known):+.3f} / {known.mean():+.3f} ({known.std():.3f})")
            cells.append(f"{x[:, column + 1].mean():.3f}")
        rest = f"{x[:, 5].mean():+.3f} | {x[:, 4].mean():.2f} | {(x[:, 7] < 0.05).mean():.3f}"
        print(f"| {form} | {said} | {' | '.join(cells)} | {rest} |", flush=True)


def mixtures(runs):
    """Print rows of `simulate_gmm`, where all answers are posted and reads are not known."""
    print("| setting | rho: median / mean bias (sd) | covers | warns |")
    print("| --- | --- | --- | --- |")
    posts = np.repeat([[-10.0], [0.0], [10.0]], [10, 6, 4], axis=0)
    for settings in ({"n_responses": 40}, {"n_responses": 10}, {"update": "refit"}):
        x = []
        for seed in range(runs):
            given: dict[str, Any] = {"n_steps": 60, "n_responses": 40, "initial_points": posts}
            given |= settings
            ds = lwd.simulate_gmm(3, 3, seed=8000 + seed, **given)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)
                proxy = lwd.fit_proxy(ds, 3, n_starts=1, seed=seed)
            truth = 0.0 if "update" in settings else contraction(1.0, proxy.n_read, proxy.spread)
            low, high = proxy.confint()["rho"]
            x.append([proxy.rho - truth, low <= truth <= high, bool(proxy.notes)])
        x = np.array(x, float)
        said = ", ".join(f"{k} {v}" for k, v in settings.items())
        bias = f"{np.median(x[:, 0]):+.3f} / {x[:, 0].mean():+.3f} ({x[:, 0].std():.3f})"
        print(f"| {said} | {bias} | {x[:, 1].mean():.3f} | {x[:, 2].mean():.2f} |", flush=True)


def bic(runs):
    """Print two rows in which BIC chooses among 1 to 5 components, of two starts."""
    print("| form | setting | chose 3 | bias of rho | covers | bias of w | covers |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for form, settings in (("network", {}), ("anchored", {"share": 0.25, "memory": False})):
        options = {"n_components": [1, 2, 3, 4, 5], "n_starts": 2}
        x = np.array([judged(2000 + s, form, settings, **options) for s in range(runs)], float)
        said = ", ".join(f"{k} {v}" for k, v in settings.items()) or "as above"
        share = "" if form == "network" else f"{x[:, 2].mean():+.3f}"
        holds = "" if form == "network" else f"{x[:, 3].mean():.2f}"
        print(
            f"| {form} | {said} | {(x[:, 6] == 3).mean():.2f} | {x[:, 0].mean():+.3f} | "
            f"{x[:, 1].mean():.2f} | {share} | {holds} |",
            flush=True,
        )


def tests(runs):
    """Print how often tests at 5% reject; that of no priors is counted by `coverage`."""
    print("| test | setting | rejects |")
    print("| --- | --- | --- |")
    for settings in ({"memory": False, "share": 0.25}, {"share": 0.25}):
        p, refused = [], []
        for s in range(runs):
            proxy = fitted(6000 + s, "anchored", settings)[0]
            p.append(proxy.tidy().set_index("term").loc["rho", "p_value"])
            refused.append(not proxy.check().describes)
        said = ", ".join(f"{k} {v}" for k, v in settings.items())
        print(f"| rho = 0 | {said} | {np.mean(np.array(p) < 0.05):.3f} |")
        print(f"| verdict of check | {said} | {np.mean(refused):.3f} |", flush=True)


def forecast(runs):
    """Print how much of the second half of runs lies inside bands of 90% from the first."""
    print("| form | setting | quantity | inside | above | below | whole path inside |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    rows: list[tuple[str, dict[str, Any]]] = [
        ("network", {}),
        ("anchored", {"share": 0.25, "memory": False}),
        ("anchored", {"share": 0.25}),
    ]
    for form, settings in rows:
        found = {}
        for seed in range(runs):
            ds, _ = rag_run(7000 + seed, **settings)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)
                proxy = lwd.fit_proxy(ds.isel(time=slice(31)), 3, form=form, n_starts=1, seed=seed)
            inside = proxy.forecast(30, draws=500).compare(proxy.measure(ds))
            for row in inside.to_dict("records"):
                numbers = [row[name] for name in ("inside", "above", "below", "all_inside")]
                found.setdefault(row["quantity"], []).append(numbers)
        said = ", ".join(f"{k} {v}" for k, v in settings.items()) or "as above"
        for quantity, rows in found.items():
            x = np.array(rows, float)
            m, se = x.mean(0), x[:, 0].std() / len(x) ** 0.5
            print(
                f"| {form} | {said} | {quantity} | {m[0]:.3f} ({se:.3f}) | {m[1]:.3f} | {m[2]:.3f} "
                f"| {m[3]:.2f} |",
                flush=True,
            )


def real():
    """Print what a fit to the first half of the recorded runs says of the second."""
    root = Path(__file__).parents[2] / "data"
    head = "| run | form | replicate | quantity | inside | above | below | w (95%) | rho (p)"
    print(f"{head} | verdict |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for name in ("bitcoin_network", "paper_sizes", "paper_sizes_cold"):
        ds = lwd.read_results(root / f"{name}.nc")
        T = ds.sizes["time"]
        half = (T + 1) // 2
        for form in ("anchored", "memoryless"):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)
                first = lwd.fit_proxy(ds.isel(time=slice(half)), form=form, seed=1)
                whole = lwd.fit_proxy(ds, form=form, seed=1)
            verdict = "describes" if whole.check().describes else "refused"
            found = first.forecast(T - half).compare(first.measure(ds))
            low, high = whole.confint()["w"]
            p = whole.tidy().set_index("term")["p_value"].get("rho", np.nan)
            for row in found.to_dict("records"):
                inside = " | ".join(f"{row[c]:.2f}" for c in ("inside", "above", "below"))
                print(
                    f"| {name} | {form} | {row['replicate']} | {row['quantity']} | {inside} "
                    f"| {whole.w:.2f} ({low:.2f}, {high:.2f}) | {whole.rho:.2f} ({p:.2g}) "
                    f"| {verdict} |",
                    flush=True,
                )


if __name__ == "__main__":
    command, *rest = sys.argv[1:]
    numbers = [int(one) for one in rest]
    if command == "coverage":
        coverage(numbers[0], numbers[1:])
    elif command == "real":
        real()
    else:
        {"bic": bic, "mixtures": mixtures, "tests": tests, "forecast": forecast}[command](
            numbers[0]
        )
