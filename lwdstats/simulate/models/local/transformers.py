"""Language models that run here, through transformers."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from lwdstats.errors import InputError
from lwdstats.simulate.models.local.compact import hold_compactly
from lwdstats.simulate.models.local.costs import (
    cached_numbers,
    default_place,
    files_of,
    weight_bytes,
    working_numbers,
)
from lwdstats.simulate.models.local.decoding import sharing_agrees, write
from lwdstats.simulate.models.local.packaged import loading, locate, without_progress_bars
from lwdstats.simulate.models.local.rendering import encode, opening, render
from lwdstats.simulate.models.local.residency import DeviceMemoryError, Weights
from lwdstats.simulate.models.local.shared_prefix import NAME
from lwdstats.simulate.models.protocol import Answer, Prompt, Sampling

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
        If there is no such folder, package, or hub model within reach, or it does not
        fit its device.

    Notes
    -----
    Weights are on the device from the start. Where the models of a process do not
    fit their device together, those that are not answering leave it, for the host or
    for their files, and come back with the same bits when they are asked; so one
    thread at a time may use the models of a device.
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
        self.device, own_dtype = default_place(device)
        self.dtype = dtype or own_dtype
        folder = locate(name, argument="models")
        trust = {"trust_remote_code": trust_remote_code}
        try:
            with loading(name, argument="models"):
                self.tokenizer = AutoTokenizer.from_pretrained(folder, **trust)
                options = {"dtype": self.dtype, **trust}
                self._weights, self.shares_prefix = self._load(folder, options)
        except DeviceMemoryError as error:
            raise InputError("models", str(error), "models that fit their device") from error
        # What is needed of the model while its weights are away.
        self.config = self.model.config
        # The files may suggest a sampling of their own; ours is what the spec says.
        self.end_tokens = self._end_tokens()

    def _load(self, folder: str | Path, options: dict[str, Any]) -> tuple[Weights, bool]:
        """Return the model, with our attention where that gives the same logits."""
        n_bytes = _expected_bytes(self.name, folder, options)

        def weights(**attention: str) -> Weights:
            read = partial(_read, folder, self.device, {**options, **attention})
            return Weights(self.name, self.device, n_bytes, read)

        shared = weights(attn_implementation=NAME)
        try:
            if shared.run(lambda module: sharing_agrees(module, self.tokenizer)):
                return shared, True
        except (NotImplementedError, TypeError, AttributeError, LookupError, ValueError) as error:
            # An architecture without pluggable attention, or with a cache of another kind.
            logger.debug("%s: %s", self.name, error)
        logger.info("%s: its attention is not ours; the prompt is repeated", self.name)
        del shared
        plain = weights()
        plain.run(lambda module: module)
        return plain, False

    @property
    def model(self) -> Any:
        """The module, with its weights on the device, also if they were away."""
        return self._weights.run(lambda module: module)

    def _end_tokens(self) -> set[int]:
        declared = self.model.generation_config.eos_token_id
        tokens: set[int] = {declared} if isinstance(declared, int) else set(declared or ())
        if self.tokenizer.eos_token_id is not None:
            tokens.add(int(self.tokenizer.eos_token_id))
        return tokens

    @property
    def threads(self) -> int:
        """How many threads torch uses."""
        return torch.get_num_threads()

    @property
    def context_length(self) -> int | None:
        """Largest number of tokens of a prompt and its answer."""
        return getattr(self.config.get_text_config(), "max_position_embeddings", None)

    def render(self, prompt: Prompt) -> str:
        """Return the prompt as the one text that the model continues."""
        return render(self.tokenizer, prompt)

    def _encode(self, prompt: Prompt) -> torch.Tensor:
        return torch.tensor([encode(self.tokenizer, prompt)], device=self.device)

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

        Tokens are those of the library's `generate` with as many returned
        sequences, the same seed and the same sampling.

        Raises
        ------
        DeviceMemoryError
            If weights and answers do not fit the device, not even without other models.
        """
        return self.generate_many([prompt], n, seeds=[seed], sampling=sampling, stop=stop)[0]

    def generate_many(
        self,
        prompts: Sequence[Prompt],
        n: int,
        *,
        seeds: Sequence[int],
        sampling: Sampling,
        stop: Callable[[str], bool] | None = None,
    ) -> list[list[Answer]]:
        """Return `n` answers to each prompt; all are written together.

        Each prompt is read once, and each token takes one pass of the weights for
        all answers to all prompts. Answers are those of `generate` for each prompt
        with its seed, up to rounding: sums over more rows may round otherwise,
        which now and then turns a token that was nearly as likely as another.

        Parameters
        ----------
        prompts : sequence of Prompt
        n : int
            Answers to each.
        seeds : sequence of int
            One for each prompt.
        sampling : Sampling
        stop : callable, optional
            Ends an answer early where it is true of what was written.

        Returns
        -------
        list of lists of Answer
            In the order of `prompts`.

        Raises
        ------
        InputError
            If there are more or fewer seeds than prompts.
        DeviceMemoryError
            If weights and answers do not fit the device, not even without other models.

        Notes
        -----
        Where the model's attention can't share a prompt, prompts are answered one after
        another.
        """
        if len(seeds) != len(prompts):
            raise InputError("seeds", f"{len(seeds)} seeds", f"one a prompt, {len(prompts)}")
        if not prompts:
            return []
        if len(prompts) > 1 and not self.shares_prefix:
            return [
                self.generate(prompt, n, seed=seed, sampling=sampling, stop=stop)
                for prompt, seed in zip(prompts, seeds, strict=True)
            ]
        ids = [self._encode(prompt) for prompt in prompts]
        rows = 1 if sampling.temperature == 0 else n
        needed, spare = self._bytes([one.shape[1] for one in ids], rows, sampling.max_new_tokens)
        return self._weights.run(
            lambda module: write(
                module,
                self.tokenizer,
                ids,
                n,
                seeds=seeds,
                sampling=sampling,
                stop=stop,
                end_tokens=self.end_tokens,
                share=self.shares_prefix,
                openings=[opening(self.tokenizer, prompt) for prompt in prompts],
            ),
            needed,
            spare,
        )

    def _bytes(self, lengths: Sequence[int], rows: int, new_tokens: int) -> tuple[float, float]:
        """Return what keys and values take, and about what a forward pass works with."""
        config = self.config.get_text_config().to_dict()
        held = sum(lengths) if self.shares_prefix else rows * sum(lengths)
        held += len(lengths) * rows * new_tokens
        # Where an architecture does not say, running out of memory will.
        needed = held * cached_numbers(config) * self.dtype.itemsize
        spare = working_numbers(config, lengths, rows, new_tokens) * self.dtype.itemsize
        return 0.0 if math.isnan(needed) else needed, spare


def _read(folder: str | Path, device: torch.device, options: dict[str, Any]) -> Any:
    """Return the module, its weights read from the files to the device."""
    with without_progress_bars():
        # Straight to a GPU, so that the host need not hold them.
        where = {} if device.type == "cpu" else {"device_map": {"": device}}
        module: Any = AutoModelForCausalLM.from_pretrained(folder, **options, **where)
    if device.type == "cpu" and options["dtype"] == torch.float32:
        hold_compactly(module)
        _hold_columns_together(module)
    return module.eval()


@torch.no_grad()
def _hold_columns_together(module: Any) -> None:
    """Turn round how weight matrices lie in memory: the product with a few rows is faster so.

    All else is copied too: one small tensor that still lay in the file's mapping would keep
    the whole file in memory, beside the copies.
    """
    # Weights may be tied; each is one object however often it occurs.
    linear = {part.weight for part in module.modules() if isinstance(part, torch.nn.Linear)}
    for weight in linear:
        weight.data = weight.data.t().contiguous().t()
    for tensor in {*module.parameters(), *module.buffers()} - linear:
        tensor.data = tensor.data.clone()


def _expected_bytes(name: str, folder: str | Path, options: dict[str, Any]) -> float:
    """Return the size of weights that are not loaded, NaN where nothing tells."""
    dtype = options["dtype"]
    files = files_of(name)
    told = math.nan if files is None else weight_bytes(files, dtype.itemsize)
    if not math.isnan(told):
        return told
    # Files of another kind, or still on the hub: built without memory, and counted.
    config = AutoConfig.from_pretrained(folder, trust_remote_code=options["trust_remote_code"])
    if getattr(config, "quantization_config", None) is not None:
        return math.nan
    with torch.device("meta"):
        module = AutoModelForCausalLM.from_config(config, **options)
    return float(sum(tensor.nbytes for tensor in module.parameters()))
