"""Language models behind a server that speaks OpenAI's protocol."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from lwdstats.errors import check_integer
from lwdstats.simulate.models.protocol import (
    Answer,
    Meter,
    Prompt,
    Sampling,
    Settle,
    estimate_tokens,
)
from lwdstats.simulate.models.server import loop
from lwdstats.simulate.models.server.chat import (
    FILTERED,
    REASONING,
    Reply,
    context_of,
    encoding,
    filtered,
    read_reply,
    usage_of,
)
from lwdstats.simulate.models.server.endpoint import OnServer
from lwdstats.simulate.models.server.form import LEFT_OUT, Form, Refusals, features
from lwdstats.simulate.models.server.reading import Reading
from lwdstats.simulate.models.server.retry import Failure

logger = logging.getLogger(__name__)

# Seeds fit 31 bits, which every server takes, with room for that of the last answer.
_SEEDS = 2**31 - 2**20
# How often an answer without text is asked for before it counts as an empty answer.
_EMPTY_TRIES = 2
# Tokens that a chat template adds to a prompt at most.
_TEMPLATE = 256


class OpenAIModel(OnServer):
    """A language model behind a server that speaks OpenAI's chat protocol.

    vLLM, llama.cpp, ``transformers serve`` and paid services have it. The key
    comes from the environment only; a server on this machine needs none.

    Parameters
    ----------
    model : str
        The name by which the server knows the model.
    base_url : str, optional
        Address of the server, such as ``"http://localhost:8000/v1"``. By default
        the variable OPENAI_BASE_URL, or else OpenAI's own.
    api_key_env : str
        Name of the environment variable that holds the key.
    concurrency : int
        Requests under way at a time. Use 1 where the server has one random
        stream for all requests, as ``transformers serve`` does.
    timeout : float
        Seconds that one request may take before it counts as failed.
    max_retries : int
        How often a request that failed is sent again, after waits that double
        from half a second to a minute: by default about ten minutes in all.
    n_per_request : int or "auto"
        Answers to ask for in one request. "auto" asks for all, and for fewer
        where the server refuses or gives one only.
    context_length : int, optional
        In tokens; by default what the server's list of models says, if it does.

    Attributes
    ----------
    seeded : bool
        Whether requests carry seeds; false once the server has refused them.
    seen : dict
        What replies have said so far, each a set: the models and system fingerprints that
        they named, what the server refused so that it is `left_out` of requests, and why
        answers are `missing`.

    Raises
    ------
    InputError
        If an argument can't be used, or OpenAI's own server is meant and there
        is no key.

    Notes
    -----
    Answer i of a batch has the seed s + i, where s comes from the seed of the
    batch. A request for answers i, ..., j carries s + i, which vLLM turns into
    the same s + i, ..., s + j for its choices. So an answer has the same seed
    however the batch was split and whatever was sent again. Whether the same
    seed gives the same answer is up to the server.

    At temperature 0 one answer is asked for and repeated, as in
    `TransformersModel`. A server may add sampling settings of its own, such as top-k;
    its documentation says how to switch them off.

    After a failure that may pass (429, 5xx, a timeout, a cut connection, a reply that
    can't be read) the request is sent again; one that will not pass (401, 403, 404, 400)
    ends the run at once. An answer without text is asked for a second time, and counts
    as empty if it has none then. What a content filter refuses is an empty answer.

    What a server refuses to be asked in (several answers at once, seeds, a message of the
    system, ``top_p`` beside ``temperature``) is left out of further requests, where that
    changes no setting: ``docs/endpoints.md`` says what for which server.

    Examples
    --------
    >>> model = OpenAIModel("HuggingFaceTB/SmolLM2-135M-Instruct", "http://localhost:8000/v1")
    >>> model
    OpenAIModel('HuggingFaceTB/SmolLM2-135M-Instruct', 'http://localhost:8000/v1')
    >>> model.count_tokens(Prompt((), "What will Bitcoin be worth?"))
    7
    """

    packages = ("openai",)

    def __init__(
        self,
        model: str,
        base_url: str | None = None,
        *,
        api_key_env: str = "OPENAI_API_KEY",
        concurrency: int = 8,
        timeout: float = 300.0,
        max_retries: int = 20,
        n_per_request: int | str = "auto",
        context_length: int | None = None,
    ) -> None:
        if n_per_request != "auto":
            check_integer("n_per_request", n_per_request, minimum=1)
        if context_length is not None:
            check_integer("context_length", context_length, minimum=1)
        super().__init__(
            model,
            base_url,
            api_key_env=api_key_env,
            concurrency=concurrency,
            timeout=timeout,
            max_retries=max_retries,
        )
        names = ("model", "system_fingerprint", "left_out", "missing")
        self.seen: dict[str, set[str]] = {name: set() for name in names}
        self._context_length = context_length
        self._asked_for_context = context_length is not None
        # What the server has been found to take.
        self._form = Form(most=None if n_per_request == "auto" else int(n_per_request))
        self._taken: set[str] = set()
        self._most_taken = 0
        self._n_single = 0
        self._reading = Reading()
        self._warned_of_cut = False

    @property
    def seeded(self) -> bool:
        """Whether requests carry seeds."""
        return self._form.seed

    @seeded.setter
    def seeded(self, value: bool) -> None:
        self._form = replace(self._form, seed=value)

    @property
    def n_cut(self) -> int:
        """How many prompts the server seems to have cut."""
        return len(self._reading.cut)

    @property
    def context_length(self) -> int | None:
        """Largest number of tokens of a prompt and its answer, or None where unknown."""
        if not self._asked_for_context:
            self._context_length = context_of(self.model, loop.run(self.endpoint.listing()))
            self._asked_for_context = True
        return self._context_length

    def count_tokens(self, prompt: Prompt) -> int:
        """Return an estimate of the length of a prompt in tokens.

        By tiktoken where it is installed and knows the model; otherwise a token
        for every four characters, which is too few for most languages but English.
        """
        text = self._text(prompt)
        known = encoding(self.model)
        if known is not None:
            return len(known.encode(text, disallowed_special=()))
        return estimate_tokens(text)

    def generate(
        self,
        prompt: Prompt,
        n: int,
        *,
        seed: int,
        sampling: Sampling,
        stop: Callable[[str], bool] | None = None,
        meter: Meter | None = None,
    ) -> list[Answer]:
        """Return `n` answers to one prompt.

        `stop` is not used: an answer comes whole. `meter` hears of each request.

        Raises
        ------
        InputError
            If the server refuses the key, the model, or the length of the prompt.
        BackendError
            If the server keeps failing, or refuses for another reason.
        """
        asked = 1 if sampling.temperature == 0 else n
        answers, counted = loop.run(self._batch(prompt, asked, seed, sampling, meter))
        evidence = self._reading.note(self._text(prompt), counted)
        if evidence:
            self._warn_of_cut(evidence)
        return answers * n if asked < n else answers

    def most_tokens(self, prompt: Prompt, n: int, sampling: Sampling) -> tuple[int, int]:
        """Return the most tokens that are read and written for `n` answers, where nothing fails.

        A tokenizer makes at most one token of a byte.
        """
        n = 1 if sampling.temperature == 0 else n
        n_requests = -(-n // min(n, self._form.most or n))
        read = len(self._text(prompt).encode("utf-8", "surrogatepass")) + _TEMPLATE
        return n_requests * read, n * sampling.max_new_tokens

    def _text(self, prompt: Prompt) -> str:
        messages = prompt.messages(system_role=self._form.system)
        return "\n".join(message["content"] for message in messages)

    async def _batch(
        self, prompt: Prompt, n: int, seed: int, sampling: Sampling, meter: Meter | None
    ) -> tuple[list[Answer], int]:
        """Return answers, and the tokens that the server counted of the prompt at most."""
        answers: dict[int, Answer] = {}
        n_empty = dict.fromkeys(range(n), 0)
        counted = 0
        while len(answers) < n:
            missing = [i for i in range(n) if i not in answers]
            groups = _runs(missing, self._form.most or n)
            replies = await loop.all_or_first_error(
                [self._ask(prompt, group, seed % _SEEDS, sampling, meter) for group in groups]
            )
            for group, reply in zip(groups, replies, strict=True):
                counted = max(counted, reply.prompt_tokens)
                for place, answer in reply.answers.items():
                    i = group[place]
                    n_empty[i] += not answer.text
                    if answer.text or place in reply.lacking or n_empty[i] >= _EMPTY_TRIES:
                        answers[i] = answer
        return [answers[i] for i in range(n)], counted

    async def _ask(
        self,
        prompt: Prompt,
        group: Sequence[int],
        first_seed: int,
        sampling: Sampling,
        meter: Meter | None,
    ) -> Reply:
        """Return at least one of the answers in `group`, by their places in it."""
        sent: dict[str, Any] = {}
        bill = _Bill(meter)
        refusals = Refusals(self._form, self._taken, self._most_taken)

        def send(client: Any) -> Any:
            # Built anew for every try, since a refusal may have changed what we send, and
            # another request may have found out more.
            refusals.form = refusals.form.narrowed(self._form)
            sent.clear()
            body = refusals.form.body(prompt, sampling, len(group), first_seed + group[0])
            sent.update(model=self.model, **body)
            read, written = self.most_tokens(prompt, 1, sampling)
            bill.begin(read, written * sent.get("n", 1))
            return client.chat.completions.with_raw_response.create(**sent)

        def read(payload: Any) -> Reply:
            self._note(payload)
            return read_reply(payload, sent.get("n", 1))

        def adapt(failure: Failure) -> Failure | None:
            if failure.is_filtered:
                raise _FilteredError(failure.said)
            return refusals.adapt(failure, sent)

        def heard(payload: Any, failure: Failure | None) -> None:
            bill.end(payload, failure, self.count_tokens(prompt))

        try:
            reply = await self.endpoint.ask(send, read, adapt, heard)
        except _FilteredError as said:
            reply = filtered(sent.get("n", 1), str(said))
        else:
            self._learn(sent, refusals.form, len(reply.answers))
        for why in reply.lacking.values():
            self._say_missing(why, sampling)
        return reply

    def _learn(self, sent: Mapping[str, Any], form: Form, given: int) -> None:
        """Keep what the server takes, and what it was found to refuse."""
        for field in form.left_out() - self._form.left_out():
            level = logging.INFO if field == "max_tokens" else logging.WARNING
            logger.log(level, "%s refuses %s", self.name, LEFT_OUT[field])
            self.seen["left_out"].add(LEFT_OUT[field])
        if form.most != self._form.most:
            logger.info("%s: at most %s answers in one request", self.name, form.most)
        self._form = self._form.narrowed(form)
        self._taken |= features(sent)
        self._most_taken = max(self._most_taken, given)
        # One answer a request is asked for after the server has twice given one of several.
        self._n_single += given == 1 and sent.get("n", 1) > 1
        if self._most_taken == 1 and self._n_single >= 2:
            logger.info("%s gives one answer a request", self.name)
            self._form = self._form.narrowed(Form(most=1))

    def _say_missing(self, why: str, sampling: Sampling) -> None:
        said = "refused by a content filter"
        if why == REASONING:
            said = (
                f"all {sampling.max_new_tokens} tokens were used before there was an answer, by "
                "reasoning; raise max_new_tokens"
            )
        elif why != FILTERED:
            said += f" ({why})"
        if said not in self.seen["missing"] and len(self.seen["missing"]) < 100:
            logger.warning("%s: an answer is missing: %s", self.name, said)
            self.seen["missing"].add(said)

    def _warn_of_cut(self, evidence: str) -> None:
        """Warn once of a server that does not read prompts whole."""
        if self._warned_of_cut:
            return
        self._warned_of_cut = True
        said = (
            f"{self.name} seems to cut long prompts without an error: {evidence}. Then fewer "
            "posts than n_retrieved are read; give the server a longer context, or lower "
            "n_steps or beta"
        )
        logger.warning("%s", said)
        warnings.warn(said, stacklevel=2)

    def _note(self, payload: Any) -> None:
        for field in ("model", "system_fingerprint"):
            value = payload.get(field) if isinstance(payload, dict) else None
            if isinstance(value, str) and len(self.seen[field]) < 100:
                self.seen[field].add(value[:200])


class _Bill:
    """Tells a meter of one request, try by try."""

    def __init__(self, meter: Meter | None) -> None:
        self._meter, self._most = meter, (0, 0)
        self._settle: Settle | None = None

    def begin(self, read: int, written: int) -> None:
        """Tell what a try takes at most, before it is sent."""
        if self._meter is not None:
            self._most, self._settle = (read, written), self._meter.before(read, written)

    def end(self, payload: Any, failure: Failure | None, estimated: int) -> None:
        """Tell what it took; `estimated` are the tokens of its prompt where nobody counts them."""
        settle, self._settle = self._settle, None
        if settle is None:
            return
        read, written = usage_of(payload)
        if read is not None and written is not None:
            settle(read, written, "server")
        elif failure is None:
            answers = read_reply(payload, len(payload["choices"])).answers.values()
            settle(read or estimated, sum(answer.n_tokens for answer in answers), "count")
        elif failure.kind in ("status", "refused"):
            # What a server refuses, or nobody has read, costs nothing.
            settle(0, 0, "server")
        else:
            settle(*self._most, "at most")


class _FilteredError(Exception):
    """A request that a content filter refuses as a whole."""


def _runs(numbers: Sequence[int], most: int) -> list[list[int]]:
    """Return ascending numbers as runs without gaps of at most `most`."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and len(runs[-1]) < most and runs[-1][-1] == number - 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return runs
