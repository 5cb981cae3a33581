"""Are the models of a network still told apart by their answers?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from lwdstats.arrays import FloatArray, as_floats
from lwdstats.dataset.embeddings.choose_embedding import by_embedding
from lwdstats.dataset.positions import positions
from lwdstats.dataset.schema import validate
from lwdstats.errors import InputError, check_choice, check_integer
from lwdstats.inference.permutation import collapse_forms as forms
from lwdstats.inference.permutation.scheme import p_values
from lwdstats.results.pictures import drawing
from lwdstats.results.printing import coefficient_lines
from lwdstats.results.result import Result, one_row
from lwdstats.streams import resolve_seed

NULLS = {
    "given_prompts": "at these prompts, the answers of all models have one distribution",
    "model": "the names of the models could be exchanged in every replicate",
}
# At which the picture tells times apart.
_LEVEL = 0.05


@dataclass(frozen=True, eq=False)
class CollapseTest(Result):
    """The result of `collapse_test`.

    Attributes
    ----------
    table : pandas.DataFrame
        One row a time; columns `f`, `r2`, `r2_adjusted`, `energy_distance` (in
        the units of the embedding; NaN without answers), `p_value` and
        `p_adjusted` (over the times tested).
    null : str
        "given_prompts" or "model": see `collapse_test`.
    statistic : str
        "energy" or "f".
    correction : str
        "max-T" or "holm".
    n_permutations : int
        B.
    smallest_p : float
        The smallest p that the data can give: where permutations are few,
        above ``1 / (B + 1)``.
    seed : int
        What repeats the permutations.
    f_permuted : numpy.ndarray, shape (times, B)
        The statistics under the permutations.
    one_answer : bool
        Whether each model answers a question once, so that questions are the replication.
    """

    table: pd.DataFrame
    null: str
    statistic: str
    correction: str
    n_permutations: int
    smallest_p: float
    seed: int
    f_permuted: FloatArray = field(repr=False)
    one_answer: bool = False

    def lines(self) -> list[str]:
        """Return the null hypothesis, and a row for each time."""
        names = {"f": "F", "r2": "R2", "r2_adjusted": "Adj.R2", "energy_distance": "Energy"}
        names |= {"p_value": "p", "p_adjusted": "Pr(>F)"}
        table = self.table.rename(columns=names, index=lambda t: f"t = {t}")
        lines = ["Permutation test of collapse: are the models told apart?"]
        lines += [f"Null hypothesis ({self.null}): {NULLS[self.null]}"]
        what = "One answer of a model to a question: questions are the replication"
        lines += [what] * self.one_answer
        lines += [f"Number of permutations: {self.n_permutations}"]
        lines += [f"Smallest possible p: {self.smallest_p:.3g}"]
        times = "1 time" if len(table) == 1 else f"{len(table)} times"
        lines += [f"Pr(>F) is adjusted for {times} by {self.correction}", ""]
        zap = ["R2", "Adj.R2", "Energy", "p"]
        lines += coefficient_lines(table, 5, tests=["F"], zap=zap, p_value="Pr(>F)", missing="")
        return lines

    def tidy(self) -> pd.DataFrame:
        """Return a row for each time, with broom's columns."""
        return self.table.rename(columns={"f": "statistic"}).reset_index()

    def glance(self) -> pd.DataFrame:
        """Return one row about the test."""
        row = {"null": self.null, "statistic": self.statistic, "correction": self.correction}
        row |= {"n_times": len(self.table), "n_permutations": self.n_permutations}
        return one_row(row | {"smallest_p": self.smallest_p})

    def _caption(self) -> str:
        return f"Null hypothesis: {NULLS[self.null]}"

    def _draw(self, ax: drawing.Axes | None) -> drawing.Axes:
        ax = drawing.new_axes(ax)
        table = self.table
        known = bool(table["energy_distance"].notna().all())
        values = table["energy_distance" if known else "r2_adjusted"].to_numpy()
        times, apart = table.index.to_numpy(), table["p_adjusted"].to_numpy() <= _LEVEL
        ax.plot(times, values, color="0.7", linewidth=1)
        ax.plot(times[apart], values[apart], "o", color=drawing.colour(0), label="told apart")
        ax.plot(
            times[~apart],
            values[~apart],
            "o",
            color=drawing.colour(0),
            markerfacecolor="none",
            label="not",
        )
        ax.axhline(0.0, color="0.5", linewidth=0.8)
        drawing.name_time(ax)
        ax.set_ylabel("energy distance between models" if known else "adjusted R2")
        drawing.legend(ax, f"at {_LEVEL:.0%}")
        return ax


def collapse_test(
    ds: xr.Dataset,
    time: float | Sequence[float] | None = None,
    *,
    null: str = "given_prompts",
    statistic: str | None = None,
    permutations: int = 999,
    correction: str = "max-T",
    embedding: str = "embedding",
    seed: int | str | None = None,
) -> CollapseTest:
    """Test whether the models of a network are still told apart by their answers.

    Parameters
    ----------
    ds : xarray.Dataset
        A dataset of either simulation.
    time : float or sequence of float, optional
        Which to test; all by default.
    null : {"given_prompts", "model"}
        The null hypothesis, see below.
    statistic : {"energy", "f"}, optional
        F made of distances, which sees any difference between distributions, or of
        squared distances, which sees differences between means. By default "energy",
        but "f" where models give one answer to a question.
    permutations : int
        Number of permutations.
    correction : {"max-T", "holm"}
        How p is adjusted for the number of times tested.
    embedding : str
        Which embedding of a dataset's answers, as `choose_embedding` takes it.
    seed : int or str, optional
        Seed of the permutations; drawn and kept in the result when None.

    Returns
    -------
    CollapseTest
        F, effect sizes and p by time.

    Raises
    ------
    InputError
        If an argument is not as above, or the dataset has fewer than two models,
        answers of a model or questions ("given_prompts"), or replicates ("model").

    Notes
    -----
    "given_prompts"
        At the prompts of this very time all models answer from one distribution.
        Answers are permuted among the models of the same replicate and query. Models
        that are the same but have read different posts can well be told apart: this
        is about answers, not about models. Of one answer a question, questions are
        the replication, as replicates are for "model". Answers may be missing.
    "model"
        The models' names could be exchanged within each replicate. The unit is a
        model in a replicate, by its mean answer over queries (or its mixture
        weights). Only this one speaks of the models, and it takes replicates: three
        models in two replicates cannot give a p below 1/6. Replicates that lie far
        apart hide differences within them from "energy"; "f" does not mind.

    In a cell (a replicate and query; or all units, replicates being blocks)
    with doubly centred ``-d^a / 2``, a = 1 for "energy" and 2 for "f",

        F = (sum SS_between / sum df) / (sum SS_within / sum df),

    sums going over cells, and ``p = (number of permuted F >= F, + 1) / (B +
    1)``. In a single cell F is that of ``energy::disco(x, factors, index = 1)`` or
    ``vegan::adonis2``; of one answer a question, ``adonis2(d ~ query + model)``'s.

    Times share their permutations, and "max-T" compares F with the largest of all times
    under each (Westfall and Young). That is exact for "model"; for "given_prompts" it takes
    answers at different times as independent given their prompts.

    A large p does not show a collapse: read it with `r2_adjusted` and `energy_distance`
    (``docs/methods.md``; which test when: ``docs/which-test.md``).

    References
    ----------
    Rizzo, M. L. and Székely, G. J. (2010), Annals of Applied Statistics 4, 1034-1055.
    Westfall, P. H. and Young, S. S. (1993), Resampling-based multiple testing.
    Anderson, M. J. (2001), Austral Ecology 26, 32-46.

    Examples
    --------
    >>> import lwdstats as lwd
    >>> ds = lwd.simulate_gmm(n_steps=20, n_responses=20, replicates=4, seed=1)
    >>> test = lwd.collapse_test(ds, [0, 20], seed=1)
    >>> list(test.table.columns)
    ['f', 'r2', 'r2_adjusted', 'energy_distance', 'p_value', 'p_adjusted']
    >>> float(test.table.loc[0, "p_value"])
    0.001
    """
    ds = validate(by_embedding(ds, embedding, "ds"))
    null = check_choice("null", null, tuple(NULLS))
    if statistic is not None:
        statistic = check_choice("statistic", statistic, ("energy", "f"))
    correction = check_choice("correction", correction, ("max-T", "holm"))
    B = check_integer("permutations", permutations, minimum=1)
    root = resolve_seed(seed)
    times = _times(ds, time)
    chosen = ds if len(times) == ds.sizes["time"] else ds.sel(time=times)
    n = ds.sizes["model"]
    if n < 2:
        raise InputError("ds", f"{n} model", "two models or more")
    if null == "model" and ds.sizes["replicate"] < 2:
        raise InputError("null", null, "'given_prompts', or a dataset with two replicates or more")
    if null == "given_prompts" and "embedding" not in ds:
        raise InputError("null", null, "'model', as the dataset has no answers (embedding)")

    answers = _answers(chosen) if "embedding" in ds else None
    present = None if answers is None else forms.there(answers)
    single = null == "given_prompts" and present is not None and int(present.sum(axis=4).max()) < 2
    statistic = statistic or ("f" if single else "energy")
    alpha = {"energy": 1, "f": 2}[statistic]
    distance = np.full(len(times), np.nan)
    if null == "model":
        units = positions(chosen).values
        result = forms.exchanged_models(units.reshape(*units.shape[:3], -1), alpha, B, root)
        if answers is not None and answers.shape[4] > 1:
            distance = forms.energy_distance(answers)
    elif answers is not None and single:
        result = _one_answer(answers, statistic, B, root)
    elif answers is not None and present is not None:
        usable = forms.told_apart(present).any(axis=(1, 2))
        if not usable.all():
            raise InputError(
                "ds",
                f"time {times[~usable][0]} without a replicate and query at which two models "
                "answer and one of them more than once",
                "such times as have one",
            )
        result, distance = forms.given_prompts(answers, alpha, B, root)
    else:
        raise InputError("ds", "a dataset without answers (embedding)", "one with answers")

    f, permuted, r2, adjusted, smallest = result
    p = p_values(f, permuted.T)
    table = pd.DataFrame(
        {
            "f": f,
            "r2": r2,
            "r2_adjusted": adjusted,
            "energy_distance": distance,
            "p_value": p,
            "p_adjusted": max_t(f, permuted) if correction == "max-T" else holm(p),
        },
        index=pd.Index(times, name="time"),
    )
    count = permuted.shape[1]
    return CollapseTest(table, null, statistic, correction, count, smallest, root, permuted, single)


def _answers(ds: xr.Dataset) -> np.ndarray:
    """Return the answers of a dataset, (T, R, q, n, L, F)."""
    answers = ds["embedding"]
    if "query" not in answers.dims:
        answers = answers.expand_dims("query")
    return answers.transpose("time", "replicate", "query", "model", "response", ...).values


def _one_answer(x: np.ndarray, statistic: str, B: int, seed: int) -> forms.Result:
    """Test answers (T, R, q, n, L, F), at most one of a model to a question, by questions."""
    T, _, _, n, L, F = x.shape
    if L > 1:  # the one that is there, wherever it stands
        first = forms.there(x).argmax(axis=4)[..., None, None]
        x = np.take_along_axis(x, first, axis=4)
    x = x.reshape(T, -1, n, F)
    present = forms.there(x)
    if statistic == "energy" and not present.all():
        takes = "'f', unless every model answers every question"
        raise InputError("statistic", "'energy' of one answer a question, some missing", takes)
    # A question that a single model answers compares none.
    used = present & (present.sum(axis=2, keepdims=True) > 1)
    if (used.any(axis=2).sum(axis=1) < 2).any():
        raise InputError(
            "ds",
            "one answer of each model, and fewer than two questions (or replicates) that two "
            "models answer",
            "several answers of a model, or several questions",
        )
    alpha = {"energy": 1, "f": 2}[statistic]
    same = bool((used == used[0]).all())
    results = [
        forms.exchanged_models(
            x[part][:, used[part.start].any(axis=1)], alpha, B, seed, enumerate_few=same
        )
        for part in ([slice(0, T)] if same else [slice(t, t + 1) for t in range(T)])
    ]
    f, permuted, r2, adjusted = (np.concatenate([r[i] for r in results]) for i in range(4))
    return f, permuted, r2, adjusted, max(r[4] for r in results)


def max_t(f: FloatArray, permuted: FloatArray) -> FloatArray:
    """Return p, (T,), of statistics (T,) against the largest of T under each of B: (T, B).

    The null distribution of F is narrow where answers spread in many
    directions and wide where in few, so each time is first measured on its own
    scale: the mean and standard deviation of f / (1 + f), which is finite, over
    the observed and the permuted arrangements, none of which is set apart.
    """
    every = np.concatenate([f[:, None], permuted], axis=1)
    with np.errstate(invalid="ignore"):
        bounded = np.where(np.isinf(every), 1.0, every / (1.0 + every))
    spread = bounded.std(axis=1, keepdims=True)
    away = bounded - bounded.mean(axis=1, keepdims=True)
    # A time at which all arrangements tie shows nothing and must not decide the maximum.
    flat = spread <= 1e-10 * (1.0 + np.abs(bounded).max(axis=1, keepdims=True))
    z = np.where(flat, -np.inf, np.divide(away, spread, out=np.zeros_like(away), where=~flat))
    largest = z[:, 1:].max(axis=0)
    return np.where(flat[:, 0], 1.0, p_values(z[:, 0], largest[:, None]))


def holm(p: FloatArray) -> FloatArray:
    """Return Holm's adjusted p-values, (T,)."""
    from statsmodels.stats.multitest import multipletests

    return np.asarray(multipletests(p, method="holm")[1], dtype=float)


def _times(ds: xr.Dataset, time: float | Sequence[float] | None) -> npt.NDArray[Any]:
    known = ds["time"].values
    if time is None:
        return known
    takes = f"times of the dataset, {known[0]} to {known[-1]}"
    wanted = np.atleast_1d(as_floats(time, "time", takes))
    if (
        isinstance(time, bool)
        or wanted.ndim != 1
        or not wanted.size
        or not np.isin(wanted, known).all()
    ):
        raise InputError("time", repr(time), takes)
    return wanted.astype(known.dtype)
