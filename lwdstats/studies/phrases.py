"""Which phrases spread through a network, and who said them first."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr
from scipy import sparse

from lwdstats.arrays import FloatArray
from lwdstats.dataset.schema import initial_posts, named
from lwdstats.errors import check_integer
from lwdstats.geometry.lexical import texts_of, words
from lwdstats.results.pictures import drawing
from lwdstats.results.result import Result, aligned

# A phrase is grown by a word while this share of the answers that hold it go on so.
_GROWS = 0.9
# A phrase of whose answers this share hold one that is listed already tells nothing new.
_SAME = 0.8
_SHOWN = 72
_CELL = ("time", "model", "replicate", "query")


@dataclass(frozen=True, eq=False)
class Phrases(Result):
    """Phrases that spread, by `phrases`.

    Printed are shares of the answers at the first time and the last, and the largest one of
    a network at any time.

    Attributes
    ----------
    share : xarray.DataArray
        Share of a model's answers that hold the phrase, dimensions (phrase, time, model,
        replicate, query).
    first : pandas.DataFrame
        A row for each phrase, replicate and query in which it is said: `time` and `model`
        (several with semicolons between) of the first answers that hold it, and `initial_post`,
        the number of the post of the initial web that holds it, NaN where none does.
    n : int
        Words in the shortest phrase.
    """

    share: xr.DataArray
    first: pd.DataFrame
    n: int

    def lines(self) -> list[str]:
        """Return a line for each phrase: its share at first, most and last, and who began."""
        lines = [f"Phrases of {self.n} words or more that spread most", ""]
        mean, network = self._mean(), self.share.mean("model")
        rows = []
        for i, phrase in enumerate(mean["phrase"].to_numpy()):
            path = mean[i].to_numpy()
            shares = [path[0], float(network[i].max()), path[-1]]
            rows.append([f"{i + 1}.", *(f"{100 * s:.0f}%" for s in shares), f'"{_short(phrase)}"'])
        if not rows:
            return [*lines, "none is said twice"]
        lines += aligned(["", "first", "most", "last", "phrase"], rows, left=[4])
        several = [c for c in ("replicate", "query") if self.share.sizes[c] > 1]
        number = {row: f"{i + 1}." for i, row in enumerate(mean["phrase"].to_numpy())}
        begun = [
            [
                number[row["phrase"]],
                str(row["time"]),
                *(_short(str(row[c]), 30) for c in several),
                str(row["model"]),
                "" if np.isnan(row["initial_post"]) else f"initial post {row['initial_post']:.0f}",
            ]
            for row in self.first.to_dict("records")
        ]
        head = ["", "time", *several, "said first by", "stands in"]
        return [*lines, "", *aligned(head, begun, left=range(2, len(head)))]

    def tidy(self) -> pd.DataFrame:
        """Return a row for each phrase, time, model, replicate and query: the share."""
        return self.share.to_dataframe().reset_index()

    def glance(self) -> pd.DataFrame:
        """Return one row: how many phrases there are, and the largest share of one."""
        most = float(self._mean().max()) if self.share.size else np.nan
        return pd.DataFrame({"n_phrases": [self.share.sizes["phrase"]], "largest_share": [most]})

    def to_frame(self) -> pd.DataFrame:
        """Return who said each phrase first, by phrase."""
        return self.first.set_index("phrase")

    def _mean(self) -> xr.DataArray:
        """Return the mean share over models, replicates and queries, (phrase, time)."""
        return self.share.mean(_CELL[1:]).transpose("phrase", "time")

    def _caption(self) -> str:
        return "Who said each phrase first"

    def _draw(self, ax: drawing.Axes | None) -> drawing.Axes:
        ax = drawing.new_axes(ax)
        mean = self._mean()
        for i, phrase in enumerate(mean["phrase"].to_numpy()):
            # Words hold letters, digits and underscores: nothing that would be set as mathematics.
            ax.plot(mean["time"], mean[i], label=f"{i + 1}. {_short(phrase, 60)}")
        drawing.name_time(ax)
        ax.set_ylabel("share of answers")
        ax.set_ylim(0.0, None)
        if mean.size:
            ax.legend(
                frameon=False, fontsize="x-small", loc="upper left", bbox_to_anchor=(0, -0.15)
            )
        return ax


def phrases(ds: xr.Dataset, n: int = 5, *, top: int = 10) -> Phrases:
    """Find the phrases that take hold of a network: their share over time, and who began.

    Parameters
    ----------
    ds : xarray.Dataset
        A dataset with `text`; with the posts of the web, who read a phrase there is told.
    n : int
        Words in the shortest phrase. A phrase is longer where nine in ten of the answers
        that hold it go on in the same way.
    top : int
        Most phrases that are returned: those said by the largest share of a network's
        answers at one time, each model counting equally.

    Returns
    -------
    Phrases
        The shares, and who said each phrase first.

    Raises
    ------
    InputError
        If the dataset has no `text`, or an argument is not as above.

    Notes
    -----
    Words are those of `distinct_n`: case and punctuation do not count, and scripts without
    spaces are to be split into words first. Missing answers are left out of the shares.
    Where eight in ten answers that hold a phrase hold one listed above it, it is left out.

    The first to say a phrase need not be why others do: it may stand in a post that all of
    them read, and `initial_post` tells whether the web began with it.

    Examples
    --------
    >>> import lwdstats as lwd
    >>> import pandas as pd
    >>> say = ["Bitcoin will rise.", "Gold is safe.", "All will go well.", "Bitcoin will rise."]
    >>> logged = pd.DataFrame({"model": list("abab"), "time": [0, 0, 1, 1], "text": say})
    >>> logged["embedding"] = [[float(len(text))] for text in say]
    >>> print(lwd.phrases(lwd.as_results(logged), 3, top=1))
    Phrases of 3 words or more that spread most
    <BLANKLINE>
       first most last phrase
    1.   50%  50%  50% "bitcoin will rise"
    <BLANKLINE>
       time said first by stands in
    1.    0 a
    """
    text = texts_of(ds).transpose(*_CELL, "response")
    n, top = check_integer("n", n, minimum=1), check_integer("top", top, minimum=1)
    codes, said = pd.factorize(text.values.ravel())
    tokens = [words(t) for t in said]
    there = np.array([bool(t) for t in said], dtype=bool)
    cells = np.repeat(np.arange(text.size // text.sizes["response"]), text.sizes["response"])
    weight = _weights(codes, cells, there, (len(said), cells[-1] + 1 if len(cells) else 0))
    shape = tuple(text.sizes[dim] for dim in _CELL)
    # Cells of one time, replicate and query are one network.
    networks = _networks(shape)
    counts = np.bincount(codes[codes >= 0], minlength=len(said))
    found = _spread(tokens, n, top, weight @ networks, counts)
    share = np.array([_holds(tokens, phrase) @ weight for phrase in found])
    answered = np.asarray(weight.sum(axis=0)).ravel() > 0
    share = np.where(answered, share.reshape(len(found), weight.shape[1]), np.nan)
    names = [" ".join(phrase) for phrase in found]
    out = xr.DataArray(
        share.reshape(len(found), *shape),
        dims=("phrase", *_CELL),
        coords={"phrase": names} | {dim: text[dim] for dim in _CELL if dim in text.coords},
    )
    out = named(out, "share", "share of a model's answers that hold a phrase")
    return Phrases(out, _first(out, _initial_posts(ds, found)), n)


def _weights(
    codes: npt.NDArray[np.intp],
    cells: npt.NDArray[np.intp],
    there: npt.NDArray[np.bool_],
    shape: Any,
) -> sparse.csr_array:
    """Return the share that each distinct text has of the answers of a cell, (texts, cells)."""
    known = (codes >= 0) & there[codes]
    counts = np.bincount(cells[known], minlength=shape[1])
    share = 1.0 / np.maximum(counts, 1)[cells[known]]
    return sparse.csr_array((share, (codes[known], cells[known])), shape=shape)


def _networks(shape: tuple[int, ...]) -> sparse.csr_array:
    """Return what makes shares of models, (cells, networks), the mean share of their network."""
    times, models, replicates, queries = shape
    of = np.arange(times * models * replicates * queries).reshape(shape)
    network = np.arange(times * replicates * queries).reshape(times, 1, replicates, queries)
    network = np.broadcast_to(network, shape)
    share = np.full(of.size, 1.0 / models)
    return sparse.csr_array((share, (of.ravel(), network.ravel())))


def _spread(
    tokens: list[list[str]],
    n: int,
    top: int,
    weight: sparse.csr_array,
    counts: npt.NDArray[np.intp],
) -> list[tuple[str, ...]]:
    """Return the phrases with the largest share of a network.

    `weight`, (texts, networks), is what share of the answers a text is, `counts`, (texts,),
    how often it is said in all.
    """
    holders: dict[tuple[str, ...], list[int]] = {}
    for i, own in enumerate(tokens):
        for gram in dict.fromkeys(zip(*(own[j:] for j in range(n)), strict=False)):
            holders.setdefault(gram, []).append(i)
    if not holders:
        return []
    grams = list(holders)
    ends = np.cumsum([0, *(len(h) for h in holders.values())])
    texts = np.concatenate([np.asarray(h) for h in holders.values()])
    held = sparse.csr_array((np.ones(len(texts)), texts, ends), shape=(len(grams), len(tokens)))
    shares = held @ weight
    peak = shares.max(axis=1).toarray().ravel()
    found: list[tuple[str, ...]] = []
    covered = np.zeros(len(tokens), dtype=bool)
    for g in np.argsort(-peak, kind="stable"):
        rows = np.asarray(holders[grams[g]])
        # What only one answer ever says does not spread.
        if len(found) == top or peak[g] <= 0.0:
            break
        if counts[rows].sum() < 2:
            continue
        if counts[rows][covered[rows]].sum() >= _SAME * counts[rows].sum():
            continue
        phrase = _grown(grams[g], [tokens[i] for i in rows], counts[rows])
        found.append(phrase)
        covered[_holds(tokens, phrase) > 0] = True
    return found


def _grown(
    phrase: tuple[str, ...], texts: list[list[str]], counts: npt.NDArray[np.intp]
) -> tuple[str, ...]:
    """Return a phrase with the words that most of the answers that hold it put around it."""
    whole = int(counts.sum())
    places = [_place(own, phrase) for own in texts]
    for step in (1, -1):
        while True:
            following: Counter[str] = Counter()
            for own, place, count in zip(texts, places, counts.tolist(), strict=True):
                at = place + len(phrase) if step == 1 else place - 1
                if place >= 0 and 0 <= at < len(own):
                    following[own[at]] += count
            if not following or (best := following.most_common(1)[0])[1] < _GROWS * whole:
                break
            phrase = (*phrase, best[0]) if step == 1 else (best[0], *phrase)
            places = [_place(own, phrase) for own in texts]
    return phrase


def _place(own: list[str], phrase: tuple[str, ...]) -> int:
    """Return where a phrase begins in a text, -1 where it does not."""
    k = len(phrase)
    return next((i for i in range(len(own) - k + 1) if tuple(own[i : i + k]) == phrase), -1)


def _holds(tokens: list[list[str]], phrase: tuple[str, ...]) -> FloatArray:
    """Return 1 for the texts that hold a phrase, (texts,), otherwise 0."""
    joined = f" {' '.join(phrase)} "
    return np.array([joined in f" {' '.join(own)} " for own in tokens], dtype=np.float64)


def _initial_posts(ds: xr.Dataset, found: list[tuple[str, ...]]) -> dict[Any, list[float]]:
    """Return by replicate and query which post of the initial web holds each phrase, or NaN."""
    if "post_text" not in ds or "post_time" not in ds:
        return {}
    dims = ("replicate", "query", "post")
    texts = ds["post_text"].transpose(*dims).values
    initial = initial_posts(ds).transpose(*dims).values
    out = {}
    for r, q in np.ndindex(texts.shape[:2]):
        posts = [words(t) for t in texts[r, q][initial[r, q]]]
        held = (np.flatnonzero(_holds(posts, phrase)) for phrase in found)
        out[r, q] = [float(rows[0]) if rows.size else np.nan for rows in held]
    return out


def _first(share: xr.DataArray, initial: dict[Any, list[float]]) -> pd.DataFrame:
    """Return when and by whom each phrase was said first, in each replicate and query."""
    rows = []
    values = share.transpose("phrase", "replicate", "query", "time", "model").values
    models = [str(m) for m in share["model"].values]
    queries = share["query"].values if "query" in share.coords else np.arange(values.shape[2])
    for p, r, q in np.ndindex(values.shape[:3]):
        said = values[p, r, q] > 0
        if not said.any():
            continue
        t = int(np.argmax(said.any(axis=1)))
        rows.append(
            {
                "phrase": str(share["phrase"].values[p]),
                "replicate": share["replicate"].values[r],
                "query": queries[q],
                "time": share["time"].values[t],
                "model": "; ".join(np.array(models, dtype=object)[said[t]]),
                "initial_post": initial[r, q][p] if initial else np.nan,
            }
        )
    columns = ["phrase", "replicate", "query", "time", "model", "initial_post"]
    return pd.DataFrame(rows, columns=columns)


def _short(text: str, width: int = _SHOWN) -> str:
    return text if len(text) <= width else text[: width - 4] + " ..."
