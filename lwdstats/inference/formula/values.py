"""Values of R: numbers, truth values, text and factors, and what a function takes of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lwdstats.arrays import FloatArray
from lwdstats.inference.formula.syntax import number_text


@dataclass(frozen=True, eq=False)
class Factor:
    """A factor: codes (n,) of its levels, -1 where there is none."""

    codes: npt.NDArray[np.int64]
    levels: tuple[str, ...]
    ordered: bool = False

    def __len__(self) -> int:
        return len(self.codes)

    def columns(self, *, contrasts: bool) -> FloatArray:
        """Return columns of 0 and 1 for every level, (n, L), or R's contrasts, (n, L - 1)."""
        k = len(self.levels)
        coding = np.eye(k)
        if contrasts and self.ordered and k > 1:
            coding = orthogonal_polynomials(np.arange(k), k - 1)
        elif contrasts:
            coding = coding[:, 1:]
        return coding[self.codes]


# Numbers, truth values or text (objects), (n,) or (1,); of poly() numbers, (n, degree).
Value = npt.NDArray[np.generic] | Factor
# NULL, or an argument that is not given, is None.
Argument = Value | None
# Of what is on or off unless it is given.
Switch = Argument | bool


class UnusableError(Exception):
    """What a function takes, raised where it was given something else."""


def orthogonal_polynomials(x: npt.NDArray[np.generic], degree: int) -> FloatArray:
    """Return R's ``poly(x, degree)``: columns (n, degree) of length 1, of a rising last power."""
    centred = x - x.mean()
    # The unit changes no direction, and large powers stay finite.
    q, r = np.linalg.qr(np.vander(centred / np.abs(centred).max(), degree + 1, increasing=True))
    return (q * np.sign(np.diagonal(r)))[:, 1:]


def as_column(x: Argument) -> Value:
    """Return one column, or raise `UnusableError`."""
    if x is None or (isinstance(x, np.ndarray) and x.ndim > 1):
        raise UnusableError("one column; NULL and poly() stand alone")
    return x


def is_text(x: Argument) -> bool:
    """Return whether values are text or a factor."""
    return isinstance(x, Factor) or (x is not None and x.dtype == object)


def as_numbers(x: Argument) -> FloatArray:
    """Return numbers, truth values as 0 and 1, or raise `UnusableError`."""
    x = as_column(x)
    if isinstance(x, Factor) or is_text(x):
        raise UnusableError("numbers; as.numeric() makes them of a factor or of text")
    return x.astype(np.float64)


def as_finite(x: Argument) -> FloatArray:
    """Return numbers that are finite, or raise `UnusableError`."""
    values = as_numbers(x)
    if not np.isfinite(values).all():
        raise UnusableError("finite numbers")
    return values


def as_texts(x: Argument) -> list[str | None]:
    """Return values as R's ``as.character``, None where there is none."""
    x = as_column(x)
    if isinstance(x, Factor):
        return [None if code < 0 else x.levels[code] for code in x.codes]
    if x.dtype == bool:
        return ["TRUE" if value else "FALSE" for value in x]
    if x.dtype == object:
        return x.tolist()
    return [None if math.isnan(v) else number_text(v) for v in as_numbers(x).tolist()]


def text_array(texts: Sequence[str | None]) -> npt.NDArray[np.object_]:
    """Return texts as an array of objects."""
    # An array of texts alone would be as wide as the longest.
    return np.fromiter(texts, dtype=object, count=len(texts))


def as_truths(x: Argument) -> npt.NDArray[np.bool_]:
    """Return truth values, of numbers what is not 0, or raise `UnusableError`."""
    values = as_numbers(x)
    if np.isnan(values).any():
        raise UnusableError("truth values, none of them missing")
    return values != 0.0


def one_number(x: Argument) -> float:
    """Return a single number, or raise `UnusableError`."""
    values = as_finite(x)
    if len(values) != 1:
        raise UnusableError("one number where it has several")
    return float(values[0])


def one_text(x: Argument) -> str:
    """Return a single text, or raise `UnusableError`."""
    texts = as_texts(x)
    if len(texts) != 1 or texts[0] is None:
        raise UnusableError("one text where it has several")
    return texts[0]


def as_switch(x: Switch) -> bool:
    """Return a single truth value, or raise `UnusableError`."""
    if isinstance(x, bool):
        return x
    if not isinstance(x, np.ndarray) or x.dtype != bool or x.shape != (1,):
        raise UnusableError("TRUE or FALSE for what is on or off")
    return bool(x[0])


def merged(
    codes: npt.NDArray[np.int64], labels: Sequence[str | None], *, ordered: bool = False
) -> Factor:
    """Return a factor of levels by codes (n,), labels that are the same being one level."""
    place: dict[str, int] = {}
    new = [place.setdefault(str(label), len(place)) for label in labels]
    return Factor(np.array([*new, -1], dtype=np.int64)[codes], tuple(place), ordered)
