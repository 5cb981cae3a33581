"""What stands at the beginning of a GGUF file: settings, words, and where weights begin."""

from __future__ import annotations

import hashlib
import math
import mmap
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np

from lwdstats.errors import InputError

Value: TypeAlias = "str | int | float | bool | list[str] | list[int] | list[float] | list[bool]"
# Codes of numbers as the format has them, in NumPy's names.
_NUMBERS = {0: "u1", 1: "i1", 2: "<u2", 3: "<i2", 4: "<u4", 5: "<i4", 6: "<f4", 7: "?"}
_NUMBERS |= {10: "<u8", 11: "<i8", 12: "<f8"}
_STRING, _ARRAY = 8, 9
# Kinds of words: of control, and added by whoever made the model.
CONTROL, ADDED = 3, 4


@dataclass(frozen=True, eq=False)
class Header:
    """The settings of a GGUF file.

    Attributes
    ----------
    path : pathlib.Path
    settings : mapping
        By the format's names, such as "general.architecture".
    weights : int
        Bytes of the file after its header.
    """

    path: Path
    settings: Mapping[str, Value]
    weights: int

    def own(self, name: str) -> Value | None:
        """Return a setting that stands under the name of the architecture."""
        return self.settings.get(f"{self.settings.get('general.architecture')}.{name}")

    @property
    def context(self) -> int | None:
        """Largest number of tokens of a prompt and its answer."""
        found = self.own("context_length")
        return found if isinstance(found, int) else None

    @property
    def pools(self) -> bool:
        """Whether it makes vectors of texts: only embedding models say how they pool."""
        return bool(self.own("pooling_type"))

    @property
    def cache_per_token(self) -> float:
        """Bytes of keys and values of one token, in half precision, NaN where it is not told."""
        layers, heads = self.own("block_count"), self.own("attention.head_count")
        size = self.own("embedding_length")
        if not (isinstance(layers, int) and isinstance(heads, int) and isinstance(size, int)):
            return math.nan
        of_layer = self.own("attention.head_count_kv") or heads
        total = sum(map(int, of_layer)) if isinstance(of_layer, list) else layers * int(of_layer)
        widths = [self.own(f"attention.{kind}_length") for kind in ("key", "value")]
        each = sum(w if isinstance(w, int) else size // heads for w in widths)
        return 2.0 * total * each

    def words(self, *kinds: int) -> dict[int, str]:
        """Return the words of some kinds, by token."""
        words = self.settings.get("tokenizer.ggml.tokens")
        of = self.settings.get("tokenizer.ggml.token_type")
        if not isinstance(words, list) or not isinstance(of, list):
            return {}
        return {i: str(words[i]) for i, kind in enumerate(of) if kind in kinds}


class _Cursor:
    """Reads one value after another."""

    def __init__(self, data: mmap.mmap) -> None:
        self.data, self.at = data, 4

    def numbers(self, kind: str, n: int) -> np.ndarray:
        found = np.frombuffer(self.data[self.at : self.at + n * np.dtype(kind).itemsize], kind, n)
        self.at += found.nbytes
        return found

    def number(self, kind: str = "<u8") -> int:
        return int(self.numbers(kind, 1)[0])

    def string(self) -> str:
        (length,) = struct.unpack_from("<Q", self.data, self.at)
        self.at += 8 + length
        return self.data[self.at - length : self.at].decode("utf-8", "replace")

    def value(self) -> Value:
        kind = self.number("<u4")
        if kind != _ARRAY:
            return self.string() if kind == _STRING else self.numbers(_NUMBERS[kind], 1).tolist()[0]
        kind, n = self.number("<u4"), self.number()
        if kind == _STRING:
            return [self.string() for _ in range(n)]
        return self.numbers(_NUMBERS[kind], n).tolist()


def read_header(path: Path, *, name: str, argument: str) -> Header:
    """Return the header of a GGUF file.

    Parameters
    ----------
    path : pathlib.Path
    name, argument : str
        What the model is called, and of which argument, in errors.

    Raises
    ------
    InputError
        If it is no GGUF file, or none that can be read.
    """
    takes = "a whole file in the format GGUF, version 2 or 3"
    with path.open("rb") as file:
        if file.read(4) != b"GGUF":
            raise InputError(argument, f"{name!r} (not in the format GGUF)", takes)
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            cursor = _Cursor(data)
            try:
                if cursor.number("<u4") not in (2, 3):
                    raise InputError(argument, f"{name!r} (of another version)", takes)
                n_tensors, n_settings = cursor.number(), cursor.number()
                settings = {cursor.string(): cursor.value() for _ in range(n_settings)}
                for _ in range(n_tensors):
                    cursor.string()
                    cursor.numbers("<u8", cursor.number("<u4"))
                    cursor.at += 12
            except (struct.error, ValueError, KeyError, IndexError) as error:
                if isinstance(error, InputError):
                    raise
                raise InputError(argument, f"{name!r} (a damaged file)", takes) from error
            return Header(path, settings, len(data) - cursor.at)


def write_gguf(
    path: Path, settings: Mapping[str, Value], tensors: Mapping[str, np.ndarray]
) -> None:
    """Write a GGUF file of float32 tensors, in their order."""
    offset, infos, bodies = 0, b"", []
    for name, tensor in tensors.items():
        body = np.ascontiguousarray(tensor, "<f4").tobytes()
        body += b"\0" * (-len(body) % 32)
        shape = tensor.shape[::-1]
        infos += _packed(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, 0, offset)
        offset += len(body)
        bodies.append(body)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(settings))
    head += b"".join(_packed(key) + _typed(value) for key, value in settings.items()) + infos
    with path.open("wb") as file:
        file.write(head + b"\0" * (-len(head) % 32))
        file.writelines(bodies)


def _packed(text: str) -> bytes:
    raw = text.encode()
    return struct.pack("<Q", len(raw)) + raw


def _typed(value: Value) -> bytes:
    if isinstance(value, list):
        # llama.cpp wants numbers of a list signed, and others not.
        kind = 5 if isinstance(value[0], int) else _STRING
        head = struct.pack("<IIQ", _ARRAY, kind, len(value))
        return head + b"".join(_bare(one, kind) for one in value)
    # A truth value is a number to Python.
    kind = 7 if isinstance(value, bool) else 6 if isinstance(value, float) else 4
    kind = _STRING if isinstance(value, str) else kind
    return struct.pack("<I", kind) + _bare(value, kind)


def _bare(value: str | float, kind: int) -> bytes:
    return _packed(value) if isinstance(value, str) else np.array(value, _NUMBERS[kind]).tobytes()


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
