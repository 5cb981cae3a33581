"""Rows of data from a frame, or from a result with one row a run, such as a sweep."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import pandas as pd

from lwdstats.errors import InputError


@runtime_checkable
class Runs(Protocol):
    """What has one row a run, and knows which of these are not independent."""

    @property
    def cluster(self) -> str | None:
        """The column whose rows share their random streams; None where all are independent."""
        ...

    def runs(self) -> pd.DataFrame:
        """Return one row a run."""
        ...


def rows_of(data: Any, cluster: str | None = None) -> tuple[pd.DataFrame, str | None]:
    """Return the rows of data, and the column of their clusters: the given one, or its own.

    Raises
    ------
    InputError
        If data are neither a frame nor a sweep.
    """
    if isinstance(data, pd.DataFrame):
        return data, cluster
    if not isinstance(data, Runs):
        got = f"an object of type {type(data).__name__}"
        raise InputError("data", got, "a pandas DataFrame, or a sweep")
    return data.runs(), data.cluster if cluster is None else cluster
