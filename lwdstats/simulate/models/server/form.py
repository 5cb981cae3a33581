"""What requests for answers carry, and what is left out of them once a server refused it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from lwdstats.errors import InputError
from lwdstats.simulate.models.protocol import Prompt, Sampling
from lwdstats.simulate.models.server.retry import Failure

# What a server that refuses a feature says of it, where it only names the model.
_CAPABILITY = re.compile(
    r"support|enabled|allowed|permitted|only|candidate|param|value|field|must|cannot|can't", re.I
)

# Words of a server that does not know a field, rather than refusing its value.
_UNKNOWN = re.compile(
    r"max_completion_tokens|support|unknown|unrecogni[sz]ed|extra|permitted", re.I
)
# How a dataset names what was left out.
LEFT_OUT = {
    "max_tokens": "max_tokens (max_completion_tokens is sent)",
    "seed": "seeds, so that a rerun gives other answers",
    "system": "messages of the system (the user's message says both)",
    "top_p": "top_p (left at its default)",
    "temperature": "temperature (left at its default)",
}


@dataclass(frozen=True)
class Form:
    """What a model's server takes, as far as is known.

    Attributes
    ----------
    most : int or None
        Answers in one request; None for any number.
    max_tokens, seed, system, top_p, temperature : bool
        Whether requests carry the field ``max_tokens`` (otherwise ``max_completion_tokens``), a
        seed, a message of the system (otherwise the user's message says both), ``top_p``
        and ``temperature`` (otherwise left at 1, their default).
    """

    most: int | None = None
    max_tokens: bool = True
    seed: bool = True
    system: bool = True
    top_p: bool = True
    temperature: bool = True

    def body(self, prompt: Prompt, sampling: Sampling, n: int, seed: int) -> dict[str, Any]:
        """Return what is sent for `n` answers, or as many as may be asked for at once."""
        sent: dict[str, Any] = {"messages": prompt.messages(system_role=self.system)}
        # Sent at their default too, as servers of one's own often have another one.
        if self.temperature or sampling.temperature != 1:
            sent["temperature"] = sampling.temperature
        if self.top_p or sampling.top_p != 1:
            sent["top_p"] = sampling.top_p
        name = "max_tokens" if self.max_tokens else "max_completion_tokens"
        sent[name] = sampling.max_new_tokens
        if self.seed:
            sent["seed"] = seed
        several = min(n, self.most or n)
        if several > 1:
            sent["n"] = several
        return sent

    def left_out(self) -> set[str]:
        """Return the fields that requests do without."""
        return {field for field in LEFT_OUT if not getattr(self, field)}

    def narrowed(self, other: Form) -> Form:
        """Return what both take."""
        limits = [form.most for form in (self, other) if form.most is not None]
        flags = {field: getattr(self, field) and getattr(other, field) for field in LEFT_OUT}
        return Form(most=min(limits, default=None), **flags)


def features(sent: Mapping[str, Any]) -> set[str]:
    """Return which fields of a form a request made use of."""
    used = {"max_tokens", "seed", "top_p", "temperature"} & set(sent)
    return used | {"system"} if sent["messages"][0]["role"] == "system" else used


class Refusals:
    """Finds what to leave out of one request, refusal by refusal.

    Where the server names what it refuses, that is left out for good. Where it does not, what
    it has not taken before is left out in turn, one thing at a time, beginning with the number
    of answers; what did not help is put back.

    Parameters
    ----------
    form : Form
        What is known of the server.
    taken : set of str
        Fields of a form that the server has taken before.
    most_taken : int
        The largest number of answers that it has given to one request.
    """

    def __init__(self, form: Form, taken: set[str], most_taken: int) -> None:
        self.form = form
        self._taken, self._most_taken = taken, most_taken
        # The refusal that is being looked into, the form it met, and what is yet to be tried.
        self._first: Failure | None = None
        self._base = form
        self._trials: list[Form] = []

    def adapt(self, failure: Failure, sent: Mapping[str, Any]) -> Failure | None:
        """Change the form; return the failure to report where nothing is left to change."""
        n = sent.get("n", 1)
        if failure.status == 500 and failure.passes:
            # A server in trouble recovers by itself, so nothing that counts is left out.
            if n <= max(1, self._most_taken):
                return failure
            self.form = replace(self.form, most=n // 2)
            return None
        named = self._named(failure, sent)
        if named is not None:
            self.form, self._first = named, None
            return None
        if not _is_unexplained(failure, sent):
            return failure
        if self._first is None or _plain(failure) != _plain(self._first):
            # Also where the server complains of another thing now: the last change helped.
            self._first, self._base = failure, self.form
            self._trials = self._to_try(sent)
        if not self._trials:
            return self._first
        self.form = self._trials.pop(0)
        return None

    def _named(self, failure: Failure, sent: Mapping[str, Any]) -> Form | None:
        """Return the form without what a refusal names, None if it names nothing to leave out."""
        form, used = self.form, features(sent)
        n = sent.get("n", 1)
        if n > 1 and (failure.names("n") or failure.is_too_much):
            # Others of this batch may have found it out meanwhile.
            return replace(form, most=min(form.most or n, n // 2))
        if failure.names("max_tokens") or failure.names("max_completion_tokens"):
            if "max_tokens" in used and _UNKNOWN.search(failure.text):
                return replace(form, max_tokens=False)
            raise InputError(
                "max_new_tokens",
                f"a number that the model refuses ({failure.status}: {failure.said})",
                "one that it takes",
            )
        if "seed" in used and failure.names("seed"):
            return replace(form, seed=False)
        named = [field for field in ("top_p", "temperature") if failure.names(field)]
        named = [field for field in named if field in used]
        for field in named:
            if sent[field] == 1:
                return replace(form, **{field: False})
        if named:
            raise InputError(
                named[-1],
                f"{' and '.join(f'{field} = {sent[field]:g}' for field in named)} for a model "
                f"that refuses it ({failure.status}: {failure.said})",
                "sampling settings that the model has: 1 leaves the choice to the server",
            )
        if "system" in used and failure.is_role:
            return replace(form, system=False)
        return None

    def _to_try(self, sent: Mapping[str, Any]) -> list[Form]:
        trials, n, base = [], sent.get("n", 1), self._base
        if n > self._most_taken:
            while n > 1:
                n //= 2
                trials.append(replace(base, most=n))
        untaken = features(sent) - self._taken
        # A setting that is not at its default is not left out in silence.
        untaken -= {field for field in ("top_p", "temperature") if sent.get(field) != 1}
        order = ("system", "top_p", "temperature", "seed")
        return trials + [replace(base, **{field: False}) for field in order if field in untaken]


def _is_unexplained(failure: Failure, sent: Mapping[str, Any]) -> bool:
    """Whether a refusal may be one of the request's form, without saying so."""
    if failure.status not in (400, 422, 501):
        return False
    if failure.is_context or failure.is_no_credit or failure.is_key:
        return False
    blames_model = str(sent.get("model")) in failure.text or failure.names("model")
    return not blames_model or bool(_CAPABILITY.search(failure.text))


def _plain(failure: Failure) -> str:
    """Return a refusal without its numbers, among them what was asked for and names of requests."""
    return re.sub(r"\S*\d\S*", "", failure.text)
