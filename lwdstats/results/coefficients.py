"""Estimates by name with their covariances: what results that have these can do."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pandas as pd

from lwdstats.arrays import FloatArray
from lwdstats.errors import check_level
from lwdstats.results.confint import ConfInt, Parm, chosen, confidence_intervals
from lwdstats.results.result import Result


class Coefficients(Result):
    """A result with `names` (p,), `estimate` (p,) and their covariances `var` (p, p).

    A subclass says in `_quantile` by which law estimates err, and what that is called.
    """

    names: tuple[str, ...]
    estimate: FloatArray
    var: FloatArray
    notes: tuple[str, ...] = ()
    _law: ClassVar[str]

    def _quantile(self, tail: float) -> float | FloatArray:
        """Return what an estimate's error over its standard error exceeds with a chance.

        One value, or one for each coefficient, (p,).
        """
        raise NotImplementedError

    def coef(self) -> pd.Series:
        """Return the coefficients by name."""
        return pd.Series(self.estimate, index=list(self.names))

    def vcov(self) -> pd.DataFrame:
        """Return the covariances of the coefficients."""
        return pd.DataFrame(self.var, index=list(self.names), columns=list(self.names))

    def confint(self, parm: Parm = None, level: float = 0.95) -> ConfInt:
        """Return confidence intervals of coefficients.

        Parameters
        ----------
        parm : str, int or sequence, optional
            Which coefficients; all by default.
        level : float
            Confidence level.

        Returns
        -------
        ConfInt
            NaN of infinite estimates: the data bound them on one side only.

        Raises
        ------
        InputError
            If a coefficient is not there, or `level` is not between 0 and 1.
        """
        check_level(level)
        kept = chosen(parm, self.names)
        place = [self.names.index(name) for name in kept]
        estimate = np.where(np.isfinite(self.estimate), self.estimate, np.nan)[place]
        reach = (self._quantile((1 - level) / 2) * np.sqrt(np.diag(self.var)))[place]
        ends = np.stack([estimate - reach, estimate + reach], axis=1)
        return confidence_intervals(list(kept), ends, level, self._law, self.notes)
