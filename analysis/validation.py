"""Published numbers of recursive training beside what `simulate_gmm` gives, for docs/validation.md.

    python analysis/validation.py [NAME ...] [--write]

Prints the tables that are named, or all; with --write the page is written. A table takes seconds
to a minute. Each is made by one call of `simulate_gmm` a setting, which the page shows.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

import lwdstats as lwd

PAGE = Path(__file__).parent.parent / "docs" / "validation.md"
BOTH = ("mean", "covariance")
# Mean and standard error of a number over runs.
Value = tuple[float, float]


@dataclass(frozen=True)
class Row:
    """A number: what it is, as published with its error (0: exact), ours, in the paper's order."""

    what: str
    published: Value
    ours: Value
    paper: Value | None = None
    bound: bool = False


@dataclass(frozen=True)
class Table:
    """What a source says, how far it was seen, the call that makes our numbers, and a remark."""

    title: str
    seen: str
    call: str
    rows: Callable[[int], list[Row]]
    remark: str


def of(values: Any) -> Value:
    """Return mean and standard error."""
    values = np.asarray(values, dtype=float)
    return float(values.mean()), float(values.std(ddof=1) / values.size**0.5)


def gaussian(
    n: int,
    times: list[int],
    runs: int,
    keep: str = "last",
    posts: str = "after update",
    **scenario: Any,
) -> tuple[np.ndarray, np.ndarray]:
    """Return variances and means (len(times), runs) of a law refitted to n points a step."""
    ds = lwd.simulate_gmm(
        1, 1, means=[0.0], n_responses=n, n_steps=max(times), beta=1.0, update="refit", moving=BOTH,
        scenario={"keep": keep, "posts": posts, **scenario}, variance_floor=1e-30, record=times,
        replicates=runs, seed=1, progress=False,
    )  # fmt: skip
    return ds["component_covariance"].values[:, 0, :, 0, 0, 0], ds["component_mean"].values[
        :, 0, :, 0, 0
    ]


def weights(
    first: Any, n_steps: int, runs: int, posts: str = "after update", **given: Any
) -> np.ndarray:
    """Return weights (runs, n, B) at T of components 200 apart, refitted each step."""
    first = np.atleast_2d(first)
    n, n_b = first.shape
    scenario = {"posts": posts, **given.pop("scenario", {})}
    ds = lwd.simulate_gmm(
        n, n_b, means=200.0 * np.arange(n_b), initial_weights=first, n_steps=n_steps, beta=1.0,
        update="refit", scenario=scenario, threshold=0.0, record=[n_steps], replicates=runs, seed=1,
        progress=False, **given,
    )  # fmt: skip
    return ds["weight"].isel(time=0).transpose("replicate", "model", "component").values


# Of the data file beside the script `fit_gaussians.py` of Kazdan et al. (sweep k3mipjqi, one
# dimension): N, iteration, runs, mean of the variance, its standard error, and both of the squared
# error of the mean. Seeds recur among the runs.
KAZDAN = {
    "last": [
        (10, 10, 111, 0.300980, 0.041746, 0.540891, 0.064513),
        (10, 100, 111, 0.000003, 0.000002, 0.925466, 0.165835),
        (32, 10, 107, 0.724154, 0.065301, 0.268026, 0.046509),
        (32, 30, 107, 0.389261, 0.068934, 0.580963, 0.114572),
        (32, 100, 107, 0.073130, 0.043104, 0.727807, 0.119934),
        (100, 10, 115, 0.890650, 0.038649, 0.093710, 0.012319),
        (100, 100, 115, 0.308725, 0.039897, 0.583743, 0.106047),
    ],
    "all": [
        (10, 10, 109, 0.874182, 0.043411, 0.145415, 0.016574),
        (10, 100, 109, 0.873230, 0.047598, 0.158143, 0.018478),
        (32, 10, 114, 0.956386, 0.026161, 0.050625, 0.006130),
        (32, 100, 114, 0.954969, 0.027241, 0.052921, 0.006174),
        (100, 10, 110, 0.993527, 0.016425, 0.015139, 0.002424),
        (100, 100, 110, 0.996703, 0.016770, 0.015960, 0.002441),
    ],
}


def kazdan(keep: str, scale: int) -> list[Row]:
    """Compare variances and means, whose data have errors of their own."""
    rows = []
    for n in sorted({row[0] for row in KAZDAN[keep]}):
        told = [row for row in KAZDAN[keep] if row[0] == n]
        # Iteration t of the source has been fitted t times, which is so after step t + 1 here.
        times = [row[1] + 1 for row in told]
        runs = scale * (40 if keep == "last" else 400 // n)
        found = [gaussian(n, times, runs, keep, posts) for posts in ("after update",
                                                                     "before update")]  # fmt: skip
        for at, (_, t, count, variance, _, mean, _) in enumerate(told):
            values = [(v[at], m[at] ** 2) for v, m in found]
            for which, (name, said) in enumerate(
                (("variance", variance), ("squared error of the mean", mean))
            ):
                ours, paper = values[0][which], values[1][which]
                # Too skew to take its error from a hundred runs: from ours.
                error = float(ours.std(ddof=1) / count**0.5)
                rows.append(Row(f"N = {n}, t = {t}: {name}", (said, error), of(ours), of(paper)))
    return rows


def subsample(scale: int) -> list[Row]:
    """Compare the plateau of accumulate-subsample with its closed form."""
    rows = []
    for n in (10, 32, 100):
        t = np.arange(1, 101)
        phi = t * n * (n - 1) / (n * (t * n - 1))
        kept = np.cumprod(1 - (1 - phi * (1 - 1 / n)) / (t + 1) ** 2)
        # phi_t of the web's variance is that of a sub-sample, and its first batch has 1 - 1/N.
        values = phi * (1 - 1 / n) * np.concatenate([[1.0], kept[:-1]])
        found = [
            gaussian(n, [11, 101], scale * 40, "all", posts, n_read=n)[0]
            for posts in ("after update", "before update")
        ]
        for at, when in enumerate((10, 100)):
            said = float(values[when - 1])
            rows.append(Row(f"N = {n}, t = {when}: variance", (said, 0.0), of(found[0][at]),
                            of(found[1][at])))  # fmt: skip
    return rows


def he(scale: int) -> list[Row]:
    """Compare n times the variance of the weighted mean of n real and m synthetic points."""
    n = 100
    rows = []
    for ratio, shares in ((1.0, (0.5, 0.618, 0.75)), (0.05, (0.2, 0.05 / 1.05))):
        for w in shares:
            found = []
            for posts in ("after update", "before update"):
                ds = lwd.simulate_gmm(
                    1, 1, means=[[0.0, 0.0]], n_responses=round(n / ratio), n_steps=201, beta=1.0,
                    update="refit", moving="mean", record=list(range(150, 202, 3)), seed=1,
                    scenario={"keep": "last", "fresh": n, "fresh_from": [1.0], "real_weight": w,
                              "posts": posts}, replicates=scale * (4 if ratio < 1 else 20),
                    progress=False,
                )  # fmt: skip
                square = (ds["component_mean"] ** 2).mean(["time", "feature"])
                found.append(of(n * square.values.ravel()))
            said = (w**2 + ratio * (1 - w) ** 2) / (1 - (1 - w) ** 2)
            what = f"n/m = {ratio:g}, w = {w:.3f}: n Var"
            rows.append(Row(what, (said, 0.0), found[0], found[1]))
    return rows


def gerstgrasser(scale: int) -> list[Row]:
    """Compare how much of its start's variance an accumulating chain loses, in units of 1/L."""
    rows = []
    for n in (10, 100):
        s = np.arange(1, 51)
        said = n * (1 - float(np.prod(1 - 1 / (n * s**2))))
        runs = scale * 80
        found = [weights([0.5, 0.5], 51, runs, posts, n_responses=n) for posts in (
            "after update", "before update")]  # fmt: skip
        lost = [of(n * (1 - (1 - (w[:, 0] ** 2).sum(-1)) / 0.5)) for w in found]
        rows.append(Row(f"L = {n}, 50 fits: weights, L (1 - H/H_0)", (said, 0.0), lost[0], lost[1]))
        rows.append(Row(f"L = {n}: the same, at most pi^2/6", (np.pi**2 / 6, 0.0), lost[0], lost[1],
                        bound=True))  # fmt: skip
    return rows


def survival(n: int, p: float, steps: list[int]) -> list[float]:
    """Return the chance that a Bernoulli chain of n draws a step is not at 0, exactly."""
    law = stats.binom.pmf(np.arange(n + 1), n, p)
    step = stats.binom.pmf(np.arange(n + 1), n, np.arange(n + 1)[:, None] / n)
    out = []
    for k in range(1, max(steps) + 1):
        if k in steps:
            out.append(1 - float(law[0]))
        law = law @ step
    return out


def suresh(scale: int) -> list[Row]:
    """Compare how long a rare component, and a standard deviation above .1, last."""
    rows, steps, n = [], [1, 2, 5, 10, 20, 50], 100
    g, low = np.inf, {}
    for k in range(1, 51):
        g = 1 - np.exp(-g)
        low[k] = 1 - np.exp(-n * 0.01 * g)
    for k, said in zip(steps, survival(n, 0.01, steps), strict=True):
        # The paper's order has two chains in turn.
        found = [
            of(weights([0.01, 0.99], k + 1, scale * 60, posts, n_responses=n,
                       scenario={"keep": "last"})[:, 0, 0] > 0)
            for posts in ("after update", "before update")
        ]  # fmt: skip
        rows.append(Row(f"Bernoulli, k = {k}: Pr(P_k > 0)", (said, 0.0), found[0], found[1]))
        rows.append(
            Row(
                f"Bernoulli, k = {k}: at least",
                (float(low[k]), 0.0),
                found[0],
                found[1],
                bound=True,
            )
        )
    n, steps = 10, [20, 50, 100, 150, 200]
    found = [gaussian(n, [k + 1 for k in steps], scale * 60, "last", posts)[0] for posts in (
        "after update", "before update")]  # fmt: skip
    rng = np.random.default_rng(2)
    logs = np.cumsum(np.log(rng.chisquare(n - 1, (200, 100_000)) / (n - 1)), 0)
    for at, k in enumerate(steps):
        # Refits divide by n, the source by n - 1: a factor ((n - 1)/n)^k between the variances.
        # In the paper's order half as many fits have been made.
        limits = [0.01 * ((n - 1) / n) ** fits for fits in (k, (k + 1) // 2)]
        said = of(logs[k - 1] > np.log(0.01))
        ours = [of(v[at] > limit) for v, limit in zip(found, limits, strict=True)]
        rows.append(Row(f"Gaussian, k = {k}: Pr(sd > .1)", said, ours[0], ours[1]))
        most = 10 * float(np.exp(-k / (4 * n - 1)))
        rows.append(Row(f"Gaussian, k = {k}: at most", (most, 0.0), ours[0], ours[1], bound=True))
    return rows


def seddik(scale: int) -> list[Row]:
    """Compare the expected sum of squared shares."""
    first, n = np.array([0.5, 0.3, 0.2]), 50
    rows = []
    for m in (10, 100):
        said = 1 - (1 - 1 / n) ** m * (1 - float((first**2).sum()))
        found = [
            of((weights(first, m + 1, scale * 60, posts, n_responses=n,
                        scenario={"keep": "last"})[:, 0] ** 2).sum(-1))
            for posts in ("after update", "before update")
        ]  # fmt: skip
        rows.append(Row(f"n = 50, m = {m}: E sum p^2", (said, 0.0), found[0], found[1]))
    return rows


def opinions(scale: int) -> list[Row]:
    """Compare the means of a network with the textbook's limits."""
    matrix = np.array([[0.6, 0.4, 0.0], [0.2, 0.5, 0.3], [0.1, 0.0, 0.9]])
    first = np.array([[0.9, 0.1], [0.5, 0.5], [0.2, 0.8]])
    values, vectors = map(np.real, np.linalg.eig(matrix.T))
    v = vectors[:, np.argmax(values)]
    consensus = float(v @ first[:, 0] / v.sum())
    own, share = np.array([[1.0, 0.0], [0.5, 0.5], [0.1, 0.9]]), 0.3
    limit = np.linalg.solve(np.eye(3) - (1 - share) * matrix, share * own)[:, 0]
    rows = []
    scenario = {"keep": "last", "readers": matrix.tolist(), "n_read": 100}
    given = {"n_responses": 100}
    orders = ("after update", "before update")
    found = [weights(first, 61, scale * 20, posts, scenario=scenario, **given) for posts in orders]
    for i in range(3):
        ours = [of(w[:, i, 0]) for w in found]
        rows.append(
            Row(f"DeGroot, model {i} after 60 readings", (consensus, 0.0), ours[0], ours[1])
        )
    scenario = scenario | {"anchors": (share, own.tolist())}
    found = [weights(first, 61, scale * 20, posts, scenario=scenario, **given) for posts in orders]
    for i in range(3):
        ours = [of(w[:, i, 0]) for w in found]
        said = float(limit[i])
        rows.append(Row(f"Friedkin-Johnsen, w = .3, model {i}", (said, 0.0), ours[0], ours[1]))
    return rows


TABLES = {
    "kazdan-replace": Table(
        "Kazdan et al.: replace",
        "Script and data file of their repository (KoyejoLab-Collapse-or-Thrive) read; paper not.",
        """simulate_gmm(1, 1, means=[0.0], n_responses=N, n_steps=t + 1, beta=1.0, update="refit",
             moving=("mean", "covariance"), scenario={"keep": "last", "posts": "after update"})""",
        lambda scale: kazdan("last", scale),
        "The variance is expected to be (1 - 1/N)^t, the squared error 1 minus that. Published "
        "means are of 107 to 115 runs, in which seeds recur; their errors are from our runs, "
        "as a hundred such skew numbers do not tell theirs. In the paper's order two chains take "
        "turns, and half of the fits have been made by the same time.",
    ),
    "kazdan-accumulate": Table(
        "Kazdan et al.: accumulate",
        "As above.",
        """simulate_gmm(1, 1, means=[0.0], n_responses=N, n_steps=t + 1, beta=1.0, update="refit",
             moving=("mean", "covariance"), scenario={"posts": "after update"})""",
        lambda scale: kazdan("all", scale),
        "The product of 1 - 1/(N s^2) over s up to t, whose limit is sin(pi/sqrt N)/(pi/sqrt N).",
    ),
    "kazdan-subsample": Table(
        "Kazdan et al.: accumulate-subsample, a plateau",
        "Script read. The repository has pictures of these runs and no numbers, so the published "
        "column is our closed form for that script.",
        """simulate_gmm(1, 1, means=[0.0], n_responses=N, n_steps=t + 1, beta=1.0, update="refit",
             moving=("mean", "covariance"), scenario={"posts": "after update", "n_read": N})""",
        subsample,
        "Nothing degrades for ever: the limits are .7390, .9116 and .9710. What their abstract "
        "calls slow and gradual is not seen in this setting.",
    ),
    "he": Table(
        "He, Xu and Cheng: the golden ratio",
        "Scripts of their repository (Model_Collapse_Codes) read: n = 100, two features, errors "
        "averaged over steps 150 to 200. The paper was not.",
        """simulate_gmm(1, 1, means=[[0.0, 0.0]], n_responses=m, n_steps=201, beta=1.0,
             moving="mean", update="refit",
             scenario={"keep": "last", "fresh": n, "fresh_from": [1.0], "real_weight": w,
                       "posts": "after update"})""",
        he,
        "The least of these over w is at .618, and is .618; where a twentieth is real, at .2, and "
        "is .2, while weights by number give .512. Their covariance averages those of real and of "
        "synthetic points, each about its own mean; ours is about the mean of both, so the row is "
        "left out.",
    ),
    "gerstgrasser": Table(
        "Gerstgrasser et al.: pi^2/6, in weights",
        "Quoted at second hand: paper not read. Theirs is a regression, of which this is the "
        "analogue: what accumulates loses at most pi^2/6 of a step's noise.",
        """simulate_gmm(1, 2, means=[0.0, 200.0], initial_weights=[0.5, 0.5], n_responses=L,
             n_steps=51, beta=1.0, update="refit", threshold=0.0,
             scenario={"posts": "after update"})""",
        gerstgrasser,
        "The first of two rows has the exact product for 50 fits, the second the bound.",
    ),
    "suresh": Table(
        "Suresh et al.: how long a rare component and a variance last",
        "Notebook of their repository (rate-of-model-collapse) read, which quotes the theorems. "
        "Their Sigma is a standard deviation.",
        """simulate_gmm(1, 2, means=[0.0, 200.0], initial_weights=[0.01, 0.99], n_responses=100,
             n_steps=k + 1, beta=1.0, update="refit", threshold=0.0,
             scenario={"keep": "last", "posts": "after update"})
simulate_gmm(1, 1, means=[0.0], n_responses=10, n_steps=k + 1, beta=1.0, update="refit",
             moving=("mean", "covariance"), scenario={"keep": "last", "posts": "after update"},
             variance_floor=1e-30)""",
        suresh,
        "Each number stands beside the exact one (Bernoulli: powers of the chain's matrix; "
        "Gaussian: products of chi-squares) and beside their bound.",
    ),
    "seddik": Table(
        "Seddik et al.: the sum of squared shares",
        "Quoted at second hand: paper (arXiv 2404.05090) not read.",
        """simulate_gmm(1, 3, means=[0.0, 200.0, 400.0], initial_weights=[0.5, 0.3, 0.2],
             n_responses=50, n_steps=m + 1, beta=1.0, update="refit", threshold=0.0,
             scenario={"keep": "last", "posts": "after update"})""",
        seddik,
        "1 - (1 - 1/n)^m (1 - S_0): the Wright-Fisher model.",
    ),
    "opinions": Table(
        "DeGroot, Friedkin and Johnsen: who is heard",
        "Textbook limits.",
        """simulate_gmm(3, 2, means=[0.0, 200.0], initial_weights=first, n_responses=100,
             n_steps=61, beta=1.0, update="refit", threshold=0.0,
             scenario={"keep": "last", "readers": W, "n_read": 100, "posts": "after update",
                       "anchors": (0.3, U)})""",
        opinions,
        "With W = [[.6, .4, 0], [.2, .5, .3], [.1, 0, .9]], first weights .9, .5, .2 of component "
        "0 and U = 1, .5, .1. DeGroot: v'x(0), v the stationary law of W; with a share w from "
        "sources of their own: (I - (1 - w) W)^-1 w U. These hold for means, in both orders.",
    ),
}  # fmt: skip


def shown(value: Value) -> str:
    """Return a number with its error, or alone where it is exact."""
    mean, error = value
    if error == 0:
        return f"{mean:.4f}"
    return f"{mean:.2e} ({error:.0e})" if abs(mean) < 1e-3 else f"{mean:.4f} ({error:.4f})"


def verdict(row: Row) -> str:
    """Return by how many standard errors both differ, or whether a bound holds."""
    gap = row.ours[0] - row.published[0]
    if row.bound:
        at_least = row.what.endswith("at least")
        inside = (gap if at_least else -gap) > -3 * row.ours[1]
        return "holds" if inside else "BROKEN"
    return f"{gap / max(np.hypot(row.ours[1], row.published[1]), 1e-300):+.1f}"


def lines_of(name: str, scale: int) -> list[str]:
    """Return a table as markdown."""
    table = TABLES[name]
    out = [f"## {table.title}", "", f"Seen: {table.seen}", "", "```text", table.call, "```", ""]
    out += ["| what | published | ours | standard errors apart | in the paper's order |"]
    out += ["| --- | --- | --- | --- | --- |"]
    for row in table.rows(scale):
        paper = "" if row.paper is None else shown(row.paper)
        cells = [row.what, shown(row.published), shown(row.ours), verdict(row), paper]
        out.append(f"| {' | '.join(cells)} |")
    return [*out, "", table.remark, "", f"Run: `python analysis/validation.py {name}`", ""]


HEAD = """# Published numbers, and ours

What the literature on recursive training says about single normal laws and categories is a case of
the network here: one model, which refits to what it reads. So it says whether the simulator is
right. Below are published numbers beside ours, with standard errors in brackets; one without is a
formula of theirs, or what follows from it. Single normal laws are `n_components=1` with `moving`;
categories are components 200 apart.

Measured numbers are from the one data file that we found with the scripts of a source, that of
Kazdan et al. (`sweeps=k3mipjqi_runs_histories`). It has "Replace" and "Accumulate" at 10, 32, 100
and 316 points a step, and 100 iterations of each. The 26 rows here are its averages at 10, 32 and
100 points, after 10 and 100 iterations, and after 30 where 32 points replace those of before. Not
here are 316 points, the other iterations, and what that repository has as pictures alone. From the
other sources come formulas, and what follows from them; what they ran is not here.

In the literature a model reads and then posts what it has learnt; in the paper that this package
follows it posts first. So the calls say `posts="after update"`, and `update="refit"` instead of
Algorithm 2. The last column is what the paper's order, `posts="before update"`, gives with all else
alike: there is a step between what a model learns and what others read of it, and where posts are
replaced the chain is two chains that take turns.

`python analysis/validation.py --write` makes this page, in some minutes, and with the name of a
table that table alone. No two numbers are more than 3 standard errors apart.
"""


def main(arguments: list[str] | None = None) -> None:
    """Print tables, or write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help=", ".join(TABLES))
    parser.add_argument("--runs", type=int, default=100, help="scale of the number of runs")
    parser.add_argument("--write", action="store_true", help="write the page")
    options = parser.parse_args(arguments)
    for name in options.names:
        if name not in TABLES:
            parser.error(f"{name!r} is none of {', '.join(TABLES)}")
    text = {name: "\n".join(lines_of(name, options.runs)) for name in options.names or TABLES}
    if not options.write:
        print("\n".join(text.values()))
        return
    if options.names:
        # The others stay as they are on the page.
        _, *rest = PAGE.read_text().split("\n## ")
        kept = {name: f"## {part}" for name, part in zip(TABLES, rest, strict=True)}
        text = {name: text.get(name, f"{part.rstrip()}\n") for name, part in kept.items()}
    PAGE.write_text("\n".join([HEAD, *text.values()]))


if __name__ == "__main__":
    main()
