"""Language models of GGUF files, through llama.cpp."""

from __future__ import annotations

import string
from collections.abc import Callable, Sequence
from functools import cached_property

from lwdstats.dataset.answer_text import marks_reasoning
from lwdstats.errors import InputError
from lwdstats.simulate.models.gguf.engine import Engine
from lwdstats.simulate.models.gguf.header import ADDED, CONTROL, Header, sha256_of
from lwdstats.simulate.models.gguf.tokenizer import GgufTokenizer
from lwdstats.simulate.models.local.rendering import decode, encode, opening, render
from lwdstats.simulate.models.protocol import Answer, Prompt, Sampling

# Seeds have 32 bits, the last of which stands for chance; with room for those of the rows.
_SEEDS = 2**32 - 2**24
# Answers written together; llama.cpp takes 256 at most.
_ROWS = 64
# What a sentence may end in, and the next begin with. llama.cpp looks for texts only; what
# ends otherwise is written on, and cut later.
_ENDS = [end + close for end in ".!?" for close in ("", '"', "”", ")")]
_MARKS = [end + space for end in _ENDS for space in (" ", "\n")] + ["。", "！", "？"]
_CAPITALS = string.ascii_uppercase


class GgufModel:
    """A language model of a GGUF file.

    Parameters
    ----------
    name : str
        What specifications call it.
    header : Header
        Of its file.

    Raises
    ------
    InputError
        If llama.cpp is not installed or can't load it.

    Notes
    -----
    Answer i to a prompt has a stream of its own, from the seed s + i. All are written
    together behind the prompt, which is read once, from an empty cache: so the same call gives
    the same answers on the same machine, with as many threads and the same llama.cpp, whatever
    was asked before. Another number of answers may turn a token, as sums round otherwise.

    An answer ends where `stop` is true of it just after the end of a sentence. Where a full
    stop was none, as after "U.S.", the answer goes on by itself, from a seed of its own.
    """

    packages = ("xllamacpp",)

    def __init__(self, name: str, header: Header) -> None:
        self.name = name
        self.engine = Engine(header, name=name, argument="models")
        self.tokenizer = GgufTokenizer(self.engine)
        self.context_length = header.context
        self.threads = self.engine.threads
        # So that a file that can't be loaded is told of before the run.
        self.engine.hold(1, 1)
        self.dtype = str(self.engine.ask("/props")["model_ftype"])
        self.device = self.engine.said["device"]
        words = header.words(CONTROL, ADDED).values()
        self._reasons = any(map(marks_reasoning, words))

    @cached_property
    def seen(self) -> dict[str, set[str]]:
        """What the file is, whatever it is called, and for which processors llama.cpp is made."""
        return {
            "sha256": {sha256_of(self.engine.header.path)},
            "quantisation": {self.dtype},
            "system": {self.engine.said["system"]},
        }

    seeded = True

    def render(self, prompt: Prompt) -> str:
        """Return the prompt as the one text that the model continues."""
        return render(self.tokenizer, prompt)

    def count_tokens(self, prompt: Prompt) -> int:
        """Return the number of tokens of the rendered prompt."""
        return len(encode(self.tokenizer, prompt))

    def generate(
        self,
        prompt: Prompt,
        n: int,
        *,
        seed: int,
        sampling: Sampling,
        stop: Callable[[str], bool] | None = None,
    ) -> list[Answer]:
        """Return `n` answers to one prompt, which is read once.

        Raises
        ------
        InputError
            If prompt and answer are longer than the model's context.
        """
        ids = encode(self.tokenizer, prompt)
        longest = len(ids) + sampling.max_new_tokens
        if self.context_length is not None and longest > self.context_length:
            got = f"a prompt and an answer of {longest} tokens for {self.name!r}"
            raise InputError("models", got, f"at most {self.context_length}, the model's context")
        # Without chance all answers are one.
        rows = 1 if sampling.temperature == 0 else n
        together = min(rows, _ROWS)
        self.engine.hold(len(ids) + together * sampling.max_new_tokens, together)
        begun = opening(self.tokenizer, prompt)
        marks = [] if self._reasons else _marks(stop, begun)
        first = seed % _SEEDS
        written: list[tuple[list[int], bool]] = []
        while len(written) < rows:
            some = min(rows - len(written), _ROWS)
            most = sampling.max_new_tokens
            written += self._write(
                ids, some, first + len(written), sampling, most, marks, fresh=not written
            )
        answers = []
        for row, (tokens, ended) in enumerate(written):
            text = begun + decode(self.tokenizer, tokens)
            again = 0
            while not ended and stop is not None and not stop(text):
                again += 1
                left = sampling.max_new_tokens - len(tokens)
                own = (first + row + again * 7_919_000_003) % _SEEDS
                ((more, ended),) = self._write(
                    ids + tokens, 1, own, sampling, left, _marks(stop, text), fresh=False
                )
                tokens += more
                text = begun + decode(self.tokenizer, tokens)
            answers.append(Answer(text, len(tokens)))
        return answers * (n if sampling.temperature == 0 else 1)

    def _write(
        self,
        ids: Sequence[int],
        rows: int,
        seed: int,
        sampling: Sampling,
        most: int,
        marks: Sequence[str],
        *,
        fresh: bool,
    ) -> list[tuple[list[int], bool]]:
        """Return the tokens of each row, and whether it ended for another reason than a mark."""
        sent = {
            "prompt": list(ids),
            "n": rows,
            "n_predict": most,
            "seed": seed,
            # These alone, in the order in which others apply them.
            "samplers": ["temperature", "top_p"],
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "stop": list(marks),
            "return_tokens": True,
            "id_slot": 0,
            # What goes on finds the prompt where it was read.
            "cache_prompt": not fresh,
        }
        tokens: list[list[int]] = [[] for _ in range(rows)]
        ended = [False] * rows
        for part in self.engine.stream("/completion", sent):
            tokens[part["index"]] += part["tokens"]
            if part["stop"]:
                full = len(tokens[part["index"]]) >= most
                ended[part["index"]] = full or part["stop_type"] != "word"
        return list(zip(tokens, ended, strict=True))


def _marks(stop: Callable[[str], bool] | None, text: str) -> list[str]:
    """Return the marks that would end a text if a sentence came next."""
    if stop is None:
        return []
    marks = []
    for mark in _MARKS:
        said = f"{text} It rains{mark}"
        if stop(said):
            marks.append(mark)
        elif stop(f"{said}I"):
            # Only how the text goes on shows that the sentence has ended.
            marks += [mark + capital for capital in _CAPITALS]
    return marks
