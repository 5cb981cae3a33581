"""Vectors scaled to length 1, so that distances are those of directions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lwdstats.dataset.schema import embeddings_of, validate
from lwdstats.errors import InputError, check_choice


def normalized(ds: xr.Dataset, embedding: str = "embedding") -> xr.Dataset:
    """Return a dataset whose vectors have length 1, so that cosines decide distances.

    Parameters
    ----------
    ds : xarray.Dataset
        A dataset of answers.
    embedding : str
        Which of its embeddings; the others stay as they are.

    Returns
    -------
    xarray.Dataset
        The vectors of answers and of posts by this embedder are scaled, and their
        attribute `normalized` is "True". Those of length 1 stay as they are.

    Raises
    ------
    InputError
        If a vector is 0, which has no direction, or the dataset is of mixtures.

    Notes
    -----
    Of vectors of length 1 the Euclidean distance, which every analysis takes, is
    ``sqrt(2 - 2 cos)``: 0 of one direction, sqrt(2) of a right angle, 2 of opposite ones;
    its square is twice the cosine distance 1 - cos. The mean of a model's answers, which is
    shorter where these differ, is not scaled again.

    Examples
    --------
    >>> import lwdstats as lwd
    >>> ds = lwd.as_results([[[[3.0, 0.0]], [[0.0, 5.0]]]])  # one time, two models
    >>> lwd.dist(lwd.normalized(ds)).values.squeeze()
    array([[0.        , 1.41421356],
           [1.41421356, 0.        ]])
    """
    validate(ds)
    if "weight" in ds:
        raise InputError("ds", "a dataset of mixtures", "one of answers")
    check_choice("embedding", embedding, embeddings_of(ds))
    own = [embedding, f"post_{embedding}"] + ["initial_point"] * (embedding == "embedding")
    out = ds.copy()
    for name in own:
        if name in ds:
            out[name] = ds[name].copy(data=unit_vectors(ds[name].values, f"ds: {name}"))
            out[name].attrs = ds[name].attrs | {"normalized": "True"}
    return out


def unit_vectors(x: NDArray[Any], label: str, texts: Sequence[str] | None = None) -> NDArray[Any]:
    """Return vectors (..., d) scaled to length 1, as precise as they are; NaN stays.

    Raises
    ------
    InputError
        If one is 0; `label` names them, and the error quotes the first such of `texts`, (m,),
        where vectors are (m, d).
    """
    length = np.sqrt(np.einsum("...i,...i->...", x, x, dtype=np.float64))
    zero = length == 0
    if zero.any():
        place = np.argwhere(zero)[0]
        first = "at " + ", ".join(map(str, place)) if texts is None else f"of {texts[place[0]]!r}"
        raise InputError(
            label,
            f"{int(zero.sum())} of {zero.size} vectors of length 0 (first {first})",
            "vectors with a direction, to scale them to length 1",
        )
    # Scaled again, what has length 1 but for rounding would change in its last digits.
    done = np.abs(length - 1.0) <= 4.0 * np.finfo(x.dtype).eps
    return x / np.where(done, 1.0, length).astype(x.dtype)[..., None]
