"""What answers say word by word, and which way the posts lean that models read."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import overload

import numpy as np
import xarray as xr

from lwdstats.dataset.schema import named, validate
from lwdstats.errors import InputError, check_integer

# Letters, digits and underscores of any script; an apostrophe inside belongs to the word.
_WORD = re.compile(r"\w+(?:['’]\w+)*")
UNLABELLED = "unlabelled"


def words(text: str) -> list[str]:
    """Return the words of a text, case-folded, without punctuation."""
    return _WORD.findall(text.casefold())


@overload
def distinct_n(x: xr.Dataset, n: int = ...) -> xr.DataArray: ...
@overload
def distinct_n(x: Iterable[str], n: int = ...) -> float: ...
def distinct_n(x: xr.Dataset | Iterable[str], n: int = 2) -> xr.DataArray | float:
    """Return the share of distinct n-grams among all n-grams of a set of texts.

    Parameters
    ----------
    x : xarray.Dataset or iterable of str
        A dataset with `text`, or texts.
    n : int
        Words in an n-gram: 1 for single words.

    Returns
    -------
    xarray.DataArray or float
        In (0, 1]; 1 where no n-gram occurs twice. From a dataset: over the answers
        of each model and time, dimensions (time, model, replicate, query). NaN
        where no text has n words.

    Raises
    ------
    InputError
        If the dataset has no `text`, `x` is a single string, or n is below 1.

    Notes
    -----
    N-grams are counted over all the texts together and do not run from one text
    into the next, so that the value falls when answers repeat each other
    as well as when one repeats itself.

    A word is a run of letters, digits and underscores of any script
    (case-folded, apostrophes inside kept); punctuation is left out. Scripts without spaces
    between words give long words, and values near 1: split such texts
    into words first.

    The value falls as texts grow, since frequent n-grams recur: 40 answers have a
    lower one than 20 of the same kind, and longer answers a lower one than
    shorter. Compare sets of equal size, and look at lengths before reading a
    change over time as a loss of variety.

    References
    ----------
    Li, J., Galley, M., Brockett, C., Gao, J. and Dolan, B. (2016), A
    diversity-promoting objective function for neural conversation models,
    NAACL-HLT.

    Examples
    --------
    >>> from lwdstats.geometry.lexical import distinct_n
    >>> distinct_n(["Bitcoin will rise.", "Bitcoin will fall."])
    0.75
    >>> distinct_n(["Bitcoin will rise.", "bitcoin will rise!"], n=1)
    0.5
    """
    n = check_integer("n", n, minimum=1)
    if not isinstance(x, xr.Dataset):
        if isinstance(x, str):
            raise InputError("x", x, "several texts, in a list")
        try:
            texts = list(x)
        except TypeError:
            raise InputError("x", f"a {type(x).__name__}", "several texts, in a list") from None
        for place, text in enumerate(texts):
            if not isinstance(text, str):
                raise InputError("x", f"{text!r} at {place}", "texts")
        return distinct_share(texts, n)
    texts = texts_of(x)
    out = xr.apply_ufunc(
        lambda row: distinct_share(row.tolist(), n),
        texts,
        input_core_dims=[["response"]],
        vectorize=True,
    )
    return named(out, "distinct_n", f"share of distinct {n}-grams among a model's answers")


def distinct_share(texts: Sequence[str], n: int) -> float:
    """Return the number of different n-grams in texts over the number of all, NaN for none."""
    count, seen = 0, set()
    for text in texts:
        tokens = words(text)
        if len(tokens) < n:
            continue
        grams = list(zip(*(tokens[i:] for i in range(n)), strict=False))
        count += len(grams)
        seen.update(grams)
    return len(seen) / count if count else float("nan")


def sentiment_share(
    ds: xr.Dataset,
    classify: Callable[[list[str]], Sequence[str]] | None = None,
    *,
    labelled_only: bool = False,
) -> xr.DataArray:
    """Return the shares of sentiments in what each model reads, or in what it answers.

    Parameters
    ----------
    ds : xarray.Dataset
        A dataset of language models.
    classify : callable, optional
        From a list of m texts to m labels. With it the answers are labelled,
        as no dataset labels them itself; without it the shares are of the
        posts that a model retrieved, by the labels that A^(0) came with.
    labelled_only : bool
        Shares among the posts with a label only, so that they show which way the
        initial posts lean that were drawn; otherwise among all, and those without
        a label, which are above all the answers of models, are the last
        sentiment, "unlabelled".

    Returns
    -------
    xarray.DataArray
        Dimensions (time, model, replicate, query, sentiment); sums to 1 over
        sentiment. NaN where nothing was read (or nothing with a label).
        Sentiments in order of first occurrence in A^(0), or in alphabetical order.

    Raises
    ------
    InputError
        If the dataset lacks `post_sentiment` or `retrieved`, no post has a
        label, or `classify` does not return a label for each text.

    Notes
    -----
    Posts that models made carry no label, whatever they answer to. As the web fills
    with them, "unlabelled" grows; it is `synthetic_share` where every initial
    post has a label. Each answer counts once, and each text is classified once.

    Examples
    --------
    >>> import lwdstats as lwd
    >>> from lwdstats.geometry.lexical import sentiment_share
    >>> ds = lwd.read_results("data/bitcoin_network.nc")                 # doctest: +SKIP
    >>> sentiment_share(ds).sel(time=0).mean(["model", "replicate", "query"])  # doctest: +SKIP
    """
    validate(ds)
    if classify is not None:
        shares = _of_answers(ds, classify)
        return named(shares, "sentiment_share", "share of a sentiment among a model's answers")
    shares = _of_reading(ds, labelled_only)
    of = "labelled posts" if labelled_only else "posts"
    long_name = f"share of a sentiment among the {of} that a model reads"
    return named(shares, "sentiment_share", long_name)


def _of_reading(ds: xr.Dataset, labelled_only: bool) -> xr.DataArray:
    missing = [name for name in ("post_sentiment", "retrieved") if name not in ds]
    if missing:
        takes = "posts with labels and who read them, or classify to label answers"
        raise InputError("ds", f"no {', '.join(missing)}", takes)
    sentiment = ds["post_sentiment"]
    labels = [str(v) for v in dict.fromkeys(sentiment.values.ravel().tolist()) if v]
    if not labels:
        raise InputError("ds", "posts without labels", "posts with labels, or classify")
    code_of = {label: i for i, label in enumerate(labels)}
    flat = [code_of.get(label, len(labels)) for label in sentiment.values.ravel().tolist()]
    codes = sentiment.copy(data=np.reshape(flat, sentiment.shape))
    counts = xr.apply_ufunc(
        lambda rows, code: read_counts(rows, code, len(labels) + 1),
        ds["retrieved"].astype(np.int64),
        codes,
        input_core_dims=[["draw"], ["post"]],
        output_core_dims=[["sentiment"]],
    ).assign_coords(sentiment=[*labels, UNLABELLED])
    counts = counts.transpose("time", "model", "replicate", "query", "sentiment")
    if labelled_only:
        counts = counts.isel(sentiment=slice(len(labels)))
    total = counts.sum("sentiment")
    return counts / total.where(total > 0)


def read_counts(rows: np.ndarray, codes: np.ndarray, n_codes: int) -> np.ndarray:
    """Return how often each code was read, (..., n_codes).

    `rows` (..., draw) are places in `codes`, -1 where nothing was drawn; `codes`
    is (..., post), and its leading dimensions broadcast against those of `rows`.
    """
    lead = np.broadcast_shapes(rows.shape[:-1], codes.shape[:-1])
    codes = np.broadcast_to(codes, (*lead, codes.shape[-1]))
    rows = np.broadcast_to(rows, (*lead, rows.shape[-1]))
    read = np.take_along_axis(codes, np.maximum(rows, 0), axis=-1)
    read = np.where(rows >= 0, read, -1)
    return np.stack([(read == code).sum(axis=-1) for code in range(n_codes)], axis=-1)


def _of_answers(ds: xr.Dataset, classify: Callable[[list[str]], Sequence[str]]) -> xr.DataArray:
    texts = texts_of(ds)
    if not callable(classify):
        raise InputError("classify", classify, "a callable from texts to labels")
    unique = list(dict.fromkeys(texts.values.ravel().tolist()))
    given = list(classify(unique))
    if len(given) != len(unique) or not all(isinstance(label, str) and label for label in given):
        raise InputError(
            "classify", f"{len(given)} results for {len(unique)} texts", "a label each"
        )
    label_of = dict(zip(unique, given, strict=True))
    labels = sorted(set(given))
    found = [label_of[text] for text in texts.values.ravel()]
    sentiment = texts.copy(data=np.array(found, dtype=object).reshape(texts.shape))
    shares = [(sentiment == label).mean("response") for label in labels]
    out = xr.concat(shares, "sentiment")
    return out.assign_coords(sentiment=labels).transpose(..., "sentiment")


def texts_of(ds: xr.Dataset) -> xr.DataArray:
    """Return the texts of a dataset, or raise where it has none."""
    validate(ds)
    if "text" not in ds:
        raise InputError("ds", "no variable text", "a dataset with texts")
    return ds["text"]
