"""Coverage of the intervals of `convergence_fit`, and size of `convergence_test`.

    python benchmarks/validity/coverage_convergence.py [--datasets N] [--nulls N] [--naive N]

writes the tables of coverage_convergence.md. Noise is that of Gaussian mixtures
as `simulate_gmm` runs them (n = 3, L = 3, B = 2, Dirichlet starts): autocorrelated,
shrinking, and of another scale in each network. The curve of a replicate is the
law times what the norm of a simulated network is to the mean of all of them, so
that the law is true; or the norm as it is ("as simulated"), where what is covered
is the law's best fit to the mean curve of all networks.

An interval covers a value if the score test does not reject it, so the test at the
truth is what is counted. That is exact unless the test is not monotone, or the
interval is open; so on the first 400 data sets the interval itself is found too,
and the table counts where it differs.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import numpy as np
from scipy import stats

import lwdstats as lwd
from lwdstats.inference.convergence.minimise import Family
from lwdstats.inference.convergence.scores import Sample, interval, path_problem, score_test
from lwdstats.inference.laws import LAWS, values

T = 60
NETWORKS = 40_000
CHECKED = 400
SEED = 20261124
TRUE = {
    "exponential": (0.1, 1.0, math.log(0.1)),
    "power": (0.0, 1.0, math.log(0.5)),
    "power_floor": (0.1, 1.0, math.log(0.7)),
}
NAMES = {
    "exponential": ("c", "a", "rate"),
    "power": ("c", "a", "b"),
    "power_floor": ("c", "a", "b"),
}
CALLS = {
    "exponential": "y ~ SSexpfloor(t, c, a, rate)",
    "power": "y ~ SSpower(t, 0, a, b)",
    "power_floor": "y ~ SSpower(t, c, a, b)",
}


def networks(n_steps: int, **kwargs) -> tuple[np.ndarray, np.ndarray]:
    """Return ||D|| of many networks, (T + 1, R), and their scale by where they settled."""
    ds = lwd.simulate_gmm(n_steps=n_steps, seed=SEED, progress=False, **kwargs)
    late = ds["weight"].isel(time=slice(-20, None)).mean(("time", "model"))
    return lwd.fnorm(ds).values, np.sqrt(late.prod("component").values)


def answers(count: int, n_responses: int) -> np.ndarray:
    """Return debiased squared norms of mean answers, (T + 1, R)."""
    parts = []
    for first in range(0, count, 500):
        ds = lwd.simulate_gmm(
            n_steps=T, n_responses=n_responses, replicates=range(first, first + 500),
            seed=SEED, progress=False,
        ).drop_vars("weight")  # fmt: skip
        norm = lwd.fnorm(ds, debias=True).values
        parts.append(np.sign(norm) * norm**2)
    return np.concatenate(parts, axis=1)


def row(hits: np.ndarray) -> str:
    n, rate = len(hits), hits.mean()
    half = stats.norm.ppf(0.9995) * math.sqrt(max(rate * (1 - rate), 1e-12) / n)
    return f"{rate:.4f} | {rate - half:.4f} to {rate + half:.4f}"


def meets(hits: np.ndarray, low: float, high: float) -> str:
    n, rate = len(hits), hits.mean()
    half = stats.norm.ppf(0.9995) * math.sqrt(max(rate * (1 - rate), 1e-12) / n)
    if rate - half <= high and rate + half >= low:
        return "yes"
    return "above" if rate > high else "below"


def covered(law, t, Y, family, truth, check) -> dict[str, tuple[bool, bool]]:
    """Return, by parameter, whether the test keeps the truth, and whether the interval differs."""
    s = law.clock(t)
    sample = Sample(law, s, Y, Y.mean(axis=1), family)
    critical = stats.t.ppf(0.975, sample.df)
    fit = sample.fit() if check else None
    out = {}
    for index in law.free:
        inside = abs(score_test(sample, index, truth[index], truth).t) <= critical
        differs = False
        if fit is not None and fit.problem is None:
            low, high = interval(sample, fit.theta, index, 0.95)
            differs = (low <= truth[index] <= high) != inside
        out[NAMES[law.name][index]] = inside, differs
    return out


def naive(law, t, Y, truth) -> dict[str, bool] | None:
    """Return what R's confint(nls) would: values of all replicates as independent."""
    data = {"t": np.repeat(t, Y.shape[1]), "y": Y.ravel()}
    fit = lwd.nls(CALLS[law.name], data, on_fail="return")
    if not fit.converged:
        return None
    table = fit.confint().table.to_numpy()
    natural = np.array([truth[0], truth[1], math.exp(truth[2])])[list(law.free)]
    inside = (table[:, 0] <= natural) & (natural <= table[:, 1])
    return dict(zip([NAMES[law.name][j] for j in law.free], inside.tolist(), strict=True))


def coverage(bank, t, law, family, R, M, n_naive, rng, truth, mean=None):
    """Return hits by parameter, and those of the naive interval."""
    f = values(law.clock(t), truth)[0]
    scaled = bank if mean is None else bank / mean[:, None] * f[:, None]
    ours: dict[str, list[tuple[bool, bool]]] = {}
    plain: dict[str, list[bool]] = {}
    for i in range(M):
        Y = scaled[:, rng.integers(0, bank.shape[1], R)]
        for name, hit in covered(law, t, Y, family, truth, i < CHECKED).items():
            ours.setdefault(name, []).append(hit)
        if i < n_naive:
            for name, hit in (naive(law, t, Y, truth) or {}).items():
                plain.setdefault(name, []).append(hit)
    return ours, plain


def lines_of(what, law, errors, R, ours, plain):
    for name, hits in ours.items():
        beside = f"{np.mean(plain[name]):.3f}" if plain.get(name) else ""
        kept, differs = np.array(hits).T
        head = f"| {what} | {law.text} | {errors} | {R} | {name} | {row(kept)}"
        yield f"{head} | {meets(kept, 0.94, 0.96)} | {differs.sum()} | {beside} |"


def over_replicates(args):
    rng = np.random.default_rng(SEED)
    bank, _ = networks(T, replicates=NETWORKS)
    t = np.arange(T + 1.0)
    mean = bank.mean(axis=1)
    for law in LAWS.values():
        for family in Family:
            for R in (5, 10, 30):
                n_naive = args.naive if R == 10 and family is Family.SQUARES else 0
                truth = np.array(TRUE[law.name])
                hits = coverage(bank, t, law, family, R, args.datasets, n_naive, rng, truth, mean)
                yield from lines_of("the law", law, family.value, R, *hits)
    for since in (0, 10):
        for law in LAWS.values():
            s = law.clock(t[since:])
            whole = Sample(law, s, bank[since:], mean[since:], Family.RELATIVE)
            fit = whole.fit()
            if fit.problem is not None:
                continue
            for R in (10,):
                hits = coverage(bank[since:], t[since:], law, Family.RELATIVE, R, args.datasets, 0,
                                rng, fit.theta)  # fmt: skip
                yield from lines_of(f"as simulated, from t = {since}", law, "relative", R, *hits)
    squares = answers(8000, 20)
    for law in LAWS.values():
        whole = Sample(law, law.clock(t[1:]), squares[1:], squares[1:].mean(axis=1), Family.SQUARES)
        fit = whole.fit()
        if fit.problem is not None:
            continue
        hits = coverage(
            squares[1:], t[1:], law, Family.SQUARES, 10, args.datasets, 0, rng, fit.theta
        )
        yield from lines_of("debiased squares of answers, L = 20", law, "squares", 10, *hits)


def block_bootstrap(law, t, y, truth, rng, B=199) -> dict[str, bool] | None:
    """Return whether percentile intervals of a moving-block bootstrap of relative errors cover."""
    s = law.clock(t)
    sample = Sample(law, s, y[:, None], y, Family.RELATIVE)
    fit = sample.fit()
    if fit.problem is not None:
        return None
    f = values(s, fit.theta)[0]
    e = y / f
    m = len(y)
    length = math.ceil(m ** (1 / 3))
    drawn = []
    for _ in range(B):
        starts = rng.integers(0, m - length + 1, math.ceil(m / length))
        again = (f * e[(starts[:, None] + np.arange(length)).ravel()[:m]])[:, None]
        star = Sample(law, s, again, again[:, 0], Family.RELATIVE).fit(start=fit.theta)
        if star.problem is None:
            drawn.append(star.theta)
    low, high = np.quantile(np.array(drawn), [0.025, 0.975], axis=0)
    return {NAMES[law.name][j]: bool(low[j] <= truth[j] <= high[j]) for j in law.free}


def path_bank(n_steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Return times from 10 on, and ||D|| over the scale that a network's consensus gives it."""
    norm, scale = networks(n_steps, replicates=10_000)
    away = scale > 0.2
    relative = norm[10:, away] / scale[away]
    return np.arange(10.0, n_steps + 1), relative / relative.mean(axis=1, keepdims=True)


def one_path(args):
    rng = np.random.default_rng(SEED + 1)
    for n_steps in (60, 200):
        t, relative = path_bank(n_steps)
        for law in LAWS.values():
            truth = np.array(TRUE[law.name])
            f = values(law.clock(t), truth)[0]
            ours: dict[str, list[tuple[bool, bool]]] = {}
            boot: dict[str, list[bool]] = {}
            refused = 0
            for i in range(args.datasets):
                y = f * relative[:, i % relative.shape[1]]
                sample = Sample(law, law.clock(t), y[:, None], y, Family.RELATIVE)
                theta = sample.fit({law.free[-1]: truth[2]}, truth).theta
                if path_problem(sample, theta, t) is not None:
                    refused += 1
                    continue
                for name, hit in covered(
                    law, t, y[:, None], Family.RELATIVE, truth, i < 50
                ).items():
                    ours.setdefault(name, []).append(hit)
                if i < args.naive:
                    for name, hit in (block_bootstrap(law, t, y, truth, rng) or {}).items():
                        boot.setdefault(name, []).append(hit)
            for name, hits in ours.items():
                kept, differs = np.array(hits).T
                beside = f"{np.mean(boot[name]):.3f}" if boot.get(name) else ""
                yield (
                    f"| {len(t)} | {law.text} | {name} | {row(kept)} | {meets(kept, 0.94, 0.96)} "
                    f"| {differs.sum()} | {beside} | {refused} |"
                )


def size(args):
    rng = np.random.default_rng(SEED + 2)
    bank, _ = networks(T, replicates=NETWORKS)
    ratio = bank / bank.mean(axis=1, keepdims=True)
    t = np.arange(T + 1.0)

    def test(law, t, Y, family, truth):
        sample = Sample(law, law.clock(t), Y, Y.mean(axis=1), family)
        null = sample.fit({0: 0.0}, truth)
        value = score_test(sample, 0, 0.0, null.theta).t
        return value > stats.t.ppf(0.95, sample.df)

    for name in ("power_floor", "exponential"):
        law, truth = LAWS[name], np.array(TRUE[name])
        truth[0] = 0.0
        f = values(law.clock(t), truth)[0]
        for family in Family:
            for R in (5, 10, 30):
                hits = np.array([
                    test(law, t, f[:, None] * ratio[:, rng.integers(0, NETWORKS, R)], family, truth)
                    for _ in range(args.nulls)
                ])  # fmt: skip
                verdict = meets(hits, 0.045, 0.055)
                yield f"| {law.text} | {family.value} | {R} | {row(hits)} | {verdict} |"
    for n_steps in (60, 200):
        at, relative = path_bank(n_steps)
        for name in ("power_floor", "exponential"):
            law, truth = LAWS[name], np.array(TRUE[name])
            truth[0] = 0.0
            f = values(law.clock(at), truth)[0]
            hits = np.array([
                test(law, at, (f * relative[:, i])[:, None], Family.RELATIVE, truth)
                for i in range(min(args.nulls, relative.shape[1]))
            ])  # fmt: skip
            where = f"one path, {len(at)} times"
            yield f"| {law.text} | relative | {where} | {row(hits)} | {meets(hits, 0.045, 0.055)} |"


BINOMIAL = "99.9% binomial interval"
PARTS = {
    "size": (
        size,
        [
            "## Size of `convergence_test` at 5%",
            "",
            '"Meets": whether the interval meets [.045, .055].',
            "",
            f"| law, c = 0 | errors | replicates | rejected | {BINOMIAL} | meets |",
            "| --- | --- | --- | --- | --- | --- |",
        ],
    ),
    "replicates": (
        over_replicates,
        [
            "## Coverage of 95% intervals of `convergence_fit`, over replicates",
            "",
            '"Meets": whether the interval meets [.94, .96]. "Differs": in how many of 400 the',
            "interval as printed covers and the test rejects, or the other way. `nls`: R's",
            "`confint(nls)` on the same curves, all values as independent.",
            "",
            "| data | law | errors | replicates | parameter | covered "
            f"| {BINOMIAL} | meets | differs | `nls` |",
            "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
        ],
    ),
    "path": (
        one_path,
        [
            "## Coverage of 95% intervals of `convergence_fit`, one path",
            "",
            "The law of the path given where its network settles, from t = 10; beside it,",
            'percentile intervals of a moving-block bootstrap. "Refused": how many paths of all',
            "get no interval.",
            "",
            f"| times | law | parameter | covered | {BINOMIAL} | meets | differs "
            "| block bootstrap | refused |",
            "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
        ],
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--datasets", type=int, default=4000)
    parser.add_argument("--nulls", type=int, default=10_000)
    parser.add_argument("--naive", type=int, default=500)
    parser.add_argument("--part", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".md"))
    args = parser.parse_args()
    command = f"--datasets {args.datasets} --nulls {args.nulls} --naive {args.naive}"
    with args.out.open("w") as page:
        print("# Coverage and size: laws of convergence", file=page)
        print(f"\n`python benchmarks/validity/coverage_convergence.py {command}`.", file=page)
        print("What the data are: see the script.", file=page)
        for part in args.part:
            run, head = PARTS[part]
            print("", *head, sep="\n", file=page)
            # Line by line, so that what ran is kept whatever comes.
            for line in run(args):
                print(line, file=page, flush=True)


if __name__ == "__main__":
    main()
