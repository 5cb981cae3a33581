"""A run in its store: what is kept, what goes on, and what is said when it stops."""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lwdstats.dataset.embeddings.embedded_texts import Cut, cut_texts
from lwdstats.errors import InputError, check_choice
from lwdstats.simulate.llm.dataset import Origin, last_time, origin_of
from lwdstats.simulate.llm.spec import LlmSpec
from lwdstats.simulate.llm.storing.journal import Batch, Journal, Key, RunStoppedError, differing
from lwdstats.simulate.llm.storing.spending import CapReachedError, Caps, Ledger, spent_said
from lwdstats.simulate.llm.weblog import Place, WebLog, posts_of, web_log
from lwdstats.simulate.models.protocol import (
    Embedder,
    LanguageModel,
    Prompt,
    estimate_tokens,
    optional_parts,
)
from lwdstats.simulate.web.memory import MemoryWeb
from lwdstats.simulate.web.protocol import Web
from lwdstats.version import __version__

logger = logging.getLogger(__name__)
WEBS = ("memory", "lance")


class Store:
    """What is kept of a run, on disk where it has a folder.

    Parameters
    ----------
    folder : path or None
        None keeps everything in memory only.
    spec : LlmSpec
    resume : bool
        See `Journal`.
    web : {"memory", "lance"}
        Where A^(t) is held.
    caps : Caps
        What the run may spend, all processes that have it together.
    """

    def __init__(
        self,
        folder: str | Path | None,
        spec: LlmSpec,
        *,
        resume: bool,
        web: str,
        caps: Caps,
    ) -> None:
        self.spec, self.web = spec, web
        self.total = len(spec.places) * (spec.n_steps + 1) * len(spec.models)
        self.journal = None if folder is None else Journal(folder, spec.to_json(), resume=resume)
        self.batches: dict[Key, Batch] = {}
        self.served: dict[str, dict[str, Any]] = {}
        # By the processes that had this run before.
        self._served_before: dict[str, dict[str, Any]] = {}
        self.cut: dict[str, Cut] = {}
        self.ledger = Ledger(caps)
        self._log = logging.Logger("run", logging.DEBUG)
        if self.journal is not None:
            self.batches = self.journal.batches()
            # All steps but the last are whole.
            self._step = max((key[2] for key in self.batches), default=-1)
            write = partial(self.journal.note, "spending")
            self.ledger = Ledger(caps, self.journal.read("spending"), write)
            if caps.given:
                self._count_before()
            self.served = json.loads(self.journal.read("served") or "{}")
            self._served_before = dict(self.served)
            told = json.loads(self.journal.read("cut") or "{}")
            self.cut = {name: Cut(**values) for name, values in told.items()}
            handler = logging.FileHandler(self.journal.folder / "log.txt", encoding="utf-8")
            handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
            self._log.addHandler(handler)
            # What the back-ends log goes there too; our own lines are there already.
            handler.addFilter(lambda record: record.name != logger.name)
            logging.getLogger("lwdstats").addHandler(handler)
            self._handler = handler

    def close(self) -> None:
        """Free the folder."""
        if self.journal is not None:
            logging.getLogger("lwdstats").removeHandler(self._handler)
            self._handler.close()
            self.journal.close()

    def say(self, level: int, message: str) -> None:
        """Write to the log file, and to whoever listens to our loggers."""
        self._log.log(level, "%s", message)
        logger.log(level, "%s", message)

    @property
    def complete(self) -> bool:
        """Whether nothing is left to ask."""
        return len(self.batches) == self.total

    def add(self, batches: Mapping[Key, Batch], embedder: Embedder) -> None:
        """Keep batches that belong together, and what of them was embedded, on disk first."""
        cut = cut_texts(embedder, _texts(batches))
        if cut is not None and "text" in self.cut:
            before = self.cut["text"]
            cut = Cut(before.n + cut.n, before.total + cut.total, cut.reads)
        known = self.cut | ({} if cut is None else {"text": cut})
        if self.journal is not None:
            notes = {"cut": _cut_to_json(known)}
            if self.ledger.record:
                notes["spending"] = self.ledger.to_json()
            (t,) = {key[2] for key in batches}
            if t != self._step:
                # Who looks at a run is shown whole steps.
                notes["cut_before"] = _cut_to_json(self.cut)
            self.journal.add(batches, notes)
            self._step = t
        self.cut = known
        self.batches.update(batches)
        for (replicate, q, t, i), batch in batches.items():
            where = f"replicate {replicate}, query {q}, t = {t}, {list(self.spec.models)[i]}"
            read, written = len(batch.retrieved), sum(batch.n_tokens)
            self.say(logging.DEBUG, f"{where}: {read} posts read, {written} tokens written")
            missing = sum(not text for text in batch.texts)
            if missing:
                label = list(self.spec.models)[i]
                said = (
                    f"{where}: {missing} of {len(batch.texts)} answers are empty after "
                    f"{1 + self.spec.retries_empty} tries, and count as missing"
                )
                if batch.n_unanswered:
                    said += (
                        f"; {batch.n_unanswered} are reasoning that no answer followed: raise "
                        f"max_new_tokens, now {self.spec.max_new_tokens[label]}"
                    )
                self.say(logging.WARNING, said)

    def note_served(self, models: Mapping[str, LanguageModel]) -> None:
        """Keep what servers have said of themselves, where it has changed."""
        known = {}
        for label, model in models.items():
            has = optional_parts(model)
            if has.seen is not None:
                before = self._served_before.get(label, {})
                said = {
                    field: sorted({*before.get(field, ()), *values})
                    for field, values in has.seen.items()
                }
                known[label] = {"seeded": bool(has.seeded) and before.get("seeded", True), **said}
                n_cut = before.get("prompts_cut", 0) + has.n_cut
                if n_cut:
                    known[label]["prompts_cut"] = n_cut
        if known != self.served:
            self.served = known
            if self.journal is not None:
                self.journal.note("served", json.dumps(known))

    def has_step(self, place: Place, t: int) -> bool:
        """Whether all models have answered a replicate's query at a time."""
        return all((*place, t, i) in self.batches for i in range(len(self.spec.models)))

    def begin(
        self,
        embedder: Embedder,
        embed_given: Callable[[], NDArray[np.float32]],
        backend: dict[str, Any],
    ) -> Origin:
        """Return the origin of the run, this process's part in it included."""
        here = {"lwdstats": __version__, **backend}
        prefix = str(optional_parts(embedder).prefix)
        if self.journal is None or self.journal.read("cut") is None:
            embedded = {"post_text": self.spec.given}
            # A store of before has not counted its answers.
            embedded |= {"text": _texts(self.batches)} if self.batches else {}
            told = {name: cut_texts(embedder, texts) for name, texts in embedded.items()}
            self.cut = {name: cut for name, cut in told.items() if cut is not None}
        if self.journal is None:
            return Origin(embed_given(), prefix, [backend])
        if self.origin() is None:
            given = embed_given()
            self.journal.note("prefix", prefix)
            self.journal.note("n_features", given.shape[1])
            # Once it was the initial posts only.
            self.journal.note("initial", given.astype("<f4").tobytes())
            self.journal.note("backends", json.dumps([here]))
        else:
            backends = json.loads(self.journal.read("backends"))
            others = differing(backends[-1], here)
            if others:
                self.say(
                    logging.WARNING,
                    f"going on under another {', '.join(others)} than before: answers from "
                    "here on may differ from those of an uninterrupted run",
                )
                self.journal.note("backends", json.dumps([*backends, here]))
        self.journal.note("cut", _cut_to_json(self.cut))
        self.say(logging.INFO, f"{len(self.batches)} of {self.total} batches are there")
        origin = self.origin()
        assert origin is not None  # noqa: S101 - noted above; for the type checker
        return origin

    def origin(self) -> Origin | None:
        """Return what the store knows of the run's making, None before it began."""
        if self.journal is None or self.journal.read("backends") is None:
            return None
        return origin_of(self.journal)

    def open_web(self, place: Place) -> Web:
        """Return the web of a replicate and query: empty, or as far as it can be trusted."""
        if self.web == "memory":
            return MemoryWeb()
        from lwdstats.simulate.web.lance import LanceWeb

        assert self.journal is not None  # noqa: S101 - checked before the run
        folder = self.journal.folder / "web" / f"replicate-{place[0]}-query-{place[1]}"
        web = LanceWeb(folder)
        # A step is posted after all its batches are kept, so a table ahead of the
        # journal, or between two steps, is not of this run.
        log = web_log(self.spec, place)
        steps = {log.size(t): t for t in range(self.spec.n_steps + 1)}
        t = steps.get(len(web))
        if t is None or (t > 0 and not self.has_step(place, t - 1)):
            web.clear()
        return web

    def _count_before(self) -> None:
        """Estimate what models have spent that were not counted when they were asked."""
        labels, known = list(self.spec.models), self.ledger.spent
        logs: dict[Place, WebLog] = {}
        for (replicate, q, _, i), batch in self.batches.items():
            if labels[i] in known:
                continue
            log = logs.get((replicate, q)) or web_log(self.spec, (replicate, q))
            logs[replicate, q] = log
            rows = batch.retrieved.astype(np.int64)
            posts = posts_of(self.spec, log, (replicate, q), self.batches, rows)
            read = tuple(post.text for post in posts)
            prompt = Prompt(read, self.spec.query[q], self.spec.system_prompts.get(labels[i]))
            tokens = estimate_tokens(prompt.plain), sum(batch.n_tokens)
            self.ledger.count(labels[i], "count", tokens)

    @contextlib.contextmanager
    def stopping(self) -> Iterator[None]:
        """Say how to go on where the run ends early: in the error, and in the log file."""
        try:
            yield
        except RunStoppedError as error:
            self._log.error(f"stopped: {error}")
            raise
        except CapReachedError as error:
            spent = spent_said(self.ledger.record) or "nothing"
            last = last_time(self.spec, self.batches)
            stands = "t = 0 is not whole"
            if last >= 0:
                stands = f"t = 0..{last} of {self.spec.n_steps} are whole"
            said = f"{error}. Spent so far: {spent}. The run has stopped; {stands}. "
            said += self._how_to_go_on("and a higher cap ")
            self._log.error(f"stopped: {said}")
            raise RunStoppedError(said) from None
        except (KeyboardInterrupt, Exception) as error:
            said = f"{_reason(error)}. {self._how_to_go_on()}"
            self._log.error(f"stopped: {said}")
            if isinstance(error, (KeyboardInterrupt, InputError)):
                error.add_note(self._how_to_go_on())
                raise
            raise RunStoppedError(said) from error

    def _how_to_go_on(self, more: str = "") -> str:
        if self.journal is None:
            return "Nothing is kept of this run; with store='FOLDER' it would go on where it ended."
        return (
            f"{len(self.batches)} of {self.total} batches are kept in {self.journal.folder}; "
            f"the same call with that store {more}goes on from there."
        )


def _texts(batches: Mapping[Key, Batch]) -> list[str]:
    return [text for batch in batches.values() for text in batch.texts if text]


def _cut_to_json(cut: Mapping[str, Cut]) -> str:
    return json.dumps({name: asdict(one) for name, one in cut.items()})


def check_web(web: str, store: object) -> None:
    """Raise for a web that has no place."""
    check_choice("web", web, WEBS)
    if web == "lance" and store is None:
        raise InputError("web", "'lance' without a store", "'memory', or a store for its table")


def _reason(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    return str(error).strip().rstrip(".") or type(error).__name__
