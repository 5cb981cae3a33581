"""Designs that fill a space of arguments with few cells."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import qmc

from lwdstats.arrays import FloatArray
from lwdstats.errors import InputError, check_choice, check_integer, is_number
from lwdstats.streams import resolve_seed

_METHODS = {"latin": qmc.LatinHypercube, "sobol": qmc.Sobol, "halton": qmc.Halton}
_TAKES = "two numbers, low below high; ('log', low, high); or a list of three values or texts"


def design(
    ranges: Mapping[str, Any],
    n: int,
    method: str | qmc.QMCEngine = "latin",
    *,
    seed: int | str | None = None,
) -> pd.DataFrame:
    """Return cells that fill the ranges of some arguments, for `sweep`.

    Parameters
    ----------
    ranges : mapping
        By argument, a field of a scenario as ``"scenario.fresh"``: two numbers, integers where
        both are; ``("log", low, high)`` for a logarithmic scale; or a list of three or more
        values, or of texts, which share the range evenly.
    n : int
        Number of cells; of "sobol" best a power of 2.
    method : {"latin", "sobol", "halton"} or scipy.stats.qmc.QMCEngine
        Latin hypercube, scrambled sequences, or a sampler with a dimension for each range.
    seed : int or str, optional
        Of the design; drawn where not given.

    Returns
    -------
    pandas.DataFrame
        A row a cell, a column an argument.

    Raises
    ------
    InputError
        If an argument is not as above.

    References
    ----------
    McKay, M. D., Beckman, R. J. and Conover, W. J. (1979), Technometrics 21, 239-245.
    Owen, A. B. (1998), Journal of Complexity 14, 466-489.

    Examples
    --------
    >>> design({"beta": (0.1, 0.9), "n_responses": (2, 5)}, 4, seed=1).shape
    (4, 2)
    """
    if not isinstance(ranges, Mapping) or not ranges:
        raise InputError("ranges", repr(ranges), "ranges by argument")
    n = check_integer("n", n, minimum=1)
    for name, values in ranges.items():
        _values(str(name), values, np.zeros(1))
    points = _points(method, len(ranges), n, seed)
    return pd.DataFrame(
        {
            str(name): _values(str(name), values, points[:, i])
            for i, (name, values) in enumerate(ranges.items())
        }
    )


def _points(method: Any, d: int, n: int, seed: Any) -> FloatArray:
    """Return points (n, d) in the unit cube."""
    if isinstance(method, qmc.QMCEngine):
        if method.d != d:
            raise InputError("method", f"a sampler of {method.d} dimensions", f"one of {d}")
        return method.random(n)
    check_choice("method", method, tuple(_METHODS))
    sampler = _METHODS[method](d, seed=np.random.default_rng(resolve_seed(seed)))
    if method == "sobol":
        # A part of a larger net, without a warning where n is no power of 2.
        return sampler.random_base2(math.ceil(math.log2(n)))[:n]
    return sampler.random(n)


def _values(name: str, values: Any, u: FloatArray) -> list[Any]:
    """Return values of an argument at places (n,) in [0, 1)."""
    if isinstance(values, str) or not isinstance(values, Sequence | np.ndarray) or not len(values):
        raise InputError(f"ranges: {name}", repr(values), _TAKES)
    items = [v.item() if isinstance(v, np.generic) else v for v in values]
    log = len(items) == 3 and items[0] == "log" and all(map(is_number, items[1:]))
    if log or (len(items) == 2 and all(map(is_number, items))):
        low, high = items[-2:]
        if not low < high or (log and low <= 0):
            raise InputError(f"ranges: {name}", repr(values), _TAKES)
        if log:
            return np.exp(np.log(low) + u * (np.log(high) - np.log(low))).tolist()
        if isinstance(low, int) and isinstance(high, int):
            return (low + np.floor(u * (high - low + 1)).astype(int)).tolist()
        return (low + u * (high - low)).tolist()
    return [items[int(place)] for place in np.floor(u * len(items))]
