"""The value of an expression of R, of columns and the functions offered, and nothing else."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping

import numpy as np

from lwdstats.errors import InputError
from lwdstats.inference.formula.functions import CONSTANTS, FUNCTIONS
from lwdstats.inference.formula.syntax import Call, Constant, Name, Tree, written
from lwdstats.inference.formula.values import Argument, UnusableError, Value


def evaluate(tree: Tree, columns: Mapping[str, Value]) -> Argument:
    """Return the value of R's expression, of `columns` and nothing else.

    Raises
    ------
    InputError
        If a function is not offered, or cannot take what it is given.
    """
    if isinstance(tree, Name):
        return columns[tree.name] if tree.name in columns else CONSTANTS[tree.name]
    if isinstance(tree, Constant):
        kind = object if isinstance(tree.value, str) else None
        return None if tree.value is None else np.array([tree.value], dtype=kind)
    function = FUNCTIONS.get(tree.function)
    if function is None:
        offered = ", ".join(name for name in FUNCTIONS if name[0].isalpha())
        takes = f"operators, the functions {offered}, or a new column of data for anything else"
        raise InputError("formula", f"{written(tree)} with {tree.function}()", takes)
    values = [evaluate(part, columns) for part in tree.arguments]
    try:
        arguments = _bound(function, tree, values)
        with np.errstate(all="ignore"):  # what is not finite is refused
            return function(*arguments.args, **arguments.kwargs)
    except UnusableError as error:
        raise InputError("formula", written(tree), str(error)) from None
    except ValueError:  # NumPy's, of arrays that do not go together
        takes = "arguments of one length, or of length 1"
        raise InputError("formula", written(tree), takes) from None


def _bound(
    function: Callable[..., Argument], call: Call, values: list[Argument]
) -> inspect.BoundArguments:
    """Return the arguments of a call, whose names in R have dots."""
    signature = inspect.signature(function)
    known = {_r_name(p): p.name for p in signature.parameters.values()}
    pairs = list(zip(call.names, values, strict=True))
    given = [value for name, value in pairs if name is None]
    try:
        named = {known[name]: value for name, value in pairs if name is not None}
        if len(named) + len(given) < len(pairs):
            raise TypeError  # a name twice
        return signature.bind(*given, **named)
    except (KeyError, TypeError):
        raise UnusableError(f"the arguments {', '.join(known) or 'none'}") from None


def _r_name(parameter: inspect.Parameter) -> str:
    if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
        return "..."
    return parameter.name.strip("_").replace(
        "_", "." if parameter.name != "ordered_result" else "_"
    )
