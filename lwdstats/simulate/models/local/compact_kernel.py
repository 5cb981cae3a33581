"""Products with weights that lie compactly, expanded in registers, for few rows.

A product of a few rows takes as long as its weights take to come from memory. So they lie as
what they were made of, in 4, 8 or 16 bits, and become float32 where they are multiplied. They
lie in the order in which that happens: a panel holds 16 outputs, one a lane of a vector; for
each group of inputs it has 16 scales and 16 offsets (float32, for codes only), then 16 codes or
numbers for each input. A code c is the weight c * scale + offset, rounded once.

Each row's sum over the inputs is taken in one order, whatever rows are beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic as numba_intrinsic

# Untyped: the functions below are called without their first parameter.
intrinsic: Any = numba_intrinsic

# Outputs of a panel.
LANES = 16
# Bits of a weight: codes of 4 and 8, bfloat16 and float16.
KINDS = {"code4": 4, "code8": 8, "bfloat16": 16, "float16": 16}
# Bytes of a group's scales and offsets.
HEAD = 2 * 4 * LANES

_FEATURES = binding.get_host_cpu_features()
# Rows multiplied at once: as many sums as registers hold, and fewer for what is left.
ROWS = (24, 16, 8) if _FEATURES.get("avx512f") else (6, 4, 2)
# Where there is no such instruction, a product and sum that rounds once is very slow.
HAS_FMA = bool(_FEATURES.get("fma") or _FEATURES.get("neon"))

_I8, _I32, _I64, _F32 = ir.IntType(8), ir.IntType(32), ir.IntType(64), ir.FloatType()
_BYTES, _INTS, _FLOATS = (ir.VectorType(one, LANES) for one in (_I8, _I32, _F32))


def _load(builder: Any, at: Any, vector: Any) -> Any:
    value = builder.load(builder.bitcast(at, vector.as_pointer()))
    value.align = 1
    return value


def _fma(builder: Any, *terms: Any) -> Any:
    of = ir.FunctionType(_FLOATS, [_FLOATS] * 3)
    function = cgutils.get_or_insert_function(builder.module, of, f"llvm.fma.v{LANES}f32")
    return builder.call(function, terms)


def _expand(builder: Any, kind: str, at: Any, scale: Any, offset: Any) -> list[Any]:
    """Return the vectors of weights at an address: of two inputs for codes of 4 bits, else one."""
    if kind == "bfloat16":
        halves = builder.zext(_load(builder, at, ir.VectorType(ir.IntType(16), LANES)), _INTS)
        return [builder.bitcast(builder.shl(halves, _INTS([16] * LANES)), _FLOATS)]
    if kind == "float16":
        halves = _load(builder, at, ir.VectorType(ir.HalfType(), LANES))
        return [builder.fpext(halves, _FLOATS)]
    codes = builder.zext(_load(builder, at, _BYTES), _INTS)
    parts = [codes]
    if kind == "code4":
        parts = [
            builder.and_(codes, _INTS([15] * LANES)),
            builder.lshr(codes, _INTS([4] * LANES)),
        ]
    return [_fma(builder, builder.sitofp(part, _FLOATS), scale, offset) for part in parts]


def _over_inputs(
    builder: Any, kind: str, panel: Any, shape: tuple[Any, Any], sums: list[Any], use: Callable
) -> list[Any]:
    """Emit loops over groups and their inputs; return the sums after them.

    `shape` is the number of groups and of inputs of a group; ``use(input, weights, sums)``
    returns the next sums.
    """
    n_groups, size = shape
    coded = kind.startswith("code")
    step = 2 if kind == "code4" else 1
    wide = LANES * KINDS[kind] * step // 8
    steps = builder.udiv(size, _I64(step))
    bytes_ = builder.add(builder.mul(steps, _I64(wide)), _I64(HEAD if coded else 0))
    start = builder.block
    outer, inner, latch, end = (builder.append_basic_block() for _ in range(4))
    builder.branch(outer)
    builder.position_at_end(outer)
    group, into = builder.phi(_I64), [builder.phi(_FLOATS) for _ in sums]
    at = builder.gep(panel, [builder.mul(group, bytes_)])
    scale = offset = None
    if coded:
        scale = _load(builder, at, _FLOATS)
        offset = _load(builder, builder.gep(at, [_I64(HEAD // 2)]), _FLOATS)
        at = builder.gep(at, [_I64(HEAD)])
    first = builder.mul(group, size)
    builder.branch(inner)
    builder.position_at_end(inner)
    count, held = builder.phi(_I64), [builder.phi(_FLOATS) for _ in sums]
    now = held
    place = builder.gep(at, [builder.mul(count, _I64(wide))])
    for i, weights in enumerate(_expand(builder, kind, place, scale, offset)):
        which = builder.add(first, builder.add(builder.mul(count, _I64(step)), _I64(i)))
        now = use(which, weights, now)
    after = builder.add(count, _I64(1))
    builder.cbranch(builder.icmp_signed("<", after, steps), inner, latch)
    builder.position_at_end(latch)
    following = builder.add(group, _I64(1))
    builder.cbranch(builder.icmp_signed("<", following, n_groups), outer, end)
    for phi, begins, goes_on, origin, back in (
        (group, _I64(0), following, start, latch),
        (count, _I64(0), after, outer, inner),
        *((a, b, c, start, latch) for a, b, c in zip(into, sums, now, strict=True)),
        *((a, b, c, outer, inner) for a, b, c in zip(held, into, now, strict=True)),
    ):
        phi.add_incoming(begins, origin)
        phi.add_incoming(goes_on, back)
    builder.position_at_end(end)
    return now


@intrinsic(prefer_literal=True)
def _multiply_panel(
    typing: Any, kind: Any, rows: Any, x: Any, panel: Any, out: Any, groups: Any, size: Any,
    x_step: Any, out_step: Any,
) -> tuple[Any, Callable[..., Any]]:  # fmt: skip
    """Multiply some rows by a panel: from `x`, inputs by rows, to `out`, rows by outputs."""
    name, n_rows = kind.literal_value, rows.literal_value

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _, _, x, panel, out, groups, size, x_step, out_step = args
        x, panel, out = (
            builder.inttoptr(address, to.as_pointer())
            for address, to in ((x, _F32), (panel, _I8), (out, _F32))
        )
        empty, firsts = ir.Constant(_FLOATS, ir.Undefined), _INTS([0] * LANES)

        def add(which: Any, weights: Any, sums: list[Any]) -> list[Any]:
            at = builder.gep(x, [builder.mul(which, x_step)])
            numbers = [builder.load(builder.gep(at, [_I64(row)])) for row in range(n_rows)]
            singles = [builder.insert_element(empty, number, _I32(0)) for number in numbers]
            every = [builder.shuffle_vector(single, empty, firsts) for single in singles]
            pairs = zip(every, sums, strict=True)
            return [_fma(builder, number, weights, so_far) for number, so_far in pairs]

        zeros = [_FLOATS([0.0] * LANES)] * n_rows
        for row, total in enumerate(_over_inputs(builder, name, panel, (groups, size), zeros, add)):
            at = builder.gep(out, [builder.mul(out_step, _I64(row))])
            builder.store(total, builder.bitcast(at, _FLOATS.as_pointer())).align = 4
        return context.get_dummy_value()

    arguments = (kind, rows, *[types.uintp] * 3, *[types.intp] * 4)
    return types.void(*arguments), generate


@intrinsic(prefer_literal=True)
def _expand_panel(
    typing: Any, kind: Any, panel: Any, out: Any, groups: Any, size: Any, out_step: Any
) -> tuple[Any, Callable[..., Any]]:
    """Write the weights of a panel to `out`, inputs by outputs."""
    name = kind.literal_value

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _, panel, out, groups, size, out_step = args
        panel, out = (
            builder.inttoptr(address, to.as_pointer())
            for address, to in ((panel, _I8), (out, _F32))
        )

        def write(which: Any, weights: Any, sums: list[Any]) -> list[Any]:
            at = builder.gep(out, [builder.mul(which, out_step)])
            builder.store(weights, builder.bitcast(at, _FLOATS.as_pointer())).align = 4
            return sums

        _over_inputs(builder, name, panel, (groups, size), [], write)
        return context.get_dummy_value()

    arguments = (kind, *[types.uintp] * 2, *[types.intp] * 3)
    return types.void(*arguments), generate


def _compiled(kind: str) -> tuple[Any, Any]:
    """Return `multiply` and `expand` for weights of a kind."""
    most, middle, least = ROWS

    @numba.njit(nogil=True, cache=True)
    def multiply(x: Any, panels: Any, out: Any, first: int, last: int) -> None:
        """Multiply rows by the panels from `first` to before `last`.

        `x` is (rows, inputs); `panels` (panels, groups, bytes) uint8; `out` (rows, 16 * panels),
        its rows filled up to a multiple of the last of `ROWS`; both are float32.
        """
        n_inputs, rows = x.shape[1], out.shape[0]
        columns = np.zeros((n_inputs, rows), np.float32)
        for row in range(x.shape[0]):
            for k in range(n_inputs):
                columns[k, row] = x[row, k]
        n_groups, width = panels.shape[1], out.shape[1]
        x_at, panels_at, out_at = columns.ctypes.data, panels.ctypes.data, out.ctypes.data
        size = n_inputs // n_groups
        for i in range(first, last):
            panel = panels_at + i * n_groups * panels.shape[2]
            done = 0
            while done < rows:
                at, to = x_at + 4 * done, out_at + 4 * (done * width + LANES * i)
                if rows - done >= most:
                    _multiply_panel(kind, most, at, panel, to, n_groups, size, rows, width)
                    done += most
                elif rows - done >= middle:
                    _multiply_panel(kind, middle, at, panel, to, n_groups, size, rows, width)
                    done += middle
                else:
                    _multiply_panel(kind, least, at, panel, to, n_groups, size, rows, width)
                    done += least

    @numba.njit(nogil=True, cache=True)
    def expand(panels: Any, out: Any, first: int, last: int) -> None:
        """Write the weights of panels to `out`, (inputs, 16 * panels) float32."""
        n_groups, width = panels.shape[1], out.shape[1]
        panels_at, out_at = panels.ctypes.data, out.ctypes.data
        size = out.shape[0] // n_groups
        for i in range(first, last):
            panel = panels_at + i * n_groups * panels.shape[2]
            _expand_panel(kind, panel, out_at + 4 * LANES * i, n_groups, size, width)

    return multiply, expand


COMPILED = {kind: _compiled(kind) for kind in KINDS}


@numba.njit(nogil=True, cache=True)
def find_codes(weights: Any, codes: Any, scales: Any, offsets: Any) -> int:
    """Write weights as codes; return the largest code, -1 where there are none of 8 bits.

    Weights of a group that were made from codes differ by multiples of one number. The
    largest such number is the scale, and the least weight the offset. That is tried for every
    weight, without rounding.

    Parameters
    ----------
    weights : ndarray, float32, shape (outputs, inputs)
    codes : ndarray, uint8, shape (outputs, inputs)
        Overwritten, as are the others.
    scales, offsets : ndarray, float32, shape (outputs, groups)
    """
    n_outputs, n_inputs = weights.shape
    n_groups = scales.shape[1]
    size = n_inputs // n_groups
    largest = 0
    for i in range(n_outputs):
        for group in range(n_groups):
            part = weights[i, group * size : (group + 1) * size]
            low = np.float64(part.min())
            # The greatest common divisor, in numbers of double precision that hold it exactly.
            scale = 0.0
            for weight in part:
                rest = weight - low
                if scale > 0 and np.rint(rest / scale) * scale == rest:
                    continue
                while rest > 0:
                    scale, rest = rest, np.fmod(scale, rest)
            scales[i, group], offsets[i, group] = scale, low
            for k, weight in enumerate(part):
                code = np.rint((weight - low) / scale) if scale > 0 else 0.0
                if not code <= 255 or code * np.float64(scales[i, group]) + low != weight:
                    return -1
                codes[i, group * size + k] = np.uint8(code)
                largest = max(largest, int(code))
    return largest
