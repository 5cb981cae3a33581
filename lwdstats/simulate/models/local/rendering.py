"""From a prompt to the tokens that a model of the transformers library continues."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any

from lwdstats.simulate.models.protocol import Prompt


def render(tokenizer: Any, prompt: Prompt) -> str:
    """Return the prompt as one text, by the tokenizer's chat template if it has one."""
    if not tokenizer.chat_template:
        return prompt.plain
    # Not needed where a model has no template.
    from jinja2.exceptions import TemplateError

    apply = partial(tokenizer.apply_chat_template, tokenize=False, add_generation_prompt=True)
    try:
        text = apply(prompt.messages())
    except TemplateError:
        # The template knows no system role.
        text = apply(prompt.messages(system_role=False))
    return str(text)


def encode(tokenizer: Any, prompt: Prompt) -> list[int]:
    """Return the tokens of a prompt in which no post acts as a control token.

    A post may hold the text of one, such as ``<|im_start|>``, and read as that
    token it could end the user's message and speak for the system. Each is cut
    after its first character and its parts are read apart, as plain text. Other
    prompts are read in one piece, as the library reads them.
    """
    posts, mark = _cut_controls(tokenizer, prompt)
    # A chat template writes its own begin-of-text token.
    special = not tokenizer.chat_template
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
    names = _control_tokens(tokenizer, tokenizer.chat_template)
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
