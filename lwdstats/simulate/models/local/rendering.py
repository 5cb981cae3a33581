"""From a prompt to the tokens that a model of the transformers library continues."""

from __future__ import annotations

import html
import json
import re
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import Any

from lwdstats.dataset.answer_text import marks_reasoning, opening_at_end
from lwdstats.errors import InputError
from lwdstats.simulate.models.protocol import Prompt

# Of system prompt and user's message, to see what a template does with them.
_PROBE = Prompt((), "lwdstats asks 1c7e", "lwdstats says 9f3a")


def chat_template(tokenizer: Any) -> str | None:
    """Return a tokenizer's chat template: of several with names the default, or the only one."""
    template = tokenizer.chat_template
    if not template:
        return None
    if isinstance(template, list):
        template = {one["name"]: one["template"] for one in template}
    if isinstance(template, str):
        return template
    found = template.get("default", next(iter(template.values())) if len(template) == 1 else None)
    if found is None:
        got = f"chat templates {', '.join(map(repr, template))}, none of them 'default'"
        raise InputError("models", got, "a tokenizer with a default chat template")
    return str(found)


def render(tokenizer: Any, prompt: Prompt) -> str:
    """Return the prompt as one text, by the tokenizer's chat template if it has one.

    Raises
    ------
    InputError
        If the template leaves out what the model is asked.
    """
    template = chat_template(tokenizer)
    if template is None:
        return prompt.plain
    # Not needed where a model has no template.
    from jinja2.exceptions import TemplateError

    probe = replace(_PROBE, system=_PROBE.system if prompt.system else None)
    reason = "leaves out the user's message"
    # Some templates know no system role, and raise or leave it out without a word; some
    # take a text only as one of several parts.
    for in_parts in (False, True):
        for system_role in (True, False) if prompt.system else (True,):
            form = {"system_role": system_role, "in_parts": in_parts}
            try:
                if _holds(_apply(tokenizer, template, probe, **form), probe):
                    text = _apply(tokenizer, template, prompt, **form)
                    if _holds(text, prompt):
                        return text
            except (TemplateError, TypeError) as error:
                reason = str(error)
    name = getattr(tokenizer, "name_or_path", "") or type(tokenizer).__name__
    raise InputError("models", f"{name!r}, whose chat template fails: {reason}", "another model")


def _apply(
    tokenizer: Any, template: str, prompt: Prompt, *, system_role: bool, in_parts: bool
) -> str:
    messages: Any = prompt.messages(system_role=system_role)
    if in_parts:
        for message in messages:
            message["content"] = [{"type": "text", "text": message["content"]}]
    data: dict[str, Any] = {}
    if prompt.date is not None and "strftime_now" in template:
        template = _OWN_DATE + template
        data["lwdstats_date"] = _directives(prompt.date)
    text = tokenizer.apply_chat_template(
        messages, chat_template=template, tokenize=False, add_generation_prompt=True, **data
    )
    return str(text)


# In place of the library's function, which tells the time of now; the library hands
# templates data alone, no functions. The line break is of the tag and is not written.
_OWN_DATE = """\
{%- macro strftime_now(format) -%}
{%- set told = namespace(text=format) -%}
{%- for code, value in lwdstats_date.items() -%}
{%- set told.text = told.text.replace(code, value) -%}
{%- endfor -%}
{{- told.text -}}
{%- endmacro %}
"""


@lru_cache(maxsize=16)
def _directives(date: str) -> dict[str, str]:
    """Return what each directive of `strftime` gives at the beginning of a day."""
    day = datetime.fromisoformat(date)
    codes = [f"%{letter}" for letter in "aAwdbBmyYHIMSfjUWcxXpGuVeDFTRhZz"]
    codes += [f"%-{letter}" for letter in "dmHIMSjy"]
    return {code: day.strftime(code) for code in codes} | {"%%": "%"}


def _holds(text: str, prompt: Prompt) -> bool:
    """Return whether a rendering has the system prompt and the query.

    White space and capitals apart; a template may write a message as JSON or HTML has it.
    """
    whole = _plain(f"{text}\n{html.unescape(text)}")
    return all(
        _plain(said) in whole or _plain(json.dumps(said, ensure_ascii=False)[1:-1]) in whole
        for said in (prompt.system or "", prompt.query)
    )


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()


def opening(tokenizer: Any, prompt: Prompt) -> str:
    """Return the tag with which the rendered prompt opens the model's reasoning, else ""."""
    return opening_at_end(render(tokenizer, prompt)) if chat_template(tokenizer) else ""


def decode(tokenizer: Any, tokens: list[int]) -> str:
    """Return the text of tokens without control tokens, but for those that mark reasoning."""
    hidden = _hidden(tokenizer)
    if hidden is None:
        return tokenizer.decode(tokens, skip_special_tokens=True)
    shown = [token for token in tokens if token not in hidden]
    return tokenizer.decode(shown, skip_special_tokens=False)


@lru_cache(maxsize=64)
def _hidden(tokenizer: Any) -> frozenset[int] | None:
    """Return the control tokens that mark no reasoning, None where none of them does."""
    names = {i: str(t.content) for i, t in tokenizer.added_tokens_decoder.items() if t.special}
    hidden = frozenset(i for i, name in names.items() if not marks_reasoning(name))
    return hidden if len(hidden) < len(names) else None


def encode(tokenizer: Any, prompt: Prompt) -> list[int]:
    """Return the tokens of a prompt in which no post acts as a control token.

    A post may hold the text of one, such as ``<|im_start|>``, and read as that
    token it could end the user's message and speak for the system. Each is cut
    after its first character and its parts are read apart, as plain text. Other
    prompts are read in one piece, as the library reads them.
    """
    posts, mark = _cut_controls(tokenizer, prompt)
    # A chat template writes its own begin-of-text token.
    special = chat_template(tokenizer) is None
    text = render(tokenizer, replace(prompt, posts=posts))
    if mark is None:
        return list(tokenizer(text, add_special_tokens=special)["input_ids"])
    tokens = list(tokenizer("", add_special_tokens=True)["input_ids"]) if special else []
    for part in text.split(mark):
        tokens += tokenizer(part, add_special_tokens=False)["input_ids"]
    return tokens


def _cut_controls(tokenizer: Any, prompt: Prompt) -> tuple[tuple[str, ...], str | None]:
    """Return the posts with a mark inside every control token, and the mark (None if none)."""
    # White space is collapsed first, as it is in the user's message.
    posts = tuple(" ".join(post.split()) for post in prompt.posts)
    names = _control_tokens(tokenizer, chat_template(tokenizer))
    if names is None or not any(names.search(post) for post in posts):
        return prompt.posts, None
    whole = "".join((*posts, prompt.query, prompt.system or ""))
    # A character for private use, so that no template knows it, and none of this prompt's.
    mark = next(chr(c) for c in range(0xE000, 0xF8FF) if chr(c) not in whole)
    cut = []
    for post in posts:
        # The end of a token that was cut may begin another one.
        while names.search(post):
            post = names.sub(lambda match: match[0][0] + mark + match[0][1:], post)
        cut.append(post)
    return tuple(cut), mark


@lru_cache(maxsize=64)
def _control_tokens(tokenizer: Any, template: str | None) -> re.Pattern[str] | None:
    """Return what finds the special tokens, and other added ones that the template writes."""
    added = tokenizer.added_tokens_decoder.values()
    names = {
        str(token.content)
        for token in added
        if token.special or (template and str(token.content) in template)
    }
    names |= {str(token) for token in tokenizer.all_special_tokens}
    # A token of one character can't be cut; white space is layout, not control.
    longer = sorted((n for n in names if len(n) > 1 and n.strip()), key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longer))) if longer else None
