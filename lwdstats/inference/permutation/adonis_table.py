"""The result of `adonis2`."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd

from lwdstats.arrays import FloatArray
from lwdstats.errors import InputError
from lwdstats.inference.permutation.scheme import Scheme
from lwdstats.results.printing import coefficient_lines
from lwdstats.results.result import PermutationResult, one_row


@dataclass(frozen=True, eq=False)
class Adonis(PermutationResult):
    """The result of `adonis2`.

    Attributes
    ----------
    table : pandas.DataFrame
        One row a term, then "Residual" and "Total"; columns `df`,
        `sum_of_squares` (squared units of the distances), `r2`, `f` and
        `p_value`.
    by : str or None
        How the terms were tested.
    permutations : Scheme
        The permutations used; `permutations.count` is B.
    f_permuted : numpy.ndarray, shape (B, terms)
        The statistics under the permutations.
    model : str
        What was permuted: "reduced" or "direct".
    call : str
        The call, for printing.
    ac : float
        Constant that `add` added, in squared units (Lingoes) or those of the distances.
    """

    table: pd.DataFrame
    by: str | None
    permutations: Scheme
    f_permuted: FloatArray = field(repr=False)
    model: str = "reduced"
    call: str = ""
    ac: float = 0.0

    def lines(self) -> list[str]:
        """Return vegan's block."""
        kind = self.permutations.kind
        lines = [f"Permutation test for adonis under {self.model} model"]
        lines += ["Terms added sequentially (first to last)"] * (self.by == "terms")
        lines += ["Marginal effects of terms"] * (self.by == "margin")
        lines += ["Blocks:  strata"] * (kind == "strata")
        lines += [f"Permutation: {'free' if kind == 'strata' else kind}"]
        lines += [f"Number of permutations: {self.permutations.count}", "", self.call]
        names = {"df": "Df", "sum_of_squares": "SumOfSqs", "r2": "R2", "f": "F"}
        names["p_value"] = "Pr(>F)"
        table = self.table.rename(columns=names)
        zap = ["SumOfSqs", "R2"]
        lines += coefficient_lines(table, 5, tests=["F"], zap=zap, p_value="Pr(>F)", missing="")
        return lines

    def _caption(self) -> str:
        return self.call

    def _permuted(self, *, term: str | None = None) -> tuple[FloatArray | None, float, str]:
        # The last two rows are the residuals and the total.
        tested = [str(name) for name in self.table.index[:-2]]
        term = tested[0] if term is None else term
        if term not in tested:
            raise InputError("term", term, f"one of {', '.join(tested)}")
        j = tested.index(term)
        return self.f_permuted[:, j], float(self.table["f"].iloc[j]), f"F of {term}"

    def tidy(self) -> pd.DataFrame:
        """Return a row for each term, with broom's columns of an analysis of variance."""
        names = {"sum_of_squares": "sumsq", "f": "statistic"}
        return self.table.rename(columns=names).rename_axis("term").reset_index()

    def glance(self) -> pd.DataFrame:
        """Return one row about the model, with broom's columns."""
        # By their place, as a term may have any name.
        residual, total = self.table.iloc[-2], self.table.iloc[-1]
        row = {"r_squared": 1.0 - residual["r2"], "df": int(total["df"] - residual["df"])}
        row |= {"df_residual": int(residual["df"]), "nobs": int(total["df"]) + 1}
        return one_row(row | {"n_permutations": self.permutations.count, "ac": self.ac})
