"""How many dimensions to keep: the elbow of a scree plot, by likelihood."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from lwdstats.arrays import FloatArray, as_floats
from lwdstats.errors import InputError
from lwdstats.results.axes import first_values
from lwdstats.results.pictures import drawing
from lwdstats.results.result import Result

_VALUES = "2 or more finite numbers in a vector, such as eigenvalues"


@dataclass(frozen=True, eq=False)
class ProfileLikelihood(Result):
    """A dimension chosen by `profile_likelihood`.

    Attributes
    ----------
    dimension : int
        The q with the largest profile log-likelihood; the smallest of equals.
    profile : numpy.ndarray, shape (p - 1,)
        Profile log-likelihood at q = 1..p - 1 (entry 0 belongs to q = 1).
        Infinite where the two groups have no spread at all.
    """

    dimension: int
    profile: FloatArray

    def lines(self) -> list[str]:
        """Return the dimension chosen, and the profile."""
        return [
            "Profile likelihood of the dimension (Zhu and Ghodsi)",
            "",
            f"Dimension: {self.dimension}",
            "Log-likelihood from dimension 1 on:",
            first_values(self.profile),
        ]

    def tidy(self) -> pd.DataFrame:
        """Return a row for each dimension: its profile log-likelihood."""
        dimensions = np.arange(1, len(self.profile) + 1)
        return pd.DataFrame({"dimension": dimensions, "log_lik": self.profile})

    def to_frame(self) -> pd.DataFrame:
        """Return the profile by dimension."""
        frame = self.tidy().set_index("dimension").rename_axis(None)
        return frame.set_axis(["log-likelihood"], axis="columns")

    def _caption(self) -> str:
        return f"Profile likelihood of the dimension: {self.dimension}"

    def _draw(self, ax: drawing.Axes | None) -> drawing.Axes:
        ax = drawing.new_axes(ax)
        finite = np.where(np.isfinite(self.profile), self.profile, np.nan)
        ax.plot(np.arange(1, len(self.profile) + 1), finite, "o-", markersize=4)
        ax.axvline(self.dimension, color=drawing.colour(1), linestyle=":", label="chosen")
        ax.set(xlabel="dimension", ylabel="profile log-likelihood")
        ax.locator_params(axis="x", integer=True)
        drawing.legend(ax)
        return ax


def profile_likelihood(values: npt.ArrayLike) -> ProfileLikelihood:
    """Choose the number of large values, as the elbow of their scree plot.

    Parameters
    ----------
    values : array_like, shape (p,)
        Eigenvalues, singular values or the like, in any order; p at least 2.

    Returns
    -------
    ProfileLikelihood
        The chosen `dimension`, in 1..p - 1, and the `profile`.

    Raises
    ------
    InputError
        If `values` is not a vector of 2 or more finite numbers.

    Notes
    -----
    The values in decreasing order are taken for two normal samples with means
    of their own and a common variance: the first q, and the other p - q. With
    the pooled variance ``s^2 = (SS_1 + SS_2)/(p - 2)``, SS being sums of
    squares about the group's mean, the profile log-likelihood is

    ``l(q) = -p/2 log(2 pi s^2) - (p - 2)/2``

    and its maximum is the split with the least sum of squares within. The
    whole sample as one group (q = p) is not tried, as no split has a larger
    sum of squares. R has it in ``igraph::dim_select``.

    References
    ----------
    Zhu, M. and Ghodsi, A. (2006), Automatic dimensionality selection from the
    scree plot via the use of profile likelihood, Computational Statistics and
    Data Analysis 51, 918-930.

    Examples
    --------
    >>> from lwdstats.geometry.dkps.profile_likelihood import profile_likelihood
    >>> profile_likelihood([9.1, 8.7, 0.3, 0.2, 0.1]).dimension
    2
    """
    x = as_floats(values, "values", _VALUES)
    if x.ndim != 1 or x.size < 2:
        raise InputError("values", f"shape {x.shape}", _VALUES)
    x = np.sort(x)[::-1]
    p = len(x)
    within = _running_squares(x)[:-1] + _running_squares(x[::-1])[-2::-1]
    profile = np.full(p - 1, np.inf)
    spread = within > 0
    if p > 2:
        variance = within[spread] / (p - 2)
        profile[spread] = -0.5 * p * np.log(2.0 * math.pi * variance) - 0.5 * (p - 2)
    return ProfileLikelihood(int(np.argmax(profile)) + 1, profile)


def _running_squares(x: FloatArray) -> FloatArray:
    """Return sums of squares about the mean, (p,), of the first 1, 2, ... p values of `x`."""
    # Welford's recurrence, which has no cancellation. Measured from the first value,
    # equal numbers have a sum of squares of exactly 0.
    x = x - x[0]
    mean = np.cumsum(x) / np.arange(1, len(x) + 1)
    steps = np.zeros(len(x))
    steps[1:] = (x[1:] - mean[:-1]) * (x[1:] - mean[1:])
    return np.cumsum(steps)
