"""Language models that run here, through transformers."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    DynamicCache,
)

from lwdstats.errors import InputError
from lwdstats.simulate.models.packaged import locate, without_progress_bars
from lwdstats.simulate.models.protocol import Answer, Prompt, Sampling
from lwdstats.simulate.models.rendering import encode, render
from lwdstats.simulate.models.shared_prefix import (
    NAME,
    cache_argument,
    continuation_cache,
    keep_nucleus,
    sample_tokens,
)

logger = logging.getLogger(__name__)


class TransformersModel:
    """A causal language model of the transformers library.

    Parameters
    ----------
    name : str
        A folder, a hub name such as ``"meta-llama/Llama-3.1-8B-Instruct"``, or
        ``"package:NAME"`` for a model that comes inside a Python package.
    device : str, optional
        Where it runs; by default the GPU if there is one.
    dtype : torch.dtype, optional
        By default float32 on the CPU and bfloat16 elsewhere.
    trust_remote_code : bool
        Whether code that comes with the model may run.

    Raises
    ------
    InputError
        If there is no such folder, package, or hub model within reach.
    """

    def __init__(
        self,
        name: str,
        *,
        device: str | None = None,
        dtype: torch.dtype | None = None,
        trust_remote_code: bool = False,
    ) -> None:
        self.name = name
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self.dtype = dtype or (torch.float32 if self.device.type == "cpu" else torch.bfloat16)
        folder = locate(name, argument="models")
        options: dict[str, Any] = {"trust_remote_code": trust_remote_code}
        try:
            self.tokenizer = AutoTokenizer.from_pretrained(folder, **options)
            self.model, self.shares_prefix = self._load(folder, options)
        except (OSError, ValueError) as error:
            reason = str(error).strip().splitlines()[0]
            raise InputError(
                "models", f"{name!r} ({reason})", "a folder, package or hub name that can be loaded"
            ) from error
        # The files may suggest a sampling of their own; ours is what the spec says.
        self.end_tokens = self._end_tokens()

    def _load(self, folder: str | Path, options: dict[str, Any]) -> tuple[Any, bool]:
        """Return the model, with our attention where that gives the same logits."""

        def load(**attention: str) -> Any:
            with without_progress_bars():
                loaded: Any = AutoModelForCausalLM.from_pretrained(
                    folder, dtype=self.dtype, **options, **attention
                )
            return loaded.to(self.device).eval()

        try:
            model = load(attn_implementation=NAME)
        except ValueError:
            # An architecture without pluggable attention.
            return load(), False
        if self._sharing_agrees(model):
            return model, True
        logger.info("%s: its attention is not ours; the prompt is repeated", self.name)
        return load(), False

    def _end_tokens(self) -> set[int]:
        declared = self.model.generation_config.eos_token_id
        tokens: set[int] = {declared} if isinstance(declared, int) else set(declared or ())
        if self.tokenizer.eos_token_id is not None:
            tokens.add(int(self.tokenizer.eos_token_id))
        return tokens

    @property
    def context_length(self) -> int | None:
        """Largest number of tokens of a prompt and its answer."""
        config = self.model.config.get_text_config()
        declared = getattr(config, "max_position_embeddings", None)
        return None if declared is None else int(declared)

    def render(self, prompt: Prompt) -> str:
        """Return the prompt as the one text that the model continues."""
        return render(self.tokenizer, prompt)

    def _encode(self, prompt: Prompt) -> torch.Tensor:
        return torch.tensor([encode(self.tokenizer, prompt)], device=self.device)

    def count_tokens(self, prompt: Prompt) -> int:
        """Return the number of tokens of the rendered prompt."""
        return len(encode(self.tokenizer, prompt))

    @torch.inference_mode()
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

        Tokens are those of the library's `generate` with as many returned
        sequences, the same seed and the same sampling.
        """
        ids = self._encode(prompt)
        greedy = sampling.temperature == 0
        # Without chance all answers are one.
        rows = 1 if greedy else n
        warpers = _warpers(sampling)
        # On the CPU everywhere, so that a seed does not depend on the device.
        random = torch.Generator().manual_seed(seed)
        logits, cache = self._prefill(ids, rows, sampling.max_new_tokens)
        tokens: list[list[int]] = [[] for _ in range(rows)]
        texts = [""] * rows
        active = list(range(rows))
        for step in range(sampling.max_new_tokens):
            if greedy:
                drawn = logits.argmax(dim=-1).tolist()
            else:
                drawn = sample_tokens(logits, random, warpers, rows=active, n=rows)
            going = []
            for place, (row, token) in enumerate(zip(active, drawn, strict=True)):
                if token in self.end_tokens:
                    continue
                tokens[row].append(token)
                texts[row] = self.tokenizer.decode(tokens[row], skip_special_tokens=True)
                if stop is None or not stop(texts[row]):
                    going.append(place)
            if not going or step + 1 == sampling.max_new_tokens:
                break
            last = torch.tensor([drawn[place] for place in going])
            logits = self._continue(last, cache, going if len(going) < len(active) else None)
            active = [active[place] for place in going]
        answers = [Answer(text, len(row)) for text, row in zip(texts, tokens, strict=True)]
        return answers * n if greedy else answers

    def _prefill(self, ids: torch.Tensor, rows: int, capacity: int) -> tuple[torch.Tensor, Any]:
        cache: Any = DynamicCache(config=self.model.config)
        held = cache_argument(self.model, cache)
        output = self.model(ids, **held, use_cache=True, logits_to_keep=1)
        if self.shares_prefix:
            cache = continuation_cache(cache, length=ids.shape[1], capacity=capacity)
        else:
            cache.batch_repeat_interleave(rows)
        return output.logits[:, -1].expand(rows, -1), cache

    def _continue(
        self, tokens: torch.Tensor, cache: Any, keep: list[int] | None = None
    ) -> torch.Tensor:
        """Return the next logits after one more token a row; other rows are dropped."""
        if keep is not None:
            cache.batch_select_indices(torch.tensor(keep, device=self.device))
        held = cache_argument(self.model, cache)
        extra = {"continuation": cache} if self.shares_prefix else {}
        output = self.model(tokens[:, None].to(self.device), **held, use_cache=True, **extra)
        return output.logits[:, -1]

    @torch.inference_mode()
    def _sharing_agrees(self, model: Any) -> bool:
        """Whether sharing the prompt gives the logits of the ordinary attention."""
        text = "A network of models reads what its members wrote and writes again."
        ids = self.tokenizer(text, return_tensors="pt")["input_ids"].to(self.device)
        continuations = ids[0, -6:].reshape(2, 3)
        self.model, self.shares_prefix = model, True
        try:
            logits, cache = self._prefill(ids, 2, 3)
            for column in continuations.T:
                logits = self._continue(column, cache)
            # Without a cache the attention is the library's (capped scores apart).
            whole = torch.cat([ids.expand(2, -1), continuations], dim=1)
            expected = model(whole, logits_to_keep=1, use_cache=False).logits[:, -1]
        except (NotImplementedError, TypeError, AttributeError, LookupError, ValueError) as error:
            logger.debug("%s: %s", self.name, error)
            return False
        tolerance = 1e-3 if self.dtype == torch.float32 else 5e-2
        return bool((logits - expected).abs().max() <= tolerance * expected.abs().max())


def _warpers(sampling: Sampling) -> list[Callable[[torch.Tensor], torch.Tensor]]:
    warpers: list[Callable[[torch.Tensor], torch.Tensor]] = []
    if sampling.temperature not in (0, 1):
        warpers.append(lambda scores: scores / sampling.temperature)
    if sampling.top_p < 1:
        warpers.append(lambda scores: keep_nucleus(scores, sampling.top_p))
    return warpers
