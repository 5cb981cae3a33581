"""Checks of the fields of a scenario, each with its own error."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from lwdstats.errors import InputError, check_integer, is_number
from lwdstats.expression import parse


def check_keep(value: Any) -> str | tuple[str, int]:
    """Return ``"all"``, or the rule and its number."""
    takes = "'all', 'last', ('last', steps), ('random', posts) or ('reservoir', posts)"
    if isinstance(value, str) and value in ("all", "last"):
        return "all" if value == "all" else ("last", 1)
    if isinstance(value, list | tuple) and len(value) == 2 and isinstance(value[0], str):
        try:
            if value[0] in ("last", "random", "reservoir"):
                return (value[0], check_integer("keep", value[1], minimum=1))
        except InputError:
            pass
    raise InputError("keep", value, takes)


def check_fresh(value: Any) -> int | float:
    """Return a number of posts as an integer, or a share below 1 as a float."""
    takes = "an integer of posts a step, or a share of what is added in [0, 1)"
    if not is_number(value) or value < 0 or not np.isfinite(value):
        raise InputError("fresh", value, takes)
    if isinstance(value, int | np.integer):
        return int(value)
    if value >= 1:
        raise InputError("fresh", value, f"{takes}: without posts of models nothing is to be seen")
    return float(value) if value else 0


def check_share(name: str, value: Any) -> float:
    """Return a share in [0, 1]."""
    if not is_number(value) or not 0 <= value <= 1:
        raise InputError(name, value, "a share in [0, 1]")
    return float(value)


def check_noise(value: Any) -> float:
    """Return a share below 1."""
    if not is_number(value) or not 0 <= value < 1:
        raise InputError("noise", value, "a share of what is added in [0, 1)")
    return float(value)


def check_source(name: str, value: Any) -> Any:
    """Return where posts come from: None, a path, texts, a law, or points, as tuples."""
    takes = (
        "for mixtures the law of a component, B shares that sum to 1, or points, numbers of shape "
        "(M, d); for language models texts, or the path of a file of them"
    )
    if value is None:
        return None
    if isinstance(value, str | os.PathLike):
        if not os.fspath(value):
            raise InputError(name, value, takes)
        return os.fspath(value)
    if isinstance(value, Sequence) and len(value) and all(isinstance(v, str) for v in value):
        return tuple(value)
    array = _numbers(name, value, takes)
    if array.ndim == 1:
        return check_law(name, array)
    if array.ndim != 2 or not array.size:
        raise InputError(name, f"numbers of shape {array.shape}", takes)
    return tuple(map(tuple, array.tolist()))


def _numbers(name: str, value: Any, takes: str) -> np.ndarray:
    try:
        array = np.asarray(value)
        usable = array.dtype.kind in "iuf" and np.isfinite(array).all()
    except (TypeError, ValueError):
        array, usable = np.empty(0), False
    if not usable:
        raise InputError(name, value, takes)
    return array.astype(np.float64)


def check_law(name: str, shares: Any) -> tuple[float, ...]:
    """Return shares of components that sum to 1."""
    takes = "shares of at least 0 that sum to 1"
    array = _numbers(name, shares, takes)
    if array.ndim != 1 or not array.size or array.min() < 0:
        raise InputError(name, array.tolist(), takes)
    if abs(array.sum() - 1) > 1e-8:
        raise InputError(name, f"shares that sum to {array.sum():.12g}", takes)
    return tuple(array.tolist())


def check_read_real(value: Any) -> float | tuple[str, float] | None:
    """Return the share of real posts among what is read, with "random" where it is drawn."""
    takes = "None, a share in [0, 1], or ('random', share)"
    if value is None:
        return None
    random = isinstance(value, list | tuple) and len(value) == 2 and value[0] == "random"
    share = value[1] if random else value
    if not is_number(share) or not 0 <= share <= 1:
        raise InputError("read_real", value, takes)
    return ("random", float(share)) if random else float(share)


def check_real_weight(value: Any) -> float | None:
    """Return the weight of what is real in an update."""
    return None if value is None else check_share("real_weight", value)


def check_n_read(value: Any) -> str | int:
    """Return "beta", a number, or a formula in N."""
    takes = "'beta', an integer of at least 1, or a formula in N such as 'sqrt(N)'"
    if not isinstance(value, str):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
            raise InputError("n_read", value, takes)
        return int(value)
    if value == "beta":
        return value
    formula = parse(value, argument="n_read")
    if set(formula.names) != {"N"}:
        raise InputError("n_read", repr(value), takes)
    return value


def check_members(name: str, value: Any) -> tuple[int | str, ...]:
    """Return labels of models."""
    takes = "labels of models, each once"
    given = (value,) if isinstance(value, str | int | np.integer) else value
    if isinstance(value, bool) or not np.iterable(given) or isinstance(given, dict):
        raise InputError(name, value, takes)
    members = tuple(int(m) if isinstance(m, np.integer) else m for m in given)
    if not all(isinstance(m, int | str) and not isinstance(m, bool) for m in members):
        raise InputError(name, value, takes)
    if len(set(map(str, members))) < len(members):
        raise InputError(name, value, takes)
    return members


def check_anchors(value: Any) -> tuple[float, Any] | None:
    """Return the share of reads and the sources.

    Sources are laws of shape (B,) or (n, B), as tuples, or texts by label of model. A
    flat list of numbers, as a command has it, is the share and one law for all.
    """
    takes = (
        "None or (share, sources): for mixtures laws of a component, of shape (B,) or (n, B), for "
        "language models texts by model"
    )
    if value is None:
        return None
    if not isinstance(value, list | tuple) or len(value) < 2:
        raise InputError("anchors", value, takes)
    share, *rest = value
    share = check_share("anchors", share)
    source = rest if len(rest) > 1 or is_number(rest[0]) else rest[0]
    if isinstance(source, dict):
        return share, _texts_by_model(source, takes)
    array = _numbers("anchors", source, takes)
    if array.ndim not in (1, 2) or not array.size:
        raise InputError("anchors", f"numbers of shape {array.shape}", takes)
    if array.ndim == 1:
        return share, check_law("anchors", array)
    return share, tuple(check_law("anchors", row) for row in array)


def _texts_by_model(source: dict[Any, Any], takes: str) -> dict[str, tuple[str, ...]]:
    texts = {
        str(label): (some,) if isinstance(some, str) else tuple(some) if np.iterable(some) else ()
        for label, some in source.items()
    }
    for label, some in texts.items():
        if not some or not all(isinstance(text, str) and text for text in some):
            raise InputError("anchors", f"{source.get(label, some)!r}", takes)
    return texts


def plain_tree(value: Any) -> Any:
    """Return what JSON holds of nested tuples."""
    if isinstance(value, dict):
        return {key: plain_tree(part) for key, part in value.items()}
    return [plain_tree(part) for part in value] if isinstance(value, tuple) else value
