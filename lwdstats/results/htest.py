"""The result of a test, printed as R prints one."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from lwdstats.arrays import FloatArray
from lwdstats.results.pictures import drawing
from lwdstats.results.printing import format_numbers, format_p, named_lines
from lwdstats.results.result import PermutationResult, one_row

_ALTERNATIVE = {"two-sided": "not equal to", "less": "less than", "greater": "greater than"}


@dataclass(frozen=True)
class HTest(PermutationResult):
    """The result of a statistical test: R's class "htest".

    Attributes
    ----------
    statistic : float
        The test statistic.
    parameter : mapping of str to float, or None
        Parameters of its distribution, by name, such as degrees of freedom.
    p_value : float
        The p-value.
    conf_int : tuple of float, or None
        Confidence interval of the estimate, at level `conf_level`.
    estimate : mapping of str to float, or None
        Estimates, by name.
    null_value : mapping of str to float, or None
        What the null hypothesis says of a quantity, by its name.
    alternative : str or None
        "two-sided", "less", "greater", or a phrase.
    method : str
        Name of the test.
    data_name : str
        What was tested.
    statistic_name : str
        Name of the statistic in print.
    conf_level : float
        Level of `conf_int`.
    permuted : numpy.ndarray, shape (B,), or None
        The statistic under the permutations of a permutation test.
    note : str or None
        What limits what the test can say, printed below it.

    Notes
    -----
    ``str()`` gives the block of R's ``print.htest``. As in SciPy, and unlike
    R, `statistic` is a plain number and "two-sided" has a hyphen.

    Examples
    --------
    >>> print(HTest(1.25, {"df": 8.0}, 0.2466, None, None, {"mean": 0.0}, "two-sided",
    ...             "One Sample t-test", "x", statistic_name="t"))
    <BLANKLINE>
        One Sample t-test
    <BLANKLINE>
    data:  x
    t = 1.25, df = 8, p-value = 0.2466
    alternative hypothesis: true mean is not equal to 0
    <BLANKLINE>
    """

    statistic: float
    parameter: Mapping[str, float] | None
    p_value: float
    conf_int: tuple[float, float] | None
    estimate: Mapping[str, float] | None
    null_value: Mapping[str, float] | None
    alternative: str | None
    method: str
    data_name: str
    statistic_name: str = "statistic"
    conf_level: float = 0.95
    permuted: FloatArray | None = field(default=None, repr=False, compare=False)
    note: str | None = None

    def lines(self) -> list[str]:
        """Return the block of R's ``print.htest``."""
        lines = ["", *(f"\t{line}" for line in textwrap.wrap(self.method, 72)), ""]
        lines += [f"data:  {self.data_name}"]
        parts = [f"{self.statistic_name} = {format_numbers([self.statistic], 5)[0]}"]
        parts += [f"{k} = {format_numbers([v], 5)[0]}" for k, v in (self.parameter or {}).items()]
        p = format_p([self.p_value], 4)[0]
        parts += [f"p-value {p}" if p.startswith("<") else f"p-value = {p}"]
        lines += textwrap.wrap(", ".join(parts), 72)
        if self.alternative is not None:
            lines += [f"alternative hypothesis: {self._alternative(self.alternative)}"]
        if self.conf_int is not None:
            level = format_numbers([100 * self.conf_level])[0]
            lines += [f"{level} percent confidence interval:"]
            lines += [" " + " ".join(format_numbers(self.conf_int))]
        if self.estimate:
            lines += ["sample estimates:"]
            lines += named_lines(list(self.estimate), list(self.estimate.values()), 7)
        if self.note is not None:
            lines += textwrap.wrap(self.note, 72)
        return [*lines, ""]

    def _alternative(self, alternative: str) -> str:
        if self.null_value and len(self.null_value) == 1:
            (name, value), *_ = self.null_value.items()
            relation = _ALTERNATIVE.get(alternative, alternative)
            return f"true {name} is {relation} {format_numbers([value])[0]}"
        return alternative

    def tidy(self) -> pd.DataFrame:
        """Return one row about the test, with broom's columns.

        Several estimates are `estimate1`, `estimate2` and so on; several
        parameters have their own names.
        """
        row: dict[str, Any] = {}
        estimates = list((self.estimate or {}).values())
        for i, value in enumerate(estimates, start=1):
            row["estimate" if len(estimates) == 1 else f"estimate{i}"] = value
        row |= {"statistic": self.statistic, "p_value": self.p_value}
        parameters = dict(self.parameter or {})
        for name, value in parameters.items():
            own = "_".join(name.replace(".", " ").split()).lower()
            row["parameter" if len(parameters) == 1 else own] = value
        if self.conf_int is not None:
            row["conf_low"], row["conf_high"] = self.conf_int
        row["method"] = self.method
        if self.alternative is not None:
            row["alternative"] = self.alternative
        if self.note is not None:
            row["note"] = self.note
        return one_row(row)

    def _permuted(self) -> tuple[FloatArray | None, float, str]:
        return self.permuted, self.statistic, self.statistic_name

    def _caption(self) -> str:
        return f"data: {self.data_name}"

    def _draw(self, ax: drawing.Axes | None, **options: Any) -> drawing.Axes:
        """Draw the permutations; without them the estimates, the interval and the null value."""
        if self.permuted is not None or not self.estimate:
            return super()._draw(ax, **options)
        frame = pd.DataFrame(
            {"term": list(self.estimate), "estimate": list(self.estimate.values())}
        )
        if self.conf_int is not None:
            # The interval is that of the first estimate.
            frame[["conf_low", "conf_high"]] = np.nan
            frame.loc[0, ["conf_low", "conf_high"]] = self.conf_int
        ax = drawing.estimates(frame, "term", ax)
        for value in (self.null_value or {}).values():
            ax.axvline(value, color="0.6", linestyle=":")
        drawing.title(ax, self.method)
        return ax
