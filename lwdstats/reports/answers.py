"""What only a run of language models has on its page: answers, prompts, readers, phrases."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from lwdstats.dataset.schema import ANSWER, CELL, spec_of
from lwdstats.geometry.cmdscale import cmdscale
from lwdstats.geometry.lexical import words
from lwdstats.reports.section import Panel, Section, attempt
from lwdstats.reports.tables import Texts, frame, grid, labels_of, named_models, places
from lwdstats.simulate.models.protocol import Prompt
from lwdstats.studies.phrases import Phrases, phrases

_WEB = ("replicate", "query", "post")
# Numbers of counts by time, reader and author, beyond which they are of all times together.
_COUNTS = 300_000
# A mark that stands for posts in a prompt, of which the page keeps what is around them.
_MARK = "\x00"


def add_answers(section: Section, ds: xr.Dataset) -> None:
    """Add the answers of a run, what they came from and what came of them, to its section."""
    if "query" not in ds.dims:
        ds = ds.assign({name: ds[name].expand_dims(query=1, axis=3) for name in ("embedding",)})
        section.data["queries"] = [0]
    texts = Texts()
    _add_plane(section, ds, texts)
    _add_posts(section, ds, texts)
    _add_reading(section, ds)
    _add_web(section, ds)
    _add_phrases(section, ds, texts)
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


def _add_posts(section: Section, ds: xr.Dataset, texts: Texts) -> None:
    """Add the web and what each prompt held, so that the page can show any prompt."""
    data, spec = section.data, spec_of(ds)
    systems = spec.get("system_prompts")
    data["systems"] = systems if isinstance(systems, dict) else {}
    around = Prompt((_MARK, _MARK), _MARK).user.split(_MARK)
    data["prompt"] = {"before": around[0], "between": around[1], "after": around[2]}
    if "post_text" not in ds or "post_time" not in ds:
        data["why_no_prompt"] = "The file does not hold the posts of the web."
        return
    shape = tuple(ds.sizes[dim] for dim in _WEB)
    at = dict(zip(_WEB, np.indices(shape).reshape(3, -1).tolist(), strict=True))
    kind, sources = _sources(ds)
    columns: dict[str, Any] = at | {"text": texts.codes(ds["post_text"].transpose(*_WEB).values)}
    for name, variable in (("time", "post_time"), ("response", "post_response")):
        if variable in ds:
            columns[name] = ds[variable].transpose(*_WEB).values.ravel().astype(int).tolist()
    columns["source"] = {"levels": sources, "codes": kind.ravel().tolist()}
    data["tables"]["posts"] = {"dims": [], "columns": columns}
    if "retrieved" not in ds:
        data["why_no_prompt"] = "Which posts each prompt held is not kept here."
        return
    rows = ds["retrieved"].transpose(*CELL, "draw").values
    rows = rows.reshape(-1, rows.shape[-1]).astype(int)
    data["retrieved"] = [row[row >= 0].tolist() for row in rows]


def _sources(ds: xr.Dataset) -> tuple[npt.NDArray[np.intp], list[str]]:
    """Return where each post comes from, (R, Q, P), as numbers of sources: models, then others."""
    models = named_models(ds)
    time = ds["post_time"].transpose(*_WEB).values
    author = (
        ds["post_model"].transpose(*_WEB).values.astype(int)
        if "post_model" in ds
        else -1 + 0 * time
    )
    sources = [*models, "initial web"]
    out = np.where((time < 0) | (author < 0), len(models), author)
    if (unseen := (time >= 0) & (author >= len(models))).any():
        out = np.where(unseen, len(sources), out)
        sources.append("models not shown")
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
                sources.append(names[meaning])
    return out, sources


def _add_reading(section: Section, ds: xr.Dataset) -> None:
    """Add how many posts of whom each model read."""
    about = (
        "Of the posts that a model (a row) read up to the chosen time, the share that each "
        "source wrote (a column); a stronger shade is more."
    )
    panel = Panel("reading", "Who read whom", about, draws={"kind": "reading", "table": "reading"})
    section.panels.append(panel)
    if "retrieved" not in ds or "post_text" not in ds or "post_time" not in ds:
        panel.why = "Which posts each model read is not kept here."
        return
    kind, sources = _sources(ds)
    rows = ds["retrieved"].transpose(*CELL, "draw").values.astype(int)
    n_times, n, n_replicates, n_queries, _ = rows.shape
    counts = np.zeros((n_times, n, len(sources), n_replicates, n_queries), dtype=int)
    t, i, r, q, _ = np.nonzero(rows >= 0)
    np.add.at(counts, (t, i, kind[r, q, rows[rows >= 0]], r, q), 1)
    if not counts.any():
        panel.why = "No model read anything."
        return
    dims = ("time", "reader", "source", "replicate", "query")
    if counts.size > _COUNTS:
        counts, dims = counts.sum(axis=0), dims[1:]
        panel.about = panel.about.replace(" up to the chosen time", "")
    labels = {"reader": section.data["models"], "source": sources}
    labels |= {dim: labels_of(ds, dim) for dim in ("time", "replicate", "query")}
    section.data["tables"]["reading"] = {
        "dims": [[dim, labels[dim]] for dim in dims],
        "columns": {"posts": counts.ravel().tolist()},
    }


def _add_phrases(section: Section, ds: xr.Dataset, texts: Texts) -> None:
    """Add which phrases spread, and which answers hold them."""
    about = (
        "Share of all answers that hold a phrase of five words or more, models weighted equally; "
        "case and punctuation do not count. Choose one to mark the answers that hold it."
    )
    spread, why, _ = attempt(lambda: phrases(ds, top=8))
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


def _add_web(section: Section, ds: xr.Dataset) -> None:
    """Add how many posts of each source are on the web."""
    about = "Posts that are on the web before each step, by who wrote them."
    panel = Panel("web", "What the web is made of", about)
    section.panels.append(panel)
    if "post_text" not in ds or "post_time" not in ds:
        panel.why = "The file does not hold the posts of the web."
        return
    kind, sources = _sources(ds)
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
