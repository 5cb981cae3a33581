"""Datasets as tidy tables."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from lwdstats.dataset.embeddings.choose_embedding import by_embedding
from lwdstats.dataset.schema import validate
from lwdstats.errors import InputError, check_bool, check_choice

# What one row is, and the variable whose dimensions are the rows.
_ROWS = {"answers": "embedding", "weights": "weight", "posts": "post_text"}


def to_frame(
    ds: xr.Dataset, what: str | None = None, *, embedding: bool | str = True
) -> pd.DataFrame:
    """Return a dataset as a tidy table.

    Parameters
    ----------
    ds : xarray.Dataset
        A dataset of either simulation, or one's own.
    what : {"answers", "weights", "posts"}, optional
        What a row is: an answer; the weight of a component of a mixture; or a
        post on the web. By default answers, or weights where a dataset has no
        answers.
    embedding : bool or str
        Whether to add the vectors of answers or posts, a column a coordinate:
        embedding_0, embedding_1 and so on; or those of which embedding.

    Returns
    -------
    pandas.DataFrame
        A column for each dimension (time, model, replicate, query where there
        are any, response; or component; or post), then one for each variable
        that a row has a value of, repeated where it is coarser than the rows, such as
        n_web and covariates that are coordinates. The last dimension varies fastest.

    Raises
    ------
    InputError
        If `ds` doesn't follow the schema, or has no rows of that kind.

    Notes
    -----
    ``as_results(to_frame(ds))`` gives answers, their texts and n_web and its kin
    again. Weights, the web and the specification stay behind: a table has no
    place for them. The text of a missing answer is None. R: ``as.data.frame`` of a
    table, ``tidyr::pivot_longer``.

    A query without a name, and a single one, has no column.

    Examples
    --------
    >>> import lwdstats as lwd
    >>> from lwdstats.dataset.to_frame import to_frame
    >>> ds = lwd.simulate_gmm(n_steps=2, n_responses=2, seed=1)
    >>> frame = to_frame(ds)
    >>> frame.columns.tolist()
    ['time', 'model', 'replicate', 'response', 'embedding_0', 'n_truncated',
     'synthetic_share', 'n_web', 'n_retrieved']
    >>> len(frame), len(to_frame(ds, "weights"))
    (18, 18)
    """
    validate(ds)
    if isinstance(embedding, str):
        ds, embedding = by_embedding(ds, embedding, "ds"), True
    check_bool("embedding", embedding)
    if what is None:
        what = "answers" if "embedding" in ds else "weights"
    lead = _ROWS[check_choice("what", what, tuple(_ROWS))]
    if lead not in ds:
        got = f"{what!r}, but the dataset has no {lead}"
        raise InputError(
            "what", got, "one of " + ", ".join(repr(w) for w in _ROWS if _ROWS[w] in ds)
        )
    dims = [dim for dim in ds[lead].dims if dim != "feature"]
    sizes = {dim: ds.sizes[dim] for dim in dims}
    shape = tuple(sizes.values())
    columns: dict[str, Any] = {}
    for dim, code in zip(dims, np.indices(shape).reshape(len(shape), -1), strict=True):
        if dim != "query" or dim in ds.coords or ds.sizes[dim] > 1:
            columns[str(dim)] = _objects(ds[dim].values)[code]
    vectors = {"answers": "embedding", "posts": "post_embedding"}.get(what)
    if embedding and vectors in ds:
        wide = ds[vectors].transpose(*dims, "feature").values.reshape(-1, ds.sizes["feature"])
        columns |= {f"embedding_{i}": wide[:, i] for i in range(wide.shape[1])}
    for name in [*ds.data_vars, *ds.coords]:
        array = ds[name]
        if name not in columns and set(array.dims) <= set(dims):
            columns[str(name)] = _objects(array.variable.set_dims(sizes).values).ravel()
    if what == "answers" and "text" in columns:
        # So that a missing answer stays one where the table is embedded anew.
        lacking = np.isnan(ds["embedding"].isel(feature=0).values.ravel())
        if lacking.any():
            columns["text"] = np.where(lacking, None, columns["text"])
    return pd.DataFrame(columns)


def _objects(values: np.ndarray) -> np.ndarray:
    """Return texts as objects: in an array of one width each takes the room of the longest."""
    return values.astype(object) if values.dtype.kind in "UT" else values
