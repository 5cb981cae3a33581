"""From names such as "gguf:PATH" to GGUF files on this machine."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path

from lwdstats.errors import InputError
from lwdstats.simulate.models.gguf.minilm import convert
from lwdstats.simulate.models.local import packaged

PREFIX = "gguf:"
PACKAGE = PREFIX + packaged.PREFIX
OLLAMA = PREFIX + "ollama:"
_TAKES = (
    f"'{PREFIX}PATH' for a file, '{PACKAGE}NAME' for one inside a package, or "
    f"'{OLLAMA}NAME' for one that Ollama has here"
)


def locate(name: str, *, argument: str) -> Path:
    """Return the file that a name stands for; that of a package is made ready.

    Raises
    ------
    InputError
        If it is not there.
    """
    if name.startswith(PACKAGE):
        return _packaged(name.removeprefix(PREFIX), argument)
    if name.startswith(OLLAMA):
        return _of_ollama(name, argument)
    path = Path(name.removeprefix(PREFIX).strip() or os.devnull).expanduser()
    if path.is_dir():
        inside = ", ".join(sorted(one.name for one in path.glob("*.gguf"))[:5])
        raise InputError(argument, f"{name!r} (a folder; in it: {inside or 'no .gguf'})", _TAKES)
    if not path.is_file():
        raise InputError(argument, f"{name!r} (no such file)", _TAKES)
    return path


def _of_ollama(name: str, argument: str) -> Path:
    """Return the file of an Ollama model, which lies under the name of its checksum."""
    model, _, tag = name.removeprefix(OLLAMA).partition(":")
    root = Path(os.environ.get("OLLAMA_MODELS") or Path.home() / ".ollama/models")
    owned = model if "/" in model else f"library/{model}"
    for manifest in sorted(root.glob(f"manifests/*/{owned}/{tag or 'latest'}")):
        for layer in json.loads(manifest.read_text(encoding="utf-8"))["layers"]:
            if layer["mediaType"].endswith("image.model"):
                return root / "blobs" / layer["digest"].replace(":", "-")
    listed = sorted(f"{one.parent.name}:{one.name}" for one in root.glob("manifests/*/library/*/*"))
    got = f"{name!r} (not in {str(root)!r}, which has {', '.join(listed[:8]) or 'none'})"
    takes = "a model that 'ollama list' shows; OLLAMA_MODELS names the folder if it is another"
    raise InputError(argument, got, takes)


def _packaged(name: str, argument: str) -> Path:
    one, home = packaged.find(name, argument)
    if one.gguf is not None and one.assemble is None:
        return home / one.gguf
    short = name.removeprefix(packaged.PREFIX)
    target = packaged.cache_directory() / f"{short}-{(one.sha256 or one.install[-5:])[:16]}.gguf"
    if not target.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix="converting-") as scratch:
            if one.gguf is not None:
                made = packaged.whole_gguf(one, home, Path(scratch), argument)
            else:
                made = Path(scratch) / target.name
                convert(home / one.folder, made)
            # Another process may have been faster; its result is the same.
            shutil.move(made, target)
    return target
