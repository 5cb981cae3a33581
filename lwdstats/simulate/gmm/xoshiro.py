"""Random numbers made inside numba kernels: xoshiro256++ and what is drawn with it.

A NumPy generator per model and step would cost more than the step. Here a
stream is four words of state, derived from the root words of (seed, purpose)
and from the replicate and the model, so that streams need no table and no
order of creation.

On disk, numba's cache of a kernel follows the kernel's own file only: touch
that file after a change here.

References
----------
Blackman and Vigna (2021), "Scrambled linear pseudorandom number generators".
Lemire (2019), "Fast random integer generation in an interval".
"""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from types import CellType, FunctionType
from typing import Any

import numba
import numpy as np

U64 = np.uint64
LOW_HALF = U64(0xFFFFFFFF)
_TWO_32 = U64(1 << 32)
# Odd constants of splitmix64 and of its relatives.
_GOLDEN = U64(0x9E3779B97F4A7C15)
_ODD = U64(0xD1B54A32D192ED03)


def cached(kernel: FunctionType, *others: str) -> Any:
    """Return a kernel that is compiled once, and kept on disk until what it calls changes.

    That is this file, the files beside the kernel's own, and those beside `others`.
    """
    files = [Path(kernel.__code__.co_filename), *map(Path, others)]
    beside = [file for near in files for file in sorted(near.parent.glob("*.py"))]
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in [Path(__file__), *beside]))
    # Numba's cache watches only the file of the function. What closure variables hold is part of
    # its key, and a kernel that has one of these needs no other around it, which would take as
    # long to compile again.
    code = kernel.__code__.replace(co_freevars=("sources",))
    name, cell = kernel.__name__, CellType(digest.hexdigest())
    keyed = FunctionType(code, kernel.__globals__, name, kernel.__defaults__, (cell,))
    return numba.njit(nogil=True, cache=True, error_model="numpy")(keyed)


@numba.njit(inline="always")
def _rotate(word: Any, by: int) -> Any:
    return (word << U64(by)) | (word >> U64(64 - by))


@numba.njit(nogil=True)
def _mix(word: Any) -> Any:
    # The finaliser of splitmix64, a bijection of 64-bit words.
    word = (word ^ (word >> U64(30))) * U64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> U64(27))) * U64(0x94D049BB133111EB)
    return word ^ (word >> U64(31))


@numba.njit(nogil=True)
def start_stream(root: Any, replicate: Any, model: Any, states: Any) -> None:
    """Write the stream of a replicate and a model under `root` (4,) uint64.

    `states` (4, n) uint64 holds the streams of n models, one a column.
    """
    seen = U64(0)
    for j in range(4):
        word = root[j] ^ _mix(U64(replicate) * _GOLDEN + U64(j + 1))
        states[j, model] = _mix(_mix(word) ^ _mix(U64(model) * _ODD + U64(j + 1)))
        seen |= states[j, model]
    if seen == U64(0):
        states[0, model] = _GOLDEN  # the one state that the generator never leaves


@numba.njit(nogil=True)
def step(s0: Any, s1: Any, s2: Any, s3: Any) -> Any:
    """Return the next 64 bits of a stream, and its four words of state after them.

    For inner loops: handing an array to a function there costs more than this.
    """
    word = _rotate(s0 + s3, 23) + s0
    return word, s0 ^ s3 ^ s1, s1 ^ s2 ^ s0, s2 ^ s0 ^ (s1 << U64(17)), _rotate(s3 ^ s1, 45)


@numba.njit(nogil=True)
def next_word(states: Any, model: Any) -> Any:
    """Return the next 64 bits of a model's stream, a column of `states`."""
    word, s0, s1, s2, s3 = step(
        states[0, model], states[1, model], states[2, model], states[3, model]
    )
    states[0, model], states[1, model], states[2, model], states[3, model] = s0, s1, s2, s3
    return word


@numba.njit(nogil=True)
def uniform(states: Any, model: Any) -> float:
    """Return a multiple of 2^-53 in [0, 1)."""
    return (next_word(states, model) >> U64(11)) * 2.0**-53


@numba.njit(nogil=True)
def normal_pair(states: Any, model: Any) -> tuple[float, float]:
    """Return two independent standard normal numbers (Marsaglia's polar method)."""
    while True:
        a, b = 2.0 * uniform(states, model) - 1.0, 2.0 * uniform(states, model) - 1.0
        square = a * a + b * b
        if 0.0 < square < 1.0:
            scale = math.sqrt(-2.0 * math.log(square) / square)
            return a * scale, b * scale


@numba.njit(nogil=True)
def choose(weights: Any, target: float) -> int:
    """Return the component of `weights` (B,) in which `target`, in [0, their sum), falls.

    The last with any weight, should rounding leave `target` past the sum.
    """
    chosen, below = 0, 0.0
    for b in range(weights.size):
        if weights[b] > 0.0:
            chosen = b
            below += weights[b]
            if target < below:
                break
    return chosen


@numba.njit(nogil=True)
def settle(span: Any, product: Any, states: Any, model: Any) -> Any:
    """Return a product whose high half is exactly uniform below `span`.

    Lemire's method: `product` is that of 32 random bits and `span`, and its
    high half is the number wanted. Where its low half is below `span`, which
    is rare, it may have to be drawn again, since (2^32 - span) mod span values
    of the low half are more than each number can have equally many of.
    """
    excess = (_TWO_32 - span) % span
    while product & LOW_HALF < excess:
        product = (next_word(states, model) >> U64(32)) * span
    return product


@numba.njit(nogil=True)
def restore_order(items: Any, n: int, k: int) -> None:
    """Undo `k` draws of `n` items from ``items[i] == i``, in time O(k).

    An item that came from beyond the first `k` places names the place it
    left; the others are among the first `k`. `items` has a spare place after
    the first `n`, so that ``k == n`` needs no case of its own.
    """
    if n <= 16 * k:
        # Writing all in sequence is faster than writing some out of it.
        k = n
    else:
        for j in range(k):
            place = max(items[j], np.int32(k))
            items[place] = place
    for j in range(k):
        items[j] = np.int32(j)
