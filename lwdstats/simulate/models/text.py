"""A model that always says the same, by a name such as "text:Buy Bitcoin now."."""

from __future__ import annotations

from collections.abc import Callable

from lwdstats.errors import InputError
from lwdstats.simulate.models.protocol import Answer, Backend, ModelFacts, Prompt, Sampling

PREFIX = "text:"


class TextModel:
    """A bot: whatever it is asked, its answer is one text, which costs no tokens.

    Examples
    --------
    >>> bot = TextModel("text:Buy Bitcoin now.")
    >>> bot.generate(Prompt((), "What is gold?"), 2, seed=1, sampling=Sampling())
    [Answer(text='Buy Bitcoin now.', n_tokens=0), Answer(text='Buy Bitcoin now.', n_tokens=0)]
    """

    context_length = None
    device = "none"
    dtype = "text"

    def __init__(self, name: str) -> None:
        self.name = name

    def count_tokens(self, prompt: Prompt) -> int:
        """Return 0: it reads nothing."""
        del prompt
        return 0

    def generate(
        self,
        prompt: Prompt,
        n: int,
        *,
        seed: int,
        sampling: Sampling,
        stop: Callable[[str], bool] | None = None,
    ) -> list[Answer]:
        """Return its text `n` times."""
        del prompt, seed, sampling, stop
        return [Answer(self.name.removeprefix(PREFIX), 0)] * n


class TextBackend(Backend):
    """Names that begin with ``"text:"``."""

    def check(self, name: str, argument: str) -> None:
        """Raise for a text of nothing, and for an embedder."""
        if argument == "embedder":
            self.load_embedder(name, normalize=False)
        if not name.removeprefix(PREFIX).strip():
            raise InputError(argument, repr(name), "a text behind 'text:'")

    def facts(self, name: str) -> ModelFacts:
        """Return that it reads nothing and takes no memory."""
        return ModelFacts(self.load_model(name).count_tokens, "tokenizer", None, 0.0, 0.0)

    def load_model(self, name: str) -> TextModel:
        """Return the bot of that name."""
        return TextModel(name)


def fixed_text(model: object) -> str | None:
    """Return what a model, or one of that name, always answers; None where that is not known."""
    name = model.name if isinstance(model, TextModel) else model
    if not isinstance(name, str) or not name.startswith(PREFIX):
        return None
    return name.removeprefix(PREFIX)
