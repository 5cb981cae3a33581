"""Short vectors of float64 for numba kernels, as LLVM vector operations.

The compiler does not vectorise loops of a few iterations whose length is not
known, which is what a mixture of B components is. These functions say the
vectors outright. They also fix the arithmetic: each product-and-sum is one
fused multiply-add and each sum has one order, so that a result depends
neither on the machine's vector width nor on what the compiler finds near it.

A width travels as a tuple of that length, ``lanes``, because numba
specialises on the types of its arguments: ``load(a, i, (0, 0, 0, 0))`` reads
four numbers. On disk, numba's cache of a kernel follows the kernel's own file
only: touch that file after a change here.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic as numba_intrinsic
from numba.extending import models, register_model

# Untyped: the functions below are called without their first parameter.
intrinsic: Any = numba_intrinsic


class Vector(types.Type):
    """Numba's type of a vector of `width` float64 numbers."""

    def __init__(self, width: int) -> None:
        super().__init__(name=f"Vector({width})")
        self.width = width

    @property
    def key(self) -> int:
        """What tells one width from another."""
        return self.width

    @property
    def llvm(self) -> ir.VectorType:
        """The LLVM type."""
        return ir.VectorType(ir.DoubleType(), self.width)


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, vector: Vector) -> None:
        super().__init__(manager, vector, vector.llvm)


_I32 = ir.IntType(32)


def _shuffle(builder: Any, vector: Any, lanes: list[int]) -> Any:
    mask = ir.Constant(ir.VectorType(_I32, len(lanes)), lanes)
    return builder.shuffle_vector(vector, vector, mask)


def _address(context: Any, builder: Any, array_type: Any, array: Any, index: Any, llvm: Any) -> Any:
    if isinstance(array_type, types.Integer):
        data = builder.inttoptr(array, ir.DoubleType().as_pointer())
    else:
        data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), llvm.as_pointer())


@intrinsic
def address_of(typing: Any, array: Any) -> tuple[Any, Callable[..., Any]]:
    """``address_of(array)``: where a float64 array is in memory, for the functions below.

    Functions of a loop that take an address cost less than those that take an array, whose
    references are counted. The caller keeps the array.
    """

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        return builder.ptrtoint(data, ir.IntType(64))

    return types.uint64(array), generate


@intrinsic
def peek(typing: Any, array: Any, place: Any) -> tuple[Any, Callable[..., Any]]:
    """``peek(array, place)``: one number of what `load` takes."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        address = _address(context, builder, array, args[0], args[1], ir.DoubleType())
        return builder.load(address)

    return types.float64(array, place), generate


@intrinsic
def poke(typing: Any, array: Any, place: Any, value: Any) -> tuple[Any, Callable[..., Any]]:
    """``poke(array, place, value)``: write one number where `store` does."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.store(args[2], _address(context, builder, array, args[0], args[1], ir.DoubleType()))
        return context.get_dummy_value()

    return types.void(array, place, types.float64), generate


@intrinsic
def load(typing: Any, array: Any, start: Any, lanes: Any) -> tuple[Any, Callable[..., Any]]:
    """``load(array, start, lanes)``: numbers from `start` on of a 1-d float64 array, unchecked.

    The array may also be its address.
    """
    vector = Vector(len(lanes))

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        address = _address(context, builder, array, args[0], args[1], vector.llvm)
        value = builder.load(address)
        value.align = 8
        return value

    return vector(array, start, lanes), generate


@intrinsic
def store(typing: Any, array: Any, start: Any, value: Any) -> tuple[Any, Callable[..., Any]]:
    """``store(array, start, value)``: write a vector into a 1-d float64 array, unchecked."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        address = _address(context, builder, array, args[0], args[1], value.llvm)
        builder.store(args[2], address).align = 8
        return context.get_dummy_value()

    return types.void(array, start, value), generate


@intrinsic
def splat(typing: Any, number: Any, lanes: Any) -> tuple[Any, Callable[..., Any]]:
    """``splat(number, lanes)``: the same number in every lane."""
    vector = Vector(len(lanes))

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        empty = ir.Constant(vector.llvm, ir.Undefined)
        first = builder.insert_element(empty, args[0], _I32(0))
        return _shuffle(builder, first, [0] * vector.width)

    return vector(types.float64, lanes), generate


@intrinsic
def multiply_add(typing: Any, a: Any, b: Any, c: Any) -> tuple[Any, Callable[..., Any]]:
    """``multiply_add(a, b, c)``: ``a * b + c``, rounded once."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        signature_llvm = ir.FunctionType(a.llvm, [a.llvm] * 3)
        name = f"llvm.fma.v{a.width}f64"
        function = cgutils.get_or_insert_function(builder.module, signature_llvm, name)
        return builder.call(function, args)

    return a(a, a, a), generate


@intrinsic
def multiply(typing: Any, a: Any, b: Any) -> tuple[Any, Callable[..., Any]]:
    """``multiply(a, b)``: ``a * b``."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.fmul(*args)

    return a(a, a), generate


@intrinsic
def maximum(typing: Any, a: Any, b: Any) -> tuple[Any, Callable[..., Any]]:
    """``maximum(a, b)``: the larger number of each lane."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.select(builder.fcmp_ordered(">", *args), *args)

    return a(a, a), generate


@intrinsic
def minimum(typing: Any, a: Any, b: Any) -> tuple[Any, Callable[..., Any]]:
    """``minimum(a, b)``: the smaller number of each lane."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.select(builder.fcmp_ordered("<", *args), *args)

    return a(a, a), generate


def _binary(operation: str) -> Any:
    """Return the intrinsic of two vectors that is one operation of LLVM's builder."""

    def typed(typing: Any, a: Any, b: Any) -> tuple[Any, Callable[..., Any]]:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return getattr(builder, operation)(*args)

        return a(a, a), generate

    return intrinsic(typed)


# Of two vectors: ``a + b``, ``a - b`` and ``a / b``.
add, subtract, divide = (_binary(name) for name in ("fadd", "fsub", "fdiv"))


@intrinsic
def root(typing: Any, a: Any) -> tuple[Any, Callable[..., Any]]:
    """``root(a)``: the square root of each lane."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = ir.FunctionType(a.llvm, [a.llvm])
        name = f"llvm.sqrt.v{a.width}f64"
        function = cgutils.get_or_insert_function(builder.module, kind, name)
        return builder.call(function, args)

    return a(a), generate


@intrinsic
def where_less(typing: Any, a: Any, b: Any, x: Any, y: Any) -> tuple[Any, Callable[..., Any]]:
    """``where_less(a, b, x, y)``: x in the lanes where a < b, and y in the others."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        less = builder.fcmp_ordered("<", args[0], args[1])
        return builder.select(less, args[2], args[3])

    return a(a, a, a, a), generate


@intrinsic
def any_less(typing: Any, a: Any, b: Any) -> tuple[Any, Callable[..., Any]]:
    """``any_less(a, b)``: whether a < b in any lane."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        lanes = ir.IntType(a.width)
        flags = builder.bitcast(builder.fcmp_ordered("<", *args), lanes)
        return builder.icmp_unsigned("!=", flags, lanes(0))

    return types.boolean(a, a), generate


# Below this, `exponential` is 0: its products with weights stay away from subnormal numbers.
LEAST_EXPONENT = -345.0
_LOG2_E, _LN2_HIGH, _LN2_LOW = 1.4426950408889634, 0.6931471803691238, 1.9082149292705877e-10
# Adding it rounds a double to the nearest integer, which is then in the low bits.
_ROUNDER = 1.5 * 2.0**52


@intrinsic
def exponential(typing: Any, a: Any) -> tuple[Any, Callable[..., Any]]:
    """``exponential(a)``: e^a for a <= 0, to a few units in the last place."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        def constant(number: float) -> Any:
            return ir.Constant(a.llvm, [number] * a.width)

        kind = ir.FunctionType(a.llvm, [a.llvm] * 3)
        fma = cgutils.get_or_insert_function(builder.module, kind, f"llvm.fma.v{a.width}f64")

        def multiply_add(x: Any, y: Any, z: Any) -> Any:
            return builder.call(fma, [x, y, z])

        # a = m log 2 + r with |r| <= log 2 / 2, and e^r by its series, in parts that can overlap.
        shifted = multiply_add(args[0], constant(_LOG2_E), constant(_ROUNDER))
        whole = builder.fsub(shifted, constant(_ROUNDER))
        r = multiply_add(whole, constant(-_LN2_HIGH), args[0])
        r = multiply_add(whole, constant(-_LN2_LOW), r)
        terms = [constant(1.0 / math.factorial(j)) for j in range(14)]
        power = r
        while len(terms) > 1:
            terms = [
                multiply_add(terms[j + 1], power, terms[j]) for j in range(0, len(terms) - 1, 2)
            ] + terms[len(terms) // 2 * 2 :]
            power = builder.fmul(power, power)
        integers = ir.VectorType(ir.IntType(64), a.width)
        bits = builder.bitcast(shifted, integers)
        # 2^m as the exponent of a double; the high bits of the sum are shifted out.
        bits = builder.add(bits, ir.Constant(integers, [1023] * a.width))
        bits = builder.shl(bits, ir.Constant(integers, [52] * a.width))
        found = builder.fmul(terms[0], builder.bitcast(bits, a.llvm))
        lost = builder.fcmp_ordered("<", args[0], constant(LEAST_EXPONENT))
        return builder.select(lost, constant(0.0), found)

    return a(a), generate


@intrinsic
def total(typing: Any, a: Any) -> tuple[Any, Callable[..., Any]]:
    """``total(a)``: the sum over lanes (a power of two), by halves."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        value, width = args[0], a.width
        while width > 1:
            half = width // 2
            low = _shuffle(builder, value, list(range(half)))
            high = _shuffle(builder, value, list(range(half, width)))
            value, width = builder.fadd(low, high), half
        return builder.extract_element(value, _I32(0))

    return types.float64(a), generate


@intrinsic
def any_nonpositive(typing: Any, a: Any) -> tuple[Any, Callable[..., Any]]:
    """``any_nonpositive(a)``: whether any lane is at most zero."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        zero = ir.Constant(a.llvm, [0.0] * a.width)
        lanes = ir.IntType(a.width)
        flags = builder.bitcast(builder.fcmp_ordered("<=", args[0], zero), lanes)
        return builder.icmp_unsigned("!=", flags, lanes(0))

    return types.boolean(a), generate


@intrinsic
def unlikely(typing: Any, condition: Any) -> tuple[Any, Callable[..., Any]]:
    """``unlikely(condition)``: the condition, which the compiler expects to be false."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        bit = ir.IntType(1)
        function = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(bit, [bit, bit]), "llvm.expect.i1"
        )
        return builder.call(function, [args[0], bit(0)])

    return types.boolean(types.boolean), generate
