"""The result of `betadisper`."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from lwdstats.arrays import FloatArray
from lwdstats.errors import check_bool, check_choice, check_level
from lwdstats.inference.dispersion.permuted import (
    aligned_residuals,
    permute_distances,
    permute_points,
    points_coincide,
)
from lwdstats.inference.dispersion.table import DispersionTable, anova_table, permutation_table
from lwdstats.inference.dispersion.tukey import Tukey, honest_differences
from lwdstats.inference.permutation.scheme import scheme
from lwdstats.results.pictures import drawing
from lwdstats.results.pictures.looks import looks
from lwdstats.results.printing import named_lines
from lwdstats.results.result import Result, one_row

# Below this size of a group the permutation of distances to centroids rejects too often.
_FEW = 40


@dataclass(frozen=True, eq=False)
class BetaDisper(Result):
    """Distances of observations from the centres of their groups, by `betadisper`.

    Attributes
    ----------
    eig : numpy.ndarray, shape (k,)
        Eigenvalues of the principal coordinates, negative ones last.
    vectors : numpy.ndarray, shape (n, k)
        Principal coordinates; those of negative eigenvalues are imaginary, and
        stand here without the i.
    distances : numpy.ndarray, shape (n,)
        Distance of each observation from the centre of its group.
    group : numpy.ndarray, shape (n,)
        Index of the group of each observation.
    levels : tuple of str
        Names of the groups.
    centroids : numpy.ndarray, shape (groups, k)
        The centres.
    group_distances : numpy.ndarray, shape (groups,)
        Mean distance in each group.
    type : str
        "median" or "centroid".
    bias_adjust : bool
        Whether the distances are adjusted for the size of the group.
    call : str
        The call, for printing.
    ac : float
        Constant that `add` added, in squared units (Lingoes) or those of the distances.
    """

    eig: FloatArray
    vectors: FloatArray
    distances: FloatArray
    group: npt.NDArray[np.intp]
    levels: tuple[str, ...]
    centroids: FloatArray
    group_distances: FloatArray
    type: str
    bias_adjust: bool = False
    call: str = field(default="", repr=False)
    ac: float = 0.0

    def anova(self) -> DispersionTable:
        """Return the analysis of variance of the distances, with the F distribution's p.

        R's ``anova(betadisper(...))``. It takes distances as independent, which those
        from one estimated centre are not: `permutest` does without that. Where
        distances do not vary within groups but for rounding, F is infinite, or NaN
        if all are equal, and p is NaN, where R gives one of rounding errors.
        """
        return anova_table(self.distances, self.group, len(self.levels))

    def permutest(
        self,
        *,
        pairwise: bool = False,
        permute: str = "points",
        permutations: int | npt.ArrayLike = 999,
        seed: int | str | None = None,
    ) -> DispersionTable:
        """Test by permutation; see `permutest`."""
        permute = check_choice("permute", permute, ("points", "distances"))
        check_bool("pairwise", pairwise)
        positive, group = self.eig > 0, self.group
        smallest = int(np.bincount(group).min())
        if permute == "distances" and self.type == "centroid" and smallest < _FEW:
            warnings.warn(
                f'with type="centroid" and a group of {smallest} the test of permuted distances '
                'rejects too often; use permute="points"',
                stacklevel=3,
            )
        plan = scheme(len(group), permutations, None, seed)
        pairs = list(combinations(range(len(self.levels)), 2)) if pairwise else []
        if permute == "points":
            repeat = points_coincide(self.vectors)
            clouds = [aligned_residuals(self.vectors, positive, group, repeat=repeat)]
            # Points that several groups share have no place of their group to be moved by.
            clouds += [self.vectors] * repeat
            adjust = self.bias_adjust
            moved = [
                permute_points(x, positive, group, self.type, plan, pairs, bias_adjust=adjust)
                for x in clouds
            ]
        else:
            moved = [permute_distances(self.distances, group, plan, pairs)]
        return permutation_table(self.distances, group, self.levels, plan, moved, pairs, permute)

    def TukeyHSD(self, *, ordered: bool = False, level: float = 0.95) -> Tukey:
        """Compare the groups pair by pair; see `TukeyHSD`."""
        check_bool("ordered", ordered)
        check_level(level)
        return honest_differences(
            self.distances, self.group, self.levels, ordered=bool(ordered), level=level
        )

    def lines(self) -> list[str]:
        """Return vegan's block."""
        positive = int(np.sum(self.eig > 0))
        shown = min(len(self.eig), 8)
        lines = ["", "\tHomogeneity of multivariate dispersions", "", f"Call: {self.call}", ""]
        lines += [f"No. of Positive Eigenvalues: {positive}"]
        lines += [f"No. of Negative Eigenvalues: {len(self.eig) - positive}", ""]
        lines += [f"Average distance to {self.type}:"]
        lines += named_lines(self.levels, self.group_distances, 4)
        lines += ["", "Eigenvalues for PCoA axes:"]
        lines += [f"(Showing {shown} of {len(self.eig)} eigenvalues)"] * (shown < len(self.eig))
        names = [f"PCoA{i + 1}" for i in range(shown)]
        return [*lines, *named_lines(names, self.eig[:shown], 4)]

    def tidy(self) -> pd.DataFrame:
        """Return a row for each group: its size and its mean distance from the centre."""
        deviation = pd.Series(self.distances).groupby(self.group).std().to_numpy()
        columns = {"term": self.levels, "n": np.bincount(self.group)}
        columns |= {"estimate": self.group_distances, "std_dev": deviation}
        return pd.DataFrame(columns)

    def glance(self) -> pd.DataFrame:
        """Return one row about the result."""
        row = {"type": self.type, "bias_adjust": self.bias_adjust, "n_groups": len(self.levels)}
        signs = {"n_positive": int(np.sum(self.eig > 0)), "n_negative": int(np.sum(self.eig < 0))}
        return one_row(row | {"nobs": len(self.group)} | signs | {"ac": self.ac})

    def augment(self) -> pd.DataFrame:
        """Return a row for each observation: its group, and its distance from the centre."""
        names = np.array(self.levels, dtype=object)[self.group]
        return pd.DataFrame({"group": names, ".distance": self.distances})

    def _caption(self) -> str:
        return f"Distances to the group's {self.type}"

    def _draw(self, ax: drawing.Axes | None) -> drawing.Axes:
        ax = drawing.new_axes(ax, self.levels)
        real = np.flatnonzero(self.eig > 0)
        plane = drawing.plane(self.vectors[:, real])
        centres = drawing.plane(self.centroids[:, real])
        look = looks(self.levels, title="group")
        for j in range(len(self.levels)):
            own = plane[self.group == j]
            spokes = np.stack([own, np.broadcast_to(centres[j], own.shape)])
            hue: Any = {"color": look.colors[j]}
            ax.plot(*spokes.transpose(2, 0, 1), linewidth=0.6, alpha=0.6, **hue)
            ax.plot(*own.T, look.markers[j], markersize=4, **hue)
            ax.plot(*centres[j], "P", markersize=9, markeredgecolor="black", **hue)
        drawing.name_axes(ax, ["PCoA1", "PCoA2"])
        drawing.title(ax, self._caption())
        drawing.keys(ax, look)
        if not look.by_name:
            # Groups that are too many for a look each have their names at their centres.
            named = drawing.which_names(None, self.levels, centres)
            drawing.name_points(ax, self.levels, named, centres, plane)
        return ax
