"""Language models behind a server that speaks OpenAI's protocol."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Sequence
from typing import Any

from lwdstats.errors import check_integer
from lwdstats.simulate.models.protocol import Answer, Prompt, Sampling, estimate_tokens
from lwdstats.simulate.models.server import loop
from lwdstats.simulate.models.server.chat import context_of, encoding, read_choices
from lwdstats.simulate.models.server.endpoint import OnServer
from lwdstats.simulate.models.server.retry import Failure

logger = logging.getLogger(__name__)

# Seeds fit 31 bits, which every server takes, with room for that of the last answer.
_SEEDS = 2**31 - 2**20
# How often an answer without text is asked for before it counts as an empty answer.
_EMPTY_TRIES = 2


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
        The models and system fingerprints that replies named, each a set.

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
    as empty if it has none then.

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
        self.seeded = True
        self.seen: dict[str, set[str]] = {"model": set(), "system_fingerprint": set()}
        self._context_length = context_length
        self._asked_for_context = context_length is not None
        # What the server has been found to take.
        self._most = None if n_per_request == "auto" else int(n_per_request)
        self._gives_several = False
        self._n_single = 0
        self._length_field = "max_tokens"
        self._has_system_role = True

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
        messages = prompt.messages(system_role=self._has_system_role)
        text = "\n".join(message["content"] for message in messages)
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
    ) -> list[Answer]:
        """Return `n` answers to one prompt.

        `stop` is not used: an answer comes whole.

        Raises
        ------
        InputError
            If the server refuses the key, the model, or the length of the prompt.
        BackendError
            If the server keeps failing, or refuses for another reason.
        """
        if sampling.temperature == 0:
            return loop.run(self._batch(prompt, 1, seed, sampling)) * n
        return loop.run(self._batch(prompt, n, seed, sampling))

    async def _batch(self, prompt: Prompt, n: int, seed: int, sampling: Sampling) -> list[Answer]:
        answers: dict[int, Answer] = {}
        n_empty = dict.fromkeys(range(n), 0)
        while len(answers) < n:
            missing = [i for i in range(n) if i not in answers]
            groups = _runs(missing, self._most or n)
            replies = await loop.all_or_first_error(
                [self._ask(prompt, group, seed % _SEEDS, sampling) for group in groups]
            )
            for i, answer in itertools.chain.from_iterable(reply.items() for reply in replies):
                n_empty[i] += not answer.text
                if answer.text or n_empty[i] >= _EMPTY_TRIES:
                    answers[i] = answer
        return [answers[i] for i in range(n)]

    async def _ask(
        self, prompt: Prompt, group: Sequence[int], first_seed: int, sampling: Sampling
    ) -> dict[int, Answer]:
        """Return at least one of the answers in `group`, by their numbers in the batch."""
        sent: dict[str, Any] = {}

        def send(client: Any) -> Any:
            # Built anew for every try, since a refusal may have changed what we send.
            sent.clear()
            sent.update(
                model=self.model,
                messages=prompt.messages(system_role=self._has_system_role),
                temperature=sampling.temperature,
                top_p=sampling.top_p,
            )
            sent[self._length_field] = sampling.max_new_tokens
            if self.seeded:
                sent["seed"] = first_seed + group[0]
            several = min(len(group), self._most or len(group))
            if several > 1:
                sent["n"] = several
            return client.chat.completions.with_raw_response.create(**sent)

        def read(payload: Any) -> dict[int, Answer]:
            self._note(payload)
            return read_choices(payload, sent.get("n", 1))

        reply = await self.endpoint.ask(send, read, lambda failure: self._adapt(failure, sent))
        self._learn(sent.get("n", 1), len(reply))
        return {group[place]: answer for place, answer in reply.items()}

    def _adapt(self, failure: Failure, sent: dict[str, Any]) -> bool:
        """Leave out what the server refuses; return whether to send the request again."""
        n = sent.get("n", 1)
        if n > 1 and failure.names("n"):
            # Others of this batch may have found it out meanwhile.
            self._most = min(self._most or n, n // 2)
            logger.info("%s: no %d answers in one request", self.name, n)
            return True
        if "max_tokens" in sent and failure.names("max_tokens"):
            self._length_field = "max_completion_tokens"
            return True
        if "seed" in sent and failure.names("seed"):
            if self.seeded:
                logger.warning("%s takes no seeds; a rerun gives other answers", self.name)
            self.seeded = False
            return True
        has_system = sent["messages"][0]["role"] == "system"
        if has_system and failure.status == 400 and "system role" in failure.text.lower():
            self._has_system_role = False
            return True
        return False

    def _learn(self, asked: int, given: int) -> None:
        """Ask for one answer a request after a server has twice given one of several."""
        if asked == 1:
            return
        self._gives_several |= given > 1
        self._n_single += given == 1
        if not self._gives_several and self._n_single >= 2:
            logger.info("%s gives one answer a request", self.name)
            self._most = 1

    def _note(self, payload: Any) -> None:
        for field, values in self.seen.items():
            value = payload.get(field) if isinstance(payload, dict) else None
            if isinstance(value, str) and len(values) < 100:
                values.add(value[:200])


def _runs(numbers: Sequence[int], most: int) -> list[list[int]]:
    """Return ascending numbers as runs without gaps of at most `most`."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and len(runs[-1]) < most and runs[-1][-1] == number - 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return runs
