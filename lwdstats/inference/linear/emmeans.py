"""Marginal means of linear models, and differences between them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from lwdstats.arrays import FloatArray
from lwdstats.errors import InputError, check_choice, check_level
from lwdstats.inference.formula.design import design_of, values_of
from lwdstats.inference.formula.syntax import Call, Tree, names_in
from lwdstats.inference.formula.values import Factor
from lwdstats.inference.linear.lm import LinearModel
from lwdstats.inference.linear.squares import FEW
from lwdstats.results.pictures import drawing
from lwdstats.results.printing import format_numbers, format_p
from lwdstats.results.result import Result, aligned, one_row

_ADJUSTMENTS = ("tukey", "holm", "none")
# Intervals of an estimate more skewed than this miss in 7% and more, of those at 5%.
_SKEWED = 0.3
# Functions whose value in a row hangs on the other rows.
_OF_ALL_ROWS = ("poly", "scale", "cut", "mean", "median", "sd", "var", "sum", "min", "max",
                "quantile", "rank", "cumsum")  # fmt: skip


@dataclass(frozen=True, eq=False)
class MarginalMeans(Result):
    """Marginal means, by `emmeans`.

    Attributes
    ----------
    of : str
        The response.
    specs : tuple of str
        The factors whose levels are compared.
    table : pandas.DataFrame
        A row for each combination of levels: a column for each factor, `estimate`,
        `std_error`, `df`, `conf_low`, `conf_high`.
    contrasts : pandas.DataFrame
        A row for each pair: `contrast`, `estimate`, `std_error`, `df`, `statistic`, `p_value`.
    level : float
        Of the intervals.
    adjust : str
        How p-values of pairs are adjusted for their number.
    averaged : tuple of str
        Factors over whose levels means are taken, with equal weights.
    interacting : bool
        Whether the specs interact with factors that are averaged over.
    """

    of: str
    specs: tuple[str, ...]
    table: pd.DataFrame
    contrasts: pd.DataFrame
    level: float
    adjust: str
    averaged: tuple[str, ...]
    interacting: bool

    def tidy(self) -> pd.DataFrame:
        """Return the means: see `table`."""
        return self.table.copy()

    def glance(self) -> pd.DataFrame:
        """Return one row: means, pairs, and the level of the intervals."""
        row = {"n_means": len(self.table), "n_contrasts": len(self.contrasts)}
        return one_row(row | {"level": self.level, "adjust": self.adjust})

    def lines(self) -> list[str]:
        """Return what R's emmeans prints: the means, then the differences of all pairs."""
        heads = ["emmean", "SE", "df", "lower.CL", "upper.CL"]
        names = ["estimate", "std_error", "df", "conf_low", "conf_high"]
        cells = [self.table[name].astype(str).tolist() for name in self.specs]
        cells += [_cells(self.table, name) for name in names]
        k = len(self.specs)
        lines = aligned([*self.specs, *heads], list(zip(*cells, strict=True)), left=range(k))
        lines = [f"Marginal means of {self.of}", "", *lines, ""]
        if self.averaged:
            lines += [f"Results are averaged over the levels of: {', '.join(self.averaged)}"]
        lines += [f"Confidence level used: {self.level:g}", ""]
        names = ["estimate", "std_error", "df", "statistic"]
        columns = [self.contrasts["contrast"].tolist()]
        columns += [_cells(self.contrasts, name) for name in names]
        columns += [format_p(self.contrasts["p_value"], 3, 1e-4)]
        heads = ["contrast", "estimate", "SE", "df", "t.ratio", "p.value"]
        lines += aligned(heads, list(zip(*columns, strict=True)), left=[0])
        count = len(self.contrasts)
        if self.adjust != "none" and count > 1:
            lines += ["", f"P value adjustment: {self.adjust}, {count} pairs"]
        if self.interacting:
            lines += ["Note: the factors interact with what is averaged over: look at its levels."]
        return lines

    def _caption(self) -> str:
        return f"Marginal means of {self.of}"

    def _draw(self, ax: drawing.Axes | None) -> drawing.Axes:
        """Draw the means with their intervals."""
        labels = self.table[list(self.specs)].astype(str).agg(", ".join, axis=1)
        ax = drawing.estimates(self.table.assign(term=labels), "term", ax)
        ax.set_xlabel(self.of)
        return ax


def _cells(table: pd.DataFrame, name: str) -> list[str]:
    digits = 4 if name == "df" else 3
    return [cell.strip() for cell in format_numbers(table[name], digits)]


def emmeans(
    fit: LinearModel,
    specs: str | Sequence[str],
    *,
    adjust: str = "tukey",
    level: float = 0.95,
) -> MarginalMeans:
    """Return the means that a linear model predicts for levels of factors, and their differences.

    Parameters
    ----------
    fit : LinearModel
        A fit of `lm`.
    specs : str or sequence of str
        Columns of its data that are factors in the model.
    adjust : {"tukey", "holm", "none"}
        How p-values of all pairs are adjusted for their number.
    level : float
        Level of the intervals of the means.

    Returns
    -------
    MarginalMeans
        Means and the differences of all pairs.

    Raises
    ------
    InputError
        If an argument is not as above, or a term has no value for a row by itself, as `poly`.

    Warns
    -----
    UserWarning
        If robust intervals of a mean can't be trusted, as a few rows lie far off on one side.

    Notes
    -----
    As R's ``emmeans::emmeans(fit, specs)`` with ``pairs()``: other factors are averaged over
    their levels with equal weights, whatever their numbers in the data, and other columns are at
    their means. With clusters errors and degrees of freedom are those of the fit; Tukey's
    adjustment is then approximate.

    References
    ----------
    Searle, S. R., Speed, F. M. and Milliken, G. A. (1980), The American Statistician 34, 216-221.
    Lenth, R., R package emmeans.

    Examples
    --------
    >>> from lwdstats import lm
    >>> data = pd.DataFrame({"keep": ["all", "all", "last", "last"], "y": [1.0, 3.0, 4.0, 8.0]})
    >>> means = emmeans(lm("y ~ keep", data), "keep")
    >>> means.table["estimate"].round(9).tolist(), means.contrasts["estimate"].round(9).tolist()
    ([2.0, 6.0], [-4.0])
    """
    if not isinstance(fit, LinearModel):
        raise InputError("fit", f"an object of type {type(fit).__name__}", "a fit of lm")
    check_choice("adjust", adjust, _ADJUSTMENTS)
    check_level(level)
    asked = (specs,) if isinstance(specs, str) else tuple(specs)
    factors, grid = _reference(fit)
    if not asked or len(set(asked)) != len(asked) or not set(asked) <= set(factors):
        raise InputError("specs", repr(specs), f"factors of the model: {', '.join(factors)}")
    blocks = design_of(fit.terms, grid)
    x = np.hstack([block.columns for block in blocks])
    if fit.terms.intercept:
        x = np.column_stack([np.ones(len(grid)), x])
    rows, combos = [], list(product(*(factors[name] for name in asked)))
    for combo in combos:
        same = np.logical_and.reduce([grid[n] == v for n, v in zip(asked, combo, strict=True)])
        rows.append(x[same].mean(axis=0))
    form = np.array(rows)
    table = _estimates(fit, form)
    reach = stats.t.isf((1 - level) / 2, table["df"]) * table["std_error"]
    table = table.assign(conf_low=table["estimate"] - reach, conf_high=table["estimate"] + reach)
    for place, name in enumerate(asked):
        table.insert(place, name, [combo[place] for combo in combos])
    labels = [" ".join(str(value) for value in combo) for combo in combos]
    _warn_of_skewed(fit, form, labels)
    averaged = tuple(name for name in factors if name not in asked)
    columns = [set().union(*map(_columns_of, term)) for term in fit.terms.terms]
    interacting = any(set(asked) & c and set(averaged) & c for c in columns)
    pairs = _pairs(fit, form, labels, adjust)
    return MarginalMeans(
        fit.response, asked, table, pairs, float(level), adjust, averaged, interacting
    )


def _warn_of_skewed(fit: LinearModel, form: FloatArray, labels: list[str]) -> None:
    skewed = np.abs(fit.skewness_of(form)) > _SKEWED
    # Of fewer clusters `lm` has warned, and skewness can't be seen.
    if fit.n_clusters >= FEW and skewed.any():
        names = ", ".join(label for label, one in zip(labels, skewed, strict=True) if one)
        warnings.warn(
            f"{fit.response} lies far off on one side in some rows of {names}: intervals of these "
            "means miss more often than they say; take another scale, or more replicates",
            stacklevel=3,
        )


def _columns_of(variable: Tree) -> set[str]:
    return set(names_in(variable))


def _reference(fit: LinearModel) -> tuple[dict[str, list], pd.DataFrame]:
    """Return the levels of each factor, and a frame of all combinations, the rest at its mean."""
    variables = list(dict.fromkeys(v for term in fit.terms.terms for v in term))
    values = values_of(variables, fit.data)
    factors: dict[str, list] = {}
    means: dict[str, float] = {}
    for variable, value in values.items():
        if whole := _of_all_rows(variable):
            takes = "terms whose value in a row is of that row alone"
            raise InputError("fit", f"a model with {whole}()", takes)
        for name in names_in(variable):
            column = fit.data[name]
            if isinstance(value, Factor):
                # In the order of the factor.
                places = [np.flatnonzero(value.codes == k) for k in range(len(value.levels))]
                factors[name] = [column.iloc[place[0]] for place in places if place.size]
            elif name not in means:
                means[name] = float(column.to_numpy(float).mean())
    rows = list(product(*factors.values()))
    grid = pd.DataFrame(rows, columns=list(factors)) if factors else pd.DataFrame(index=[0])
    for name in factors:
        if isinstance(fit.data[name].dtype, pd.CategoricalDtype):
            grid[name] = grid[name].astype(fit.data[name].dtype)
    return factors, grid.assign(**{n: v for n, v in means.items() if n not in factors})


def _of_all_rows(tree: Tree) -> str | None:
    """Return a function in an expression whose value hangs on all rows, None without."""
    if not isinstance(tree, Call):
        return None
    inside = (found for part in tree.arguments if (found := _of_all_rows(part)))
    return tree.function if tree.function in _OF_ALL_ROWS else next(inside, None)


def _estimates(fit: LinearModel, form: FloatArray) -> pd.DataFrame:
    """Return values of linear forms (m, p) of the coefficients, with standard errors."""
    error = np.sqrt(np.einsum("mi,ij,mj->m", form, fit.var, form))
    columns = {"estimate": form @ fit.estimate, "std_error": error}
    return pd.DataFrame(columns | {"df": fit.df_of(form)})


def _pairs(fit: LinearModel, form: FloatArray, labels: list[str], adjust: str) -> pd.DataFrame:
    """Return the differences of all pairs of means."""
    from statsmodels.stats.multitest import multipletests

    pairs = list(combinations(range(len(labels)), 2))
    names = [f"{labels[i]} - {labels[j]}" for i, j in pairs]
    differences = np.array([form[i] - form[j] for i, j in pairs]).reshape(-1, form.shape[1])
    table = _estimates(fit, differences)
    table.insert(0, "contrast", names)
    t = table["estimate"] / table["std_error"]
    p: Any = 2 * stats.t.sf(np.abs(t), table["df"])
    if adjust == "tukey" and len(pairs) > 1:
        p = stats.studentized_range.sf(np.sqrt(2) * np.abs(t), len(labels), table["df"])
    elif adjust == "holm" and pairs:
        p = np.asarray(multipletests(p, method="holm")[1])
    return table.assign(statistic=t, p_value=np.clip(p, 0, 1))
