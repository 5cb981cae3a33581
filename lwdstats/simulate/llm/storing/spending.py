"""What a run spends: tokens by model, what they cost, and the cap at which it stops.

Nothing is asked before its most is set aside, on the disk where the run has a store; what it
took takes the place of that when it is known. So a cap holds with whatever is under way, and
after a process that was killed, whose last requests count with their most.
"""

from __future__ import annotations

import contextlib
import json
import math
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lwdstats.errors import InputError, check_integer, is_number
from lwdstats.simulate.llm.labels import by_label
from lwdstats.simulate.models.protocol import (
    Answer,
    LanguageModel,
    Prompt,
    Sampling,
    Settle,
    optional_parts,
)

Prices = float | Mapping[str, float]
# Tokens read and written.
Tokens = tuple[int, int]
# Arguments of a run, and of a plan, in the order of `Caps`.
CAPS = ("max_cost", "max_tokens_total", "price_in", "price_out")


class CapReachedError(RuntimeError):
    """A batch or a request that a cap does not allow; the message says which and why."""


def check_prices(argument: str, value: Any, labels: Sequence[str]) -> dict[str, float]:
    """Return the price of a million tokens by label; models without one are free."""

    def usable(price: object) -> bool:
        return is_number(price) and 0 <= price < math.inf

    return by_label(argument, value, labels, usable, "a price of at least 0")


@dataclass(frozen=True)
class Caps:
    """What a run may spend, None for any amount, and the prices of a million tokens by label."""

    max_cost: float | None = None
    max_tokens_total: int | None = None
    price_in: dict[str, float] = field(default_factory=dict)
    price_out: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(
        cls, labels: Sequence[str], max_cost: Any, max_tokens_total: Any, price_in: Any,
        price_out: Any,
    ) -> Caps:  # fmt: skip
        """Return checked caps."""
        if max_cost is not None:
            if not is_number(max_cost) or not 0 <= max_cost < math.inf:
                raise InputError("max_cost", max_cost, "a number of at least 0, or None for no cap")
            if price_in is None and price_out is None:
                takes = "price_in or price_out too, the price of a million tokens"
                raise InputError("max_cost", f"{max_cost} without a price", takes)
            max_cost = float(max_cost)
        if max_tokens_total is not None:
            check_integer("max_tokens_total", max_tokens_total, minimum=1)
            max_tokens_total = int(max_tokens_total)
        return cls(
            max_cost,
            max_tokens_total,
            check_prices("price_in", price_in, labels),
            check_prices("price_out", price_out, labels),
        )

    @property
    def given(self) -> bool:
        """Whether there is a cap or a price, so that models that run here are counted too."""
        return any(value not in (None, {}) for value in vars(self).values())

    def cost(self, tokens: Mapping[str, Tokens]) -> float:
        """Return what tokens cost."""
        parts = [
            n * prices.get(label, 0)
            for label, pair in tokens.items()
            for n, prices in zip(pair, (self.price_in, self.price_out), strict=True)
        ]
        return math.fsum(parts) / 1e6


class Ledger:
    """Tokens spent and set aside, by model; its methods may be called from any thread.

    Parameters
    ----------
    caps : Caps
    held : str or None
        What `to_json` wrote in the processes that had this run before.
    write : callable
        Keeps what `to_json` gives, on the disk when it returns.
    """

    def __init__(
        self, caps: Caps, held: str | None = None, write: Callable[[str], None] = lambda text: None
    ) -> None:
        before = json.loads(held or "{}")
        if not (caps.price_in or caps.price_out):
            # What it costs is still known where no price was said again.
            caps = Caps(
                caps.max_cost,
                caps.max_tokens_total,
                before.get("price_in", {}),
                before.get("price_out", {}),
            )
        self.caps, self._write = caps, write
        self._spent: dict[str, dict[str, Tokens]] = _with_under_way(before)
        self._open: list[_Batch] = []
        self._stopped: BaseException | None = None
        # How many times what was thought to be its most a model has taken.
        self._excess: dict[str, tuple[float, float]] = {}
        self._changed = threading.Condition(threading.RLock())

    def to_json(self) -> str:
        """Return what is spent, set aside, and the prices."""
        with self._changed:
            under_way: dict[str, Tokens] = {}
            for batch in self._open:
                under_way[batch.label] = _add(under_way.get(batch.label, (0, 0)), batch.reserved)
            return json.dumps(
                {
                    "spent": self._spent,
                    "under_way": under_way,
                    "price_in": self.caps.price_in,
                    "price_out": self.caps.price_out,
                }
            )

    @property
    def spent(self) -> dict[str, Tokens]:
        """Tokens read and written so far, by model."""
        return {label: _total(by) for label, by in self._spent.items()}

    def count(self, label: str, source: str, tokens: Tokens) -> None:
        """Add tokens of a model."""
        by = self._spent.setdefault(label, {})
        by[source] = _add(by.get(source, (0, 0)), tokens)

    def stop(self, error: BaseException | None = None) -> None:
        """Let no batch begin any more; what waits ends with the error that stopped the run."""
        with self._changed:
            self._stopped = self._stopped or error or RuntimeError("the run has stopped")
            self._changed.notify_all()

    @contextlib.contextmanager
    def batch(
        self,
        label: str,
        model: LanguageModel,
        prompts: Sequence[Prompt],
        n: int,
        sampling: Sampling,
    ) -> Iterator[LanguageModel]:
        """Set aside what a batch takes at most, and give the model with its tokens counted.

        Where others that are under way may leave enough, they are waited for.

        Raises
        ------
        CapReachedError
            If the batch, or a request that has to be sent again for it, may exceed a cap.
        """
        has = optional_parts(model)
        if has.lane is None and not self.caps.given:
            yield model
            return
        most = _most_tokens(model, prompts, n, sampling)
        batch = self._begin(label, most, durable=has.lane is not None)
        try:
            yield _Metered(model, batch)
        except BaseException as error:
            self.stop(error)
            raise
        finally:
            self._end(batch)

    def _begin(self, label: str, most: Tokens, *, durable: bool) -> _Batch:
        with self._changed:
            most = self.at_most(label, most)
            while not self._stopped and (cap := self.exceeded_by(label, most)):
                if not self._open:
                    raise CapReachedError(f"{cap} may be exceeded by {self._say(label, most)}")
                self._changed.wait()
            if self._stopped:
                raise self._stopped
            batch = _Batch(self, label, most, durable)
            self._open.append(batch)
            batch.keep()
        return batch

    def _end(self, batch: _Batch) -> None:
        with self._changed:
            # Requests that were cancelled are written, and may be billed, all the same.
            lost = _subtract(batch.assigned, _total(batch.used))
            for source, tokens in (*batch.used.items(), ("at most", lost)):
                if any(tokens):
                    self.count(batch.label, source, tokens)
            self._open.remove(batch)
            batch.ended = True
            self._changed.notify_all()
            batch.keep()

    def at_most(self, label: str, tokens: Tokens) -> Tokens:
        """Return a most that is raised as far as the model has exceeded others."""
        read, written = self._excess.get(label, (1.0, 1.0))
        return math.ceil(tokens[0] * read), math.ceil(tokens[1] * written)

    def exceeded_by(self, label: str, more: Tokens) -> str:
        """Return the cap that more tokens of a model may exceed, such as "max_cost = 5", or ""."""
        caps, tokens = self.caps, self.spent
        for one, pair in [*((batch.label, batch.reserved) for batch in self._open), (label, more)]:
            tokens[one] = _add(tokens.get(one, (0, 0)), pair)
        # What costs nothing is asked for, whatever was spent.
        costs = caps.cost({label: more}) > 0
        if caps.max_cost is not None and costs and caps.cost(tokens) > caps.max_cost:
            return f"max_cost = {caps.max_cost:g}"
        total = sum(map(sum, tokens.values()))
        if caps.max_tokens_total is not None and total > caps.max_tokens_total:
            return f"max_tokens_total = {caps.max_tokens_total:,}"
        return ""

    def learn(self, label: str, asked: Tokens, took: Tokens) -> None:
        """Keep by how much a model exceeds what it was thought to take at most."""
        known = self._excess.get(label, (1.0, 1.0))
        read, written = (
            max(ratio, n / most) if most else ratio
            for ratio, n, most in zip(known, took, asked, strict=True)
        )
        self._excess[label] = read, written

    def _say(self, label: str, most: Tokens) -> str:
        said = f"the next batch of {label!r} ({most[0]:,} tokens read and {most[1]:,} written"
        cost = self.caps.cost({label: most})
        return f"{said} at most, {cost:.4g})" if cost else f"{said} at most)"

    @property
    def record(self) -> str:
        """What a dataset says of it, "" where nothing is counted."""
        return spent_of(self.to_json())

    def write(self) -> None:
        """Keep how things stand."""
        self._write(self.to_json())


class _Batch:
    """What one batch has set aside, given to requests, and spent: the `Meter` of its requests.

    `reserved` is the most that it may have spent when it ends; `assigned` what requests took,
    and what those under way take at most; `used` what they took, by who counted it.
    """

    def __init__(self, ledger: Ledger, label: str, most: Tokens, durable: bool) -> None:
        self._ledger, self.label, self._durable = ledger, label, durable
        self.reserved, self.assigned, self.ended = most, (0, 0), False
        self.used: dict[str, Tokens] = {}

    def keep(self) -> None:
        """Write how things stand, for a model whose tokens would be lost otherwise."""
        if self._durable:
            self._ledger.write()

    def before(self, read: int, written: int) -> Settle:
        """Set aside what a request takes at most, or raise; return what takes what it took."""
        ledger = self._ledger
        with ledger._changed:
            asked = ledger.at_most(self.label, (read, written))
            whole = _add(self.assigned, asked)
            more = tuple(max(0, n - m) for n, m in zip(whole, self.reserved, strict=True))
            if any(more):
                cap = ledger.exceeded_by(self.label, (more[0], more[1]))
                if cap:
                    said = f"{cap} may be exceeded by one more request of {self.label!r}"
                    raise CapReachedError(said)
                self.reserved = _larger(self.reserved, whole)
                self.keep()
            self.assigned = whole

        def settle(read: int, written: int, source: str) -> None:
            with ledger._changed:
                if self.ended:
                    return
                took = (read, written)
                ledger.learn(self.label, asked, took)
                self.assigned = _add(_subtract(self.assigned, asked), took)
                self.reserved = _larger(self.reserved, self.assigned)
                self.used[source] = _add(self.used.get(source, (0, 0)), took)

        return settle


class _Metered:
    """A model whose tokens are counted; all else is the model's own."""

    def __init__(self, model: LanguageModel, batch: _Batch) -> None:
        # Any, as one that tells of its requests takes a meter besides.
        self._model: Any = model
        self._batch = batch
        together = optional_parts(model).generate_many
        self.generate_many = None if together is None else self._generate_many

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    @property
    def context_length(self) -> int | None:
        """The model's own."""
        return self._model.context_length

    def count_tokens(self, prompt: Prompt) -> int:
        """Return what the model counts."""
        return self._model.count_tokens(prompt)

    def generate(self, prompt: Prompt, n: int, **options: Any) -> list[Answer]:
        """Return what the model answers."""
        if optional_parts(self._model).most_tokens is not None:
            # It tells of each of its requests.
            return self._model.generate(prompt, n, **options, meter=self._batch)
        return self._counted(
            [prompt], n, options, lambda: [self._model.generate(prompt, n, **options)]
        )[0]

    def _generate_many(
        self, prompts: Sequence[Prompt], n: int, **options: Any
    ) -> list[list[Answer]]:
        together = optional_parts(self._model).generate_many
        assert together is not None  # noqa: S101 - otherwise this is not called
        return self._counted(prompts, n, options, lambda: together(prompts, n, **options))

    def _counted(
        self,
        prompts: Sequence[Prompt],
        n: int,
        options: Mapping[str, Any],
        ask: Callable[[], list[list[Answer]]],
    ) -> list[list[Answer]]:
        most = _most_tokens(self._model, prompts, n, options["sampling"])
        settle = self._batch.before(*most)
        here = optional_parts(self._model).lane is None
        try:
            given = ask()
        except BaseException:
            settle(*((0, 0, "count") if here else (*most, "at most")))
            raise
        # Without chance one answer is written, and repeated.
        once = here and options["sampling"].temperature == 0
        counted = [answer.n_tokens for answers in given for answer in answers[: 1 if once else n]]
        settle(most[0], sum(counted), "count")
        return given


def _most_tokens(
    model: LanguageModel, prompts: Sequence[Prompt], n: int, sampling: Sampling
) -> Tokens:
    """Return the most tokens that answers to some prompts take, where nothing fails."""
    has, total = optional_parts(model), (0, 0)
    n = 1 if has.lane is None and sampling.temperature == 0 else n
    for prompt in prompts:
        if has.most_tokens is not None:
            total = _add(total, has.most_tokens(prompt, n, sampling))
        else:
            total = _add(total, (model.count_tokens(prompt), n * sampling.max_new_tokens))
    return total


def spent_of(note: str | None) -> str:
    """Return what a dataset says of what `Ledger.to_json` gave, "" where nothing is counted.

    What was under way counts with its most.
    """
    held = json.loads(note or "{}")
    by_source = _with_under_way(held)
    if not by_source:
        return ""
    # In an order that does not depend on who answered first.
    by_source = dict(sorted(by_source.items()))
    tokens = {label: _total(by) for label, by in by_source.items()}
    caps = Caps(None, None, held["price_in"], held["price_out"])
    priced = caps.price_in or caps.price_out
    return json.dumps(
        {
            "cost": caps.cost(tokens) if priced else None,
            "price_in": caps.price_in,
            "price_out": caps.price_out,
            "tokens": {
                label: {"read": tokens[label][0], "written": tokens[label][1], "counted_by": by}
                for label, by in by_source.items()
            },
        },
        ensure_ascii=False,
    )


def spent_said(record: str) -> str:
    """Return what `spent_of` gave as a line for people."""
    spent = json.loads(record or "{}")
    parts = []
    for label, tokens in spent.get("tokens", {}).items():
        said = f"{label}: {tokens['read']:,} tokens read and {tokens['written']:,} written"
        by = {source: sum(pair) for source, pair in tokens["counted_by"].items()}
        notes = [f"{by['count']:,} counted here"] if by.get("count") else []
        notes += [f"{by['at most']:,} at most, without a reply"] if by.get("at most") else []
        parts.append(f"{said} ({'; '.join(notes)})" if notes else said)
    cost = spent.get("cost")
    return "; ".join(parts) if cost is None else f"{cost:.4g} ({'; '.join(parts) or 'no tokens'})"


def _with_under_way(held: Mapping[str, Any]) -> dict[str, dict[str, Tokens]]:
    spent: dict[str, dict[str, Tokens]] = {
        label: {source: (pair[0], pair[1]) for source, pair in by.items()}
        for label, by in held.get("spent", {}).items()
    }
    for label, (read, written) in held.get("under_way", {}).items():
        by = spent.setdefault(label, {})
        by["at most"] = _add(by.get("at most", (0, 0)), (read, written))
    return spent


def _total(by_source: Mapping[str, Tokens]) -> Tokens:
    read, written = ([pair[i] for pair in by_source.values()] for i in (0, 1))
    return sum(read), sum(written)


def _add(a: Tokens, b: Tokens) -> Tokens:
    return a[0] + b[0], a[1] + b[1]


def _subtract(a: Tokens, b: Tokens) -> Tokens:
    return a[0] - b[0], a[1] - b[1]


def _larger(a: Tokens, b: Tokens) -> Tokens:
    return max(a[0], b[0]), max(a[1], b[1])
