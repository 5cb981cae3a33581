"""A GGUF file's words and chat template, with the methods that rendering asks of a tokenizer."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lwdstats.simulate.models.gguf.engine import Engine
from lwdstats.simulate.models.gguf.header import ADDED, CONTROL

_TEMPLATE = "tokenizer.chat_template"


@dataclass(frozen=True)
class AddedToken:
    """A word that is read as one token wherever it stands."""

    content: str
    special: bool


class GgufTokenizer:
    """From texts to tokens and back, by llama.cpp, and from messages to texts, by jinja2.

    Parameters
    ----------
    engine : Engine
        Of the model.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine, self.name_or_path = engine, engine.name
        header = engine.header
        control = header.words(CONTROL)
        self.added_tokens_decoder = {
            token: AddedToken(word, token in control)
            for token, word in header.words(CONTROL, ADDED).items()
        }
        self.all_special_ids = list(control)
        self.all_special_tokens = list(control.values())
        named = {
            key.removeprefix(_TEMPLATE).removeprefix(".") or "default": str(value)
            for key, value in header.settings.items()
            if key == _TEMPLATE or key.startswith(f"{_TEMPLATE}.")
        }
        self.chat_template: Mapping[str, str] | None = named or None
        words = header.settings.get("tokenizer.ggml.tokens")
        self._named = {}
        for kind in ("bos", "eos", "unknown", "padding"):
            token = header.settings.get(f"tokenizer.ggml.{kind}_token_id")
            if isinstance(token, int) and isinstance(words, list):
                name = {"unknown": "unk", "padding": "pad"}.get(kind, kind)
                self._named[f"{name}_token"] = str(words[token])

    def __call__(self, text: str, *, add_special_tokens: bool) -> dict[str, list[int]]:
        """Return the tokens of a text, with those that begin and end one if asked for."""
        sent = {"content": text, "add_special": add_special_tokens, "parse_special": True}
        return {"input_ids": self.engine.ask("/tokenize", sent)["tokens"]}

    def decode(self, tokens: Sequence[int], *, skip_special_tokens: bool = False) -> str:
        """Return the text of tokens."""
        hidden = set(self.all_special_ids) if skip_special_tokens else set()
        shown = [token for token in tokens if token not in hidden]
        return str(self.engine.ask("/detokenize", {"tokens": shown})["content"])

    def apply_chat_template(
        self,
        messages: Sequence[Mapping[str, Any]],
        *,
        chat_template: str,
        tokenize: bool,
        add_generation_prompt: bool,
        **data: Any,
    ) -> str:
        """Return messages as the one text that a template makes of them."""
        del tokenize
        # Where a model has no template there is no need for it.
        from jinja2 import TemplateError
        from jinja2.ext import loopcontrols
        from jinja2.sandbox import ImmutableSandboxedEnvironment

        def refuse(message: str) -> None:
            raise TemplateError(message)

        # The settings that templates are written for.
        world = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols]
        )
        world.filters["tojson"] = _to_json
        world.globals["raise_exception"] = refuse
        world.globals["strftime_now"] = lambda form: datetime.now().astimezone().strftime(form)
        return world.from_string(chat_template).render(
            messages=messages, add_generation_prompt=add_generation_prompt, **self._named, **data
        )


def _to_json(value: Any, indent: int | None = None, *, ensure_ascii: bool = False) -> str:
    return json.dumps(value, indent=indent, ensure_ascii=ensure_ascii)
