"""Does a finding hang on the embedder of the answers?"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from lwdstats.arrays import FloatArray
from lwdstats.dataset.embeddings.choose_embedding import by_embedding, embedder_of
from lwdstats.dataset.schema import embeddings_of, validate
from lwdstats.errors import InputError, check_integer, check_level, is_number
from lwdstats.geometry.cmdscale import scale_distances
from lwdstats.geometry.distance import dist
from lwdstats.inference.permutation.mantel import mantel
from lwdstats.inference.permutation.protest import protest
from lwdstats.results.pictures import drawing
from lwdstats.results.printing import format_numbers, format_p
from lwdstats.results.result import Result, aligned, one_row
from lwdstats.streams import resolve_seed

# Models that have more than one pattern of distances.
_LEAST_MODELS = 3
# Coordinates of the models whose configurations are compared, as in a picture.
_PLANE = 2
_WIDTH = 88


@dataclass(frozen=True, eq=False)
class RobustToEmbedder(Result):
    """The same finding by each embedding, by `robust_to_embedder`.

    Attributes
    ----------
    table : pandas.DataFrame
        One row an embedding: `embedder`, and what the function gave.
    agreement : pandas.DataFrame
        One row a pair of embeddings, `first` and `second`: Mantel's `mantel_r` of the
        distances between models and its `mantel_p`; the correlation `procrustes` of
        configurations and its `protest_p`. NaN where models do not differ; no rows
        for fewer than three models.
    time : int
        When distances between models were compared.
    replicates : int
        Over how many replicates they were pooled.
    n_models : int
        How many models there are.
    level : float
        At which p is judged.
    seed : int
        What repeats the permutations.
    """

    table: pd.DataFrame
    agreement: pd.DataFrame
    time: int
    replicates: int
    n_models: int
    level: float
    seed: int

    def lines(self) -> list[str]:
        """Return what was found by each embedding, and how far these agree."""
        table = self.table
        lines = [f"A finding by {len(table)} embeddings of the same answers", ""]
        columns = [str(name) for name in table if name != "embedder"]
        for name in columns:
            lines += textwrap.wrap(self._said(name), _WIDTH)
        cells = {name: format_numbers(table[name], 4) for name in columns if name != "p_value"}
        if "p_value" in table:
            cells["p_value"] = format_p(table["p_value"], 3)
        shown = [cells[name] for name in columns]
        named = zip(table.index, table["embedder"], *shown, strict=True)
        rows = [[str(cell) for cell in row] for row in named]
        lines += ["", *aligned(["", "embedder", *columns], rows, left=[0, 1]), ""]
        return lines + [line for said in self._agreed() for line in textwrap.wrap(said, _WIDTH)]

    def _said(self, name: str) -> str:
        """Return a sentence about what the function gave by this name."""
        values, rows = self.table[name].to_numpy(), self.table.index
        if name != "p_value":
            low, high = rows[np.argmin(values)], rows[np.argmax(values)]
            few, most = _number(values.min()), _number(values.max())
            if few == most:
                return f"{name} is {few} by all of them."
            return f"{name} goes from {few} (by {low}) to {most} (by {high})."
        small = values <= self.level
        if small.all():
            largest = format_p([values.max()], 3)[0]
            return f"p is at most {self.level:g} by all of them (the largest {largest})."
        if not small.any():
            smallest = format_p([values.min()], 3)[0]
            return f"p is above {self.level:g} by all of them (the smallest {smallest})."
        one, other = (" and ".join(map(str, rows[which])) for which in (small, ~small))
        return (
            f"p is at most {self.level:g} by {one}, but not by {other}: "
            "whether it counts as found depends on the embedder."
        )

    def _agreed(self) -> list[str]:
        """Return sentences about how far distances between models agree."""
        if self.n_models < _LEAST_MODELS:
            return [
                f"With {self.n_models} model{'s' * (self.n_models != 1)} there is no pattern of "
                "distances in which embeddings could agree."
            ]
        over = f", over {self.replicates} replicates" if self.replicates > 1 else ""
        said = [f"Distances between the {self.n_models} models at time {self.time}{over}:"]
        for row in self.agreement.to_dict("records"):
            pair = f"{row['first']} and {row['second']}"
            if np.isnan(row["mantel_r"]):
                said.append(f"By {pair} they can't be compared, as they are all equal by one.")
                continue
            p, q = (format_p([row[name]], 3)[0] for name in ("mantel_p", "protest_p"))
            said.append(
                f"By {pair} they correlate at {row['mantel_r']:.3f} (Mantel, p = {p}), and the "
                f"models' places in the plane at {row['procrustes']:.3f} (Procrustes, p = {q})."
            )
        return said

    def tidy(self) -> pd.DataFrame:
        """Return a row for each embedding."""
        return self.table.reset_index()

    def glance(self) -> pd.DataFrame:
        """Return one row: how many embeddings, and the least agreement of two."""
        row: dict[str, Any] = {"n_embeddings": len(self.table), "n_models": self.n_models}
        if "p_value" in self.table:
            row["p_largest"] = self.table["p_value"].max()
        lowest = self.agreement[["mantel_r", "procrustes"]].min()
        return one_row(row | {"mantel_r": lowest["mantel_r"], "procrustes": lowest["procrustes"]})

    def _caption(self) -> str:
        return "The same finding by each embedding"

    def _draw(self, ax: drawing.Axes | None) -> drawing.Axes:
        name = next(str(column) for column in self.table if column != "embedder")
        frame = pd.DataFrame({"term": self.table.index, "estimate": self.table[name].to_numpy()})
        ax = drawing.estimates(frame, "term", ax)
        ax.set_xlabel(name)
        return ax


def robust_to_embedder(
    ds: xr.Dataset,
    f: Callable[[xr.Dataset], Any],
    embeddings: Sequence[str] | None = None,
    *,
    time: int | None = None,
    replicate: Any = None,
    permutations: int = 999,
    level: float = 0.05,
    seed: int | str | None = None,
) -> RobustToEmbedder:
    """Say whether a finding hangs on the embedder of the answers, and how far embedders agree.

    Parameters
    ----------
    ds : xarray.Dataset
        A dataset with several embeddings, as `add_embedding` makes it.
    f : callable
        From a dataset, whose `embedding` is one of them, to a number, a dict of
        numbers, or a test with `statistic` and `p_value`.
    embeddings : sequence of str, optional
        Which, two or more; by default all.
    time : int, optional
        When distances between models are compared; by default at the last time.
    replicate : int or str, optional
        In which replicate; by default over all, by root mean squares.
    permutations : int
        Number of permutations of models.
    level : float
        At which p is judged in the sentences.
    seed : int or str, optional
        Seed of the permutations; drawn and kept in the result when None.

    Returns
    -------
    RobustToEmbedder
        A row for each embedding; and for each pair `mantel` of the distances between
        models, and `protest` of their places in the plane of classical scaling.

    Raises
    ------
    InputError
        If there is a single embedding, an argument is not as above, or `f` gives
        something else, or other names by another embedding.

    Notes
    -----
    Embedders differ in what they take for near, so distances of one are not in the units of
    another: compare what has no unit, such as p, R2 or a correlation. That all embeddings
    give p below `level` is no test of its own; and p on both sides of it does not show that
    embedders differ: see the statistics. p of `mantel` and `protest` says that two embedders
    agree more than by chance, and with few models can't be small: that of 3 is at least 1/6.

    References
    ----------
    Mantel, N. (1967), Cancer Research 27, 209-220.
    Jackson, D. A. (1995), PROTEST, Ecoscience 2, 297-303.

    Examples
    --------
    >>> import lwdstats as lwd
    >>> texts = [["up", "up we go"], ["down", "down it goes"], ["no", "not at all"]]
    >>> ds = lwd.as_results([texts], embedder=lambda some: [[len(t), 1] for t in some])
    >>> ds = lwd.add_embedding(ds, lambda some: [[t.count("o"), len(t)] for t in some])
    >>> found = lwd.robust_to_embedder(ds, lambda one: float(lwd.fnorm(one)[0, 0]), seed=1)
    >>> print(found)
    A finding by 2 embeddings of the same answers
    <BLANKLINE>
    value goes from 5.292 (by embedding) to 5.568 (by embedding_2).
    <BLANKLINE>
                embedder value
    embedding   <lambda> 5.292
    embedding_2 <lambda> 5.568
    <BLANKLINE>
    Distances between the 3 models at time 0:
    By embedding and embedding_2 they correlate at 0.999 (Mantel, p = 0.167), and the
    models' places in the plane at 0.998 (Procrustes, p = 0.167).
    """
    validate(ds)
    if not callable(f):
        raise InputError("f", type(f).__name__, "a function of a dataset")
    names = _checked(ds, embeddings)
    check_level(level)
    B = check_integer("permutations", permutations, minimum=1)
    root = resolve_seed(seed)
    part = _part(ds, "time", ds["time"].values[-1] if time is None else time)
    if replicate is not None:
        part = _part(part, "replicate", replicate)
    rows = {}
    for name in names:
        numbers = _numbers(f(by_embedding(ds, name, "ds")), name)
        if rows and list(next(iter(rows.values()))) != ["embedder", *numbers]:
            got = f"{', '.join(numbers)} by {name}, and other names before"
            raise InputError("f", got, "the same names by every embedding")
        rows[name] = {"embedder": embedder_of(ds, name), **numbers}
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("embedding")
    n = ds.sizes["model"]
    pairs = []
    if n >= _LEAST_MODELS:
        apart = {name: _pooled(part, name) for name in names}
        pairs = [
            {"first": one, "second": other} | _agreement(apart[one], apart[other], B, root)
            for one, other in combinations(names, 2)
        ]
    columns = ["first", "second", "mantel_r", "mantel_p", "procrustes", "protest_p"]
    agreement = pd.DataFrame(pairs, columns=columns)
    when, many = part["time"].values[0].item(), part.sizes["replicate"]
    return RobustToEmbedder(table, agreement, when, many, n, float(level), root)


def _checked(ds: xr.Dataset, embeddings: Sequence[str] | None) -> list[str]:
    """Return the names of embeddings to compare."""
    known = embeddings_of(ds)
    takes = f"two or more of {', '.join(map(repr, known))}; add_embedding adds one"
    if embeddings is None:
        if len(known) < 2:
            got = f"a dataset with {', '.join(known) or 'no embedding'} alone"
            raise InputError("ds", got, "one with several embeddings, as add_embedding makes it")
        return known
    if isinstance(embeddings, str) or not isinstance(embeddings, Sequence):
        raise InputError("embeddings", repr(embeddings), takes)
    names = list(embeddings)
    if any(not isinstance(name, str) or name not in known for name in names):
        raise InputError("embeddings", repr(names), takes)
    if len(names) < 2 or len(set(names)) < len(names):
        raise InputError("embeddings", repr(names), f"{takes}, each once")
    return names


def _part(ds: xr.Dataset, dim: str, label: Any) -> xr.Dataset:
    """Return a dataset at one label, the dimension kept."""
    known = ds.get_index(dim).tolist()
    if not isinstance(label, str | int | np.integer) or label not in known:
        shown = ", ".join(map(repr, known[:5])) + (", ..." if len(known) > 5 else "")
        raise InputError(dim, repr(label), f"one of {shown}")
    return ds.isel({dim: [known.index(label)]})


def _numbers(found: Any, name: str) -> dict[str, float]:
    """Return what the function gave, as numbers by name."""
    if isinstance(found, np.ndarray | xr.DataArray) and found.size == 1:
        found = found.item()
    if is_number(found):
        return {"value": float(found)}
    if isinstance(found, Mapping):
        numbers = dict(found)
    else:
        parts = ("statistic", "p_value")
        numbers = {part: getattr(found, part) for part in parts if hasattr(found, part)}
    if not numbers or not all(
        isinstance(key, str) and key != "embedder" and is_number(value)
        for key, value in numbers.items()
    ):
        takes = "a function that gives a number, a dict of numbers, or statistic and p_value"
        raise InputError("f", f"one that gives a {type(found).__name__} by {name}", takes)
    return {key: float(value) for key, value in numbers.items()}


def _pooled(part: xr.Dataset, embedding: str) -> FloatArray:
    """Return distances (n, n) between models, root mean squares over replicates."""
    d = dist(part, embedding=embedding).isel(time=0)
    return np.sqrt((d**2).mean("replicate").transpose("model", "model_").values)


def _agreement(one: FloatArray, other: FloatArray, B: int, seed: int) -> dict[str, float]:
    """Return how far distances (n, n) by two embedders agree."""
    above = np.triu_indices(len(one), 1)
    if np.ptp(one[above]) == 0 or np.ptp(other[above]) == 0:
        return dict.fromkeys(("mantel_r", "mantel_p", "procrustes", "protest_p"), np.nan)
    r = mantel(one, other, permutations=B, seed=seed)
    x, y = (scale_distances(d, _PLANE)[0] for d in (one, other))
    turned = protest(x, y, permutations=B, seed=seed)
    return {
        "mantel_r": r.statistic,
        "mantel_p": r.p_value,
        "procrustes": turned.statistic,
        "protest_p": turned.p_value,
    }


def _number(value: Any) -> str:
    return format_numbers([value], 4)[0]
