"""Printed summaries of a dataset, in the manner of R."""

from __future__ import annotations

import json
import textwrap
from collections import Counter
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
import pandas as pd
import xarray as xr

from lwdstats.dataset.blocks import prepared
from lwdstats.dataset.embeddings.choose_embedding import by_embedding, embedder_of
from lwdstats.dataset.positions import components_move, fewest_answers, n_answers
from lwdstats.dataset.schema import embeddings_of, spec_of
from lwdstats.errors import InputError
from lwdstats.geometry.distance import fnorm, noise_floor
from lwdstats.geometry.diversity import diversity, inner_diversity
from lwdstats.results import generics
from lwdstats.results.pictures import drawing
from lwdstats.results.result import Result, one_row


@dataclass(frozen=True, eq=False)
class DatasetSummary(Result):
    """What a dataset holds; ``str()`` gives the printed block.

    Attributes
    ----------
    title : str
        Which simulation.
    facts : tuple of (str, str)
        What ran, a line each.
    norm : pandas.DataFrame
        ||D||_F at the start, the middle and the end: `time` and `mean`; `sd`,
        `min`, `median` and `max` where there are several replicates; with
        answers also `noise_floor` and `debiased`, means of squares under the
        root. And `diversity`, the mean H of the network, where there are mixture weights
        or two answers a model; where components move `variance`, of the network, in its place, and
        `within`, of a model.
    notes : tuple of str
        What a reader of the numbers should know.
    """

    title: str
    facts: tuple[tuple[str, str], ...]
    norm: pd.DataFrame
    notes: tuple[str, ...]

    def tidy(self) -> pd.DataFrame:
        """Return the table of ||D||_F, a row a time."""
        return self.norm.copy()

    def glance(self) -> pd.DataFrame:
        """Return one row of what ran."""
        return one_row({"title": self.title} | {k.lower(): v for k, v in self.facts})

    def _caption(self) -> str:
        return self.title

    def _draw(self, ax: drawing.Axes | None) -> drawing.Axes:
        shown = [name for name in ("mean", "noise_floor", "debiased") if name in self.norm]
        ax = drawing.over_time(self.norm, ax, shown)
        ax.set_ylabel(r"$\|D^{(t)}\|_F$")
        return ax

    def lines(self) -> list[str]:
        """Return what ran, ||D||_F, and notes."""
        width = max(len(label) for label, _ in self.facts)
        lines = [self.title, ""]
        lines += [f"{label:<{width}}  {value}" for label, value in self.facts]
        beside = ", and diversity H of the network" if "diversity" in self.norm else ""
        if "variance" in self.norm:
            beside = " (MMD), and variance of the network and within a model"
        lines += ["", f"Frobenius norm of the distance matrix, ||D||_F{beside}:"]
        lines += self.norm.to_string(index=False, float_format=_fixed).splitlines()
        for note in self.notes:
            lines += ["", *textwrap.wrap(f"Note: {note}", 88, subsequent_indent="      ")]
        return lines


@overload
def summary(x: xr.Dataset, *, embedding: str = ...) -> DatasetSummary: ...
@overload
def summary(x: Any, **kwargs: Any) -> Any: ...
def summary(x: Any, **kwargs: Any) -> Any:
    """Summarise a dataset (what ran, and how ||D||_F went) or a result.

    Parameters
    ----------
    x : xarray.Dataset or object
        A dataset of either simulation, or a result of any function of lwdstats.
    **kwargs
        Passed on to a result's method. Of a dataset: `embedding`, which of its answers'
        embeddings, as `choose_embedding` takes it.

    Returns
    -------
    DatasetSummary or object
        Print it to read it. A result without a summary of its own, such as a
        test, is returned as it is.

    Raises
    ------
    InputError
        If `x` is neither a dataset that follows the schema nor a result.

    Examples
    --------
    >>> import lwdstats as lwd
    >>> text = str(lwd.summary(lwd.simulate_gmm(n_steps=20, replicates=3, seed=1)))
    >>> text.splitlines()[0]
    'Network of 3 Gaussian mixture models with 2 components'
    """
    if not isinstance(x, xr.Dataset):
        return generics.summary(x, **kwargs)
    given = prepared(x, source="x")
    x = by_embedding(x, kwargs.pop("embedding", "embedding"), "x")
    if kwargs:
        raise InputError(next(iter(kwargs)), "an argument of a result", "none, of a dataset")
    prepared(x, source="x")
    spec = spec_of(x)
    facts = _run_facts(x, spec)
    facts += _mixture_facts(x, spec) if "weight" in x else _answer_facts(x, spec)
    if (known := embeddings_of(given))[1:]:
        facts += [(name, _embedder_said(given, name)) for name in known]
    norm = _norm_table(x)
    return DatasetSummary(str(x.attrs["title"]), tuple(facts), norm, tuple(_notes(x, norm)))


def _run_facts(ds: xr.Dataset, spec: dict[str, Any]) -> list[tuple[str, str]]:
    facts = [("Models", f"{ds.sizes['model']}: {_listing(ds['model'].values)}")]
    known = [str(name) for name in ds.coords if name != "model" and ds[name].dims == ("model",)]
    facts += [(name, _covariate(ds[name].values.tolist())) for name in known]
    time = ds["time"].values
    run = f"t = {time[0]}..{time[-1]}"
    if len(time) != time[-1] - time[0] + 1:
        run += f" ({len(time)} times kept)"
    run += f", {_count(ds.sizes['replicate'], 'replicate')}, seed {ds.attrs['seed']}"
    facts.append(("Run", run))
    if unfinished := ds.attrs.get("unfinished"):
        facts.append(("Unfinished", str(unfinished)))
    if spent := ds.attrs.get("spent"):
        from lwdstats.simulate.llm.storing.spending import spent_said

        facts.append(("Spent", spent_said(spent)))
    if "n_web" in ds:
        web = ds["n_web"].values
        text = f"{web.flat[0]} to {web.flat[-1]} posts"
        if "n_retrieved" in ds:
            each = ds["n_retrieved"]
            others = [dim for dim in each.dims if dim != "time"]
            read = each.max(others).values
            most = "at most " * bool(others)
            text += f"; a model reads {most}{read[0]} to {read[-1]} of them"
            text += f" (beta = {spec['beta']:g})" if "beta" in spec else ""
        facts.append(("Web", text))
    if "synthetic_share" in ds:
        share = ds["synthetic_share"].mean([d for d in ds["synthetic_share"].dims if d != "time"])
        share = share.dropna("time")
        if share.size:
            ends = dict.fromkeys(f"{share.values[end]:.0%}" for end in (0, -1))
            facts.append(("Synthetic", f"{' to '.join(ends)} of what is read"))
    return facts


def _covariate(values: list[Any]) -> str:
    """Return what is known of models: the range of numbers, or how many have which label."""
    numbers = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
    if len(numbers) == len(values):
        there = [v for v in numbers if v == v]
        lacking = f", {len(values) - len(there)} unknown" if len(there) < len(values) else ""
        return (f"{min(there):g} to {max(there):g}" if there else "none known") + lacking
    counts = Counter(map(str, values))
    return _listing([f"{label} ({n})" for label, n in counts.most_common()])


def _mixture_facts(ds: xr.Dataset, spec: dict[str, Any]) -> list[tuple[str, str]]:
    size = _count(ds.sizes["component"], "component")
    size += f" in {_count(ds.sizes['feature'], 'dimension')}"
    size += f"; L = {spec['n_responses']} points" if "n_responses" in spec else ""
    facts = [("Mixtures", size)]
    rules = [
        f"{name.replace('_', ' ')} {'by step' if isinstance(spec[name], list) else spec[name]}"
        for name in ("step_size", "complexity", "threshold")
        if name in spec
    ]
    if rules:
        facts.append(("Update", ", ".join(rules)))
    if spec.get("moving"):
        text = " and ".join(f"{name}s" for name in spec["moving"])
        rule = [spec[name] for name in ("variance_rule", "covariance_type") if spec.get(name)]
        facts.append(("Moving", ", ".join([text, *rule])))
    for name, title in (
        ("n_truncated", "Truncations"),
        ("n_clipped", "Clipped gains"),
        ("n_floored", "Floored"),
    ):
        if name not in ds or (name == "n_floored" and "covariance" not in spec.get("moving", ())):
            continue
        fired = ds[name]
        hit = int((fired.fillna(0).sum(["time", "model"]) > 0).sum())
        text = f"{int(fired.sum())} in {hit} of {_count(ds.sizes['replicate'], 'replicate')}"
        kept = " at the times kept" if len(ds["time"]) != ds["time"].values[-1] + 1 else ""
        facts.append((title, text + kept))
    return facts


def _answer_facts(ds: xr.Dataset, spec: dict[str, Any]) -> list[tuple[str, str]]:
    facts = []
    if "query" in ds.dims:
        more = f" (and {n - 1} more)" if (n := ds.sizes["query"]) > 1 else ""
        if "query" in ds.coords:
            facts.append(("Query", str(ds["query"].values[0]) + more))
        elif n > 1:
            facts.append(("Queries", f"{n}, without names"))
    text = _count(ds.sizes["response"], "response") + " a model and step"
    if "temperature" in spec:
        text += f", temperature {_number(spec['temperature'])}, top_p {_number(spec['top_p'])}"
    there = n_answers(ds)
    if there is not None:
        n = there.size * ds.sizes["response"]
        text += f"; {n - int(there.sum())} of {n} are missing"
    facts.append(("Answers", text))
    if "text" in ds:
        # Each model's answers to one query in one run; two runs may well agree.
        last = ds["text"].isel(time=-1).transpose(..., "response").values
        rows = last.reshape(-1, last.shape[-1]).tolist()
        given = [[text for text in row if text] for row in rows]
        shares = [len(set(row)) / len(row) for row in given if row]
        if shares:
            share = f"{np.mean(shares):.0%} of a model's answers"
            facts.append(("Distinct", f"{share} at the last step, on average"))
    facts.append(("Embedding", _embedder_said(ds, "embedding")))
    return facts + _recorded(ds)


def _embedder_said(ds: xr.Dataset, embedding: str) -> str:
    """Return by which embedder vectors are, how many numbers they have, and what was done."""
    said = f"{ds[embedding].shape[-1]} numbers"
    if name := embedder_of(ds, embedding):
        said = f"{name}, {said}"
    scaled = {ds[embedding].attrs.get("normalized")}
    if embedding == "embedding":
        scaled.add(ds.attrs.get("embedder_normalize"))
    return said + ", scaled to length 1" * ("True" in scaled)


def _recorded(ds: xr.Dataset) -> list[tuple[str, str]]:
    """Return what was recorded of texts and prompts that were not read or answered as meant."""
    facts = []
    for name, what in (("embedding", "answers"), ("post_embedding", "posts")):
        said = ds[name].attrs if name in ds else {}
        if n := said.get("n_cut", 0):
            reads = said.get("embedder_reads", "part")
            facts.append((f"Cut {what}", f"{n} are longer than the {reads} the embedder reads"))
        if n := said.get("n_averaged", 0):
            reads = said.get("embedder_reads", "part")
            facts.append((f"Long {what}", f"{n} are the mean of parts of at most {reads}"))
        if n := said.get("n_reasoning", 0):
            facts.append((f"Reasoning in {what}", f"{n} are embedded with it"))
    said = ds["text"].attrs if "text" in ds else {}
    for why, text in (
        ("refused", "were refused, by the model or a filter"),
        ("failed", "are requests that failed"),
        ("unanswered", "are reasoning that no answer followed"),
    ):
        if n := said.get(f"n_{why}", 0):
            facts.append((why.capitalize(), f"{n} missing answers {text}"))
    served = json.loads(ds.attrs.get("served", "{}"))
    cut = {label: n for label, said in served.items() if (n := said.get("prompts_cut", 0))}
    if cut:
        counts = "; ".join(f"{n} of {label}" for label, n in cut.items())
        facts.append(("Cut prompts", f"{counts}, so that fewer posts were read"))
    return facts


def _norm_table(ds: xr.Dataset) -> pd.DataFrame:
    last = ds.sizes["time"] - 1
    ds = ds.isel(time=sorted({0, (last + 1) // 2, last}))
    norm = fnorm(ds)
    frame = pd.DataFrame({"time": norm["time"].values, "mean": norm.mean("replicate").values})
    if norm.sizes["replicate"] > 1:
        frame["sd"] = norm.std("replicate", ddof=1).values
        for name in ("min", "median", "max"):
            frame[name] = getattr(norm, name)("replicate").values
    if "weight" not in ds and fewest_answers(ds) > 1:
        for name, value in (
            ("noise_floor", noise_floor(ds)),
            ("debiased", fnorm(ds, debias=True)),
        ):
            square = (value * abs(value)).mean("replicate").values
            frame[name] = np.sign(square) * np.sqrt(np.abs(square))
    if components_move(ds):
        frame["variance"] = diversity(ds).mean("replicate").values
        frame["within"] = inner_diversity(ds).mean(["model", "replicate"]).values
    elif "weight" in ds or fewest_answers(ds) > 1:
        frame["diversity"] = diversity(ds).mean("replicate").values
    return frame


def _notes(ds: xr.Dataset, norm: pd.DataFrame) -> list[str]:
    notes = []
    if "weight" in ds:
        lost = int((ds["weight"].isel(time=-1) <= 0).any(["model", "component"]).sum())
        if lost:
            notes.append(
                f"in {lost} of {_count(ds.sizes['replicate'], 'replicate')} a weight has reached "
                "0 and stays there (threshold 0 absorbs), so ||D||_F may stall above 0."
            )
    elif "noise_floor" not in norm:
        one = "one response a model"
        if ds.sizes["response"] > 1:
            one += ", others being missing"
        notes.append(f"with {one}, sampling noise in ||D||_F cannot be told from difference.")
    else:
        end = norm.iloc[-1]
        if end["debiased"] < end["noise_floor"]:
            notes.append(
                "at the last step more than half of ||D||_F^2 is sampling noise of the "
                f"{ds.sizes['response']} responses; 'debiased' takes it out, and may fall below 0."
            )
    if ds.sizes["model"] == 1:
        notes.append("one model: there is nothing that it could differ from, so ||D||_F is 0.")
    if ds.sizes["replicate"] == 1:
        notes.append("one replicate: nothing here tells how another run would differ.")
    return notes


def _fixed(value: float) -> str:
    """Return four decimals, 0 without a sign."""
    return f"{round(value, 4) + 0.0:.4f}"


def _number(value: Any) -> str:
    """Return one number for all models, or each model's where they differ."""
    if isinstance(value, dict):
        return " and ".join(f"{one:g} ({label})" for label, one in value.items())
    return f"{value:g}"


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def _listing(values: Any, most: int = 6) -> str:
    shown = [str(value) for value in values[:most]]
    # A name may hold a comma.
    separator = "; " if any("," in name for name in shown) else ", "
    return separator.join(shown) + (f"{separator}..." if len(values) > most else "")
