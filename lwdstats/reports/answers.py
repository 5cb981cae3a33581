"""What only a run of language models has on its page: answers, prompts, readers, phrases."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from lwdstats.dataset.run_models import RunModels, run_models, system_prompts
from lwdstats.dataset.schema import ANSWER, CELL
from lwdstats.geometry.cmdscale import cmdscale
from lwdstats.geometry.lexical import words
from lwdstats.reports.section import Panel, Section, attempt
from lwdstats.reports.tables import Texts, frame, grid, labels_of, named_models, places
from lwdstats.simulate.models.protocol import Prompt
from lwdstats.studies.phrases import Phrases, phrases

_WEB = ("replicate", "query", "post")
# Numbers of counts by time, reader and author, beyond which they are of all times together.
_COUNTS = 300_000
# So many models of the run that are not shown have a name each as authors of posts.
_ABSENT = 20
# A mark that stands for posts in a prompt, of which the page keeps what is around them.
_MARK = "\x00"


@dataclass(frozen=True, eq=False)
class _Sources:
    """Where posts come from.

    Attributes
    ----------
    codes : (R, Q, P) of int
        The number of the source of each post; the first numbers are those of the models shown.
    names : list of str
        What the sources are called.
    some_unknown : bool
        Whether there are posts of models of which it is not known which wrote them.
    """

    codes: npt.NDArray[np.intp]
    names: list[str]
    some_unknown: bool


def add_answers(section: Section, ds: xr.Dataset, whole: xr.Dataset) -> None:
    """Add the answers of a run, what they came from and what came of them, to its section.

    `ds` is what the page shows of `whole`, its first models, replicates, queries and answers, and
    some times. Counts and shares are of all answers and times.
    """
    if "query" not in ds.dims:
        ds = ds.assign({name: ds[name].expand_dims(query=1, axis=3) for name in ("embedding",)})
        section.data["queries"] = [0]
    texts = Texts()
    has_web = "post_text" in ds and "post_time" in ds
    web = _sources(ds, run_models(whole)) if has_web else None
    _add_plane(section, ds, texts)
    _add_posts(section, ds, whole, web, texts)
    _add_reading(section, ds, whole, web)
    _add_web(section, ds, web)
    _add_phrases(section, ds, whole, texts)
    section.data["texts"] = texts.all()


def _add_plane(section: Section, ds: xr.Dataset, texts: Texts) -> None:
    """Add a point for each answer in the plane of classical scaling, with its text."""
    embedding = ds["embedding"].transpose(*ANSWER, ...)
    flat = embedding.values.reshape(-1, embedding.shape[-1])
    there: npt.NDArray[np.bool_] = np.asarray(np.isfinite(flat).all(axis=1))
    plane, why, about = np.full((len(flat), 2), np.nan), None, ""
    if there.sum() < 2:
        why = "Fewer than two answers have vectors."
    else:
        k = min(2, int(there.sum()) - 1, flat.shape[1])
        fit, why, _ = attempt(lambda: cmdscale(points=flat[there].astype(float), k=k))
        if fit is not None:
            plane[there] = 0.0
            plane[there, : fit.points.shape[1]] = fit.points
            about = f" The plane holds {fit.gof[1]:.0%} of the variation."
    table: dict[str, Any] = {
        "dims": [
            [dim, section.data["models"] if dim == "model" else labels_of(embedding, dim)]
            for dim in ANSWER
        ],
        "columns": places(plane),
    }
    if "text" in ds:
        table["columns"]["text"] = texts.codes(ds["text"].transpose(*ANSWER).values)
    else:
        section.notes.append("The file holds no texts, so that points are shown without them.")
    if "text_raw" in ds:
        # Few answers were cut, so that those which were are listed.
        raw = ds["text_raw"].transpose(*ANSWER).values.ravel()
        rows = np.flatnonzero(raw.astype(str) != "")
        section.data["raw"] = {"rows": rows.tolist()} | texts.codes(raw[rows])
    section.data["tables"]["answers"] = table
    said = (
        "Every answer at the chosen time is a point, by classical multidimensional scaling of all "
        "answers of the run: near points say nearly the same to the embedder. Larger points are "
        "answers that were given several times. Point at one to read it; click one, or choose it "
        f"in the list, to see the prompt that it came from.{about}"
    )
    title = "Answers in a plane, over time"
    section.panels.append(
        Panel("answers", title, said, why, {"kind": "answers", "table": "answers", "wide": True})
    )


def _add_posts(
    section: Section, ds: xr.Dataset, whole: xr.Dataset, web: _Sources | None, texts: Texts
) -> None:
    """Add the web and what each prompt held, so that the page can show any prompt."""
    data = section.data
    systems, why, _ = attempt(lambda: system_prompts(whole))
    if systems is None:
        section.notes.append(f"Prompts are shown without their system prompts: {why}")
    data["systems"] = [(systems or {}).get(i) for i in range(ds.sizes["model"])]
    around = Prompt((_MARK, _MARK), _MARK).user.split(_MARK)
    data["prompt"] = {"before": around[0], "between": around[1], "after": around[2]}
    if web is None:
        data["why_no_prompt"] = "The file does not hold the posts of the web."
        return
    shape = tuple(ds.sizes[dim] for dim in _WEB)
    at = dict(zip(_WEB, np.indices(shape).reshape(3, -1).tolist(), strict=True))
    codes = web.codes.ravel()
    columns: dict[str, Any] = at | {"text": texts.codes(ds["post_text"].transpose(*_WEB).values)}
    columns["time"] = ds["post_time"].transpose(*_WEB).values.ravel().tolist()
    if "post_response" in ds:
        # The run counts its answers, of which this may be a selection, by their labels.
        place = {label: i for i, label in enumerate(labels_of(ds, "response"))}
        made = ds["post_response"].transpose(*_WEB).values.ravel().tolist()
        columns["response"] = [place.get(response, -1) for response in made]
    columns["source"] = {"levels": web.names, "codes": codes.tolist()}
    columns["author"] = np.where(codes < ds.sizes["model"], codes, -1).tolist()
    data["tables"]["posts"] = {"dims": [], "columns": columns}
    if "retrieved" not in ds:
        data["why_no_prompt"] = "Which posts each prompt held is not kept here."
        return
    rows = ds["retrieved"].transpose(*CELL, "draw").values
    rows = rows.reshape(-1, rows.shape[-1]).astype(int)
    data["retrieved"] = [row[row >= 0].tolist() for row in rows]


def _sources(ds: xr.Dataset, known: RunModels | None) -> _Sources:
    """Return where each post comes from: a model that is shown, another one, or no model."""
    models = named_models(ds)
    time = ds["post_time"].transpose(*_WEB).values
    sources = [*models, "initial web"]
    out = np.full(time.shape, len(models))
    unknown = time >= 0
    if "post_model" in ds:
        author = ds["post_model"].transpose(*_WEB).values.astype(int)
        unknown &= author >= 0
        if known is not None:
            codes, others = _codes(known, len(models), len(sources))
            told = unknown & (author < len(codes))
            out[told] = codes[author[told]]
            sources += others
            unknown &= ~told
    if "post_kind" in ds:
        kind = ds["post_kind"].transpose(*_WEB).values
        meanings = str(ds["post_kind"].attrs.get("flag_meanings", "")).split()
        values = np.atleast_1d(ds["post_kind"].attrs.get("flag_values", []))
        names = {"real": "fresh real posts", "noise": "noise", "anchor": "models' own sources"}
        for value, meaning in zip(values, meanings, strict=False):
            if meaning in names and bool(
                (later := (kind == value) & ((time >= 0) | (meaning != "real"))).any()
            ):
                out = np.where(later, len(sources), out)
                unknown &= ~later
                sources.append(names[meaning])
    if unknown.any():
        out = np.where(unknown, len(sources), out)
        sources.append("models, not known which")
    return _Sources(out, sources, bool(unknown.any()))


def _codes(known: RunModels, n: int, begin: int) -> tuple[npt.NDArray[np.intp], list[str]]:
    """Return the number of each model of the run as a source, and the names of further sources.

    The first `n` models of the dataset are shown and have their places; those that are not have
    names of their own from number `begin` on, or one for all where they are many.
    """
    codes = np.where(known.place < n, known.place, -1)
    absent = np.flatnonzero(codes < 0)
    if len(absent) > _ABSENT:
        codes[absent] = begin
        return codes, ["models not shown"]
    codes[absent] = begin + np.arange(len(absent))
    return codes, [f"{known.labels[i]} (not shown)" for i in absent]


def _add_reading(section: Section, ds: xr.Dataset, whole: xr.Dataset, web: _Sources | None) -> None:
    """Add how many posts of whom each model read, at all times of the run."""
    about = (
        "Of the posts that a model (a row) read up to the chosen time, the share that each "
        "source wrote (a column); a stronger shade is more."
    )
    panel = Panel("reading", "Who read whom", about, draws={"kind": "reading", "table": "reading"})
    section.panels.append(panel)
    if "retrieved" not in whole or web is None:
        panel.why = "Which posts each model read is not kept here."
        return
    rows = whole["retrieved"].transpose(*CELL, "draw").values
    _, n, n_replicates, n_queries = (ds.sizes[dim] for dim in CELL)
    rows = rows[:, :n, :n_replicates, :n_queries]
    # What was read since the last time that is shown counts at the next one.
    step = np.searchsorted(ds["time"].values, whole["time"].values)
    labels: dict[str, Any] = {"time": labels_of(ds, "time"), "reader": section.data["models"]}
    labels |= {"source": web.names}
    labels |= {dim: labels_of(ds, dim) for dim in ("replicate", "query")}
    together = np.prod([len(of) for of in labels.values()]) > _COUNTS
    if together:
        step, labels["time"] = np.zeros_like(step), ["all"]
        panel.about = panel.about.replace(" up to the chosen time", "")
    counts = np.zeros([len(of) for of in labels.values()], dtype=int)
    for now, at in zip(rows, step.tolist(), strict=True):
        i, r, q, draw = np.nonzero(now >= 0)
        np.add.at(counts[at], (i, web.codes[r, q, now[i, r, q, draw].astype(int)], r, q), 1)
    if not counts.any():
        panel.why = "No model read anything."
        return
    if _lacks_times(whole):
        panel.about += (
            " The dataset does not hold all times of the run: only what was read at those that "
            "it holds is summed."
        )
    if web.some_unknown:
        panel.about += " Which model of the run wrote a post is not known here."
    if together:
        counts = counts[0]
        del labels["time"]
    section.data["tables"]["reading"] = {
        "dims": [[dim, of] for dim, of in labels.items()],
        "columns": {"posts": counts.ravel().tolist()},
    }


def _lacks_times(ds: xr.Dataset) -> bool:
    """Return whether posts were made at times of which the dataset has no answers."""
    if "post_time" not in ds:
        return False
    times, made = ds["time"].values, ds["post_time"].values
    return not np.isin(made[(made >= 0) & (made <= times[-1])], times).all()


def _add_phrases(section: Section, ds: xr.Dataset, whole: xr.Dataset, texts: Texts) -> None:
    """Add which phrases spread in the whole run, and which of the answers shown hold them."""
    about = (
        "Share of all answers that hold a phrase of five words or more, models weighted equally; "
        "case and punctuation do not count. Choose one to mark the answers that hold it."
    )
    # Networks by themselves: those that are not shown have nothing to do with those that are.
    shown = {dim: slice(ds.sizes[dim]) for dim in ("replicate", "query") if dim in whole.dims}
    spread, why, _ = attempt(lambda: phrases(whole.isel(shown), top=8))
    if _lacks_times(whole):
        about += (
            " The dataset does not hold all times of the run: a phrase may have been said before "
            "the time that is given as its first."
        )
    panel = Panel("phrases", "Which phrases spread", about, why)
    section.panels.append(panel)
    if spread is None:
        return
    if not spread.share.sizes["phrase"]:
        panel.why = "No phrase of five words is said twice."
        return
    dims = ("phrase", "time", "replicate", "query")
    tables = section.data["tables"]
    tables["phrases"] = grid(dims, {"share": spread.share.mean("model")})
    tables["first"] = frame(_first(spread))
    said = texts.all()
    tokens = [f" {' '.join(words(text))} " for text in said]
    section.data["holders"] = [
        [i for i, own in enumerate(tokens) if f" {phrase} " in own]
        for phrase in spread.share["phrase"].values.tolist()
    ]
    panel.draws = {
        "kind": "phrases", "table": "phrases", "y": "share of answers", "percent": True,
        "lines": [{"column": "share", "split": "phrase"}], "zero": True, "wide": True,
    }  # fmt: skip


def _first(spread: Phrases) -> pd.DataFrame:
    first = spread.first.copy()
    first["replicate"] = first["replicate"].astype(str)
    first["query"] = first["query"].astype(str)
    return first


def _add_web(section: Section, ds: xr.Dataset, web: _Sources | None) -> None:
    """Add how many posts of each source are on the web."""
    about = "Posts that are on the web before each step, by who wrote them."
    panel = Panel("web", "What the web is made of", about)
    section.panels.append(panel)
    if web is None:
        panel.why = "The file does not hold the posts of the web."
        return
    if web.some_unknown:
        panel.about += " Which model of the run wrote a post is not known here."
    kind, sources = web.codes, web.names
    made = ds["post_time"].transpose(*_WEB).values
    left = ds["post_left"].transpose(*_WEB).values if "post_left" in ds else np.full(made.shape, -1)
    times = ds["time"].values
    counts = np.zeros((len(sources), *made.shape[:2], len(times)), dtype=int)
    for j, time in enumerate(times):
        there = (made < time) & ((left < 0) | (left > time))
        for s in range(len(sources)):
            counts[s, ..., j] = (there & (kind == s)).sum(axis=-1)
    labels = {dim: labels_of(ds, dim) for dim in ("replicate", "query", "time")}
    section.data["tables"]["web"] = {
        "dims": [["source", sources], *([dim, labels[dim]] for dim in labels)],
        "columns": {"posts": counts.ravel().tolist()},
    }
    panel.draws = {
        "kind": "lines", "table": "web", "y": "posts on the web", "stack": True,
        "lines": [{"column": "posts", "split": "source"}], "zero": True,
    }  # fmt: skip
