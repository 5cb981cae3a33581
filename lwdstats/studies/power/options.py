"""Options of the tests that `power_test` takes, and the smallest studies that a test can be of."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from lwdstats.errors import InputError, check_bool, check_choice, check_integer, is_number
from lwdstats.inference.convergence.convergence_fit import MINIMUM_TIMES
from lwdstats.inference.convergence.convergence_test import convergence_test
from lwdstats.inference.permutation.collapse_test import NULLS, collapse_test
from lwdstats.inference.theorem.check_decay import check_decay
from lwdstats.inference.theorem.runs import FEWEST

TESTS = ("convergence_test", "collapse_test", "check_decay")
# Of each study of collapse_test, where no other number is given.
PERMUTATIONS = 199
# Arguments of the tests that are the study itself, or what `power_test` gives them.
_GIVEN = {
    "x", "ds", "spec", "time", "replicates", "arguments", "n_jobs", "progress", "level", "seed",
}  # fmt: skip
_SIGNATURES = {
    name: inspect.signature(test).parameters
    for name, test in zip(TESTS, (convergence_test, collapse_test, check_decay), strict=True)
}


def check_options(name: str, options: Any, level: float) -> dict[str, Any]:
    """Return the options of a test, those that it needs filled in, or raise `InputError`."""
    known = [one for one in _SIGNATURES[name] if one not in _GIVEN]
    if name == "check_decay":
        known.append("verdict")
    takes = f"arguments of {name} by name: {', '.join(known)}"
    options = {} if options is None else options
    if not isinstance(options, Mapping):
        raise InputError("options", repr(options), f"a mapping of {takes}")
    for one, value in options.items():
        if one in ("level", "seed"):
            raise InputError("options", f"an entry {one!r}", f"{takes} ({one} is power_test's own)")
        if one not in known:
            raise InputError("options", f"an entry {one!r}", takes)
        if one in _CHECKS:
            _CHECKS[one](one, value)
    if name == "check_decay" and level >= 0.5:
        raise InputError("level", level, "a number in (0, 0.5) for check_decay")
    if name != "collapse_test":
        return dict(options)
    filled = {"permutations": PERMUTATIONS, **options}
    check_reachable(filled["permutations"], level)
    return filled


def check_of_proxy(name: str) -> None:
    """Raise where a test can't be done with what a proxy simulates."""
    if name == "check_decay":
        takes = "'collapse_test' or 'convergence_test' of a proxy: check_decay is of simulate_gmm's"
        raise InputError("test", "'check_decay' of a proxy", takes)


def check_reachable(permutations: int, level: float) -> None:
    """Raise where no p of so many permutations is as small as the level."""
    needed = math.ceil(1.0 / level - 1e-9) - 1
    if permutations < needed:
        got = f"{permutations}, with which p is {1 / (permutations + 1):.2g} or more"
        raise InputError("permutations", got, f"{needed} or more at level {level:g}")


def smallest(name: str, options: Mapping[str, Any]) -> dict[str, int]:
    """Return the least replicates, answers and steps that a test with these options takes."""
    replicates, steps = 1, 1
    if name == "check_decay":
        replicates = FEWEST
    elif options.get("null") == "model":
        replicates = 2
    elif name == "convergence_test":
        steps = max(0, math.ceil(options.get("since", 0))) + MINIMUM_TIMES - 1
    return {"n_replicates": replicates, "n_responses": 1, "n_steps": steps}


def _one_of(*choices: str) -> Callable[[str, Any], object]:
    return lambda name, value: check_choice(name, value, choices)


def _at_least(minimum: int) -> Callable[[str, Any], object]:
    return lambda name, value: check_integer(name, value, minimum=minimum)


def _unless_none(check: Callable[[str, Any], object]) -> Callable[[str, Any], object]:
    return lambda name, value: None if value is None else check(name, value)


def _check_since(name: str, value: Any) -> None:
    if not is_number(value) or not np.isfinite(float(value)):
        raise InputError(name, value, "a time")


def _check_margin(name: str, value: Any) -> None:
    if not is_number(value) or not 0 < value < 1:
        raise InputError(name, value, "a number in (0, 1), a share of the initial difference")


# As the tests check them; what hangs on the data, they refuse themselves.
_CHECKS: dict[str, Callable[[str, Any], object]] = {
    "null": _one_of(*NULLS),
    "statistic": _unless_none(_one_of("energy", "f")),
    "permutations": _at_least(1),
    "correction": _one_of("max-T", "holm"),
    # Studies that are simulated have one embedding.
    "embedding": _one_of("embedding"),
    "law": _one_of("power_floor", "exponential"),
    "since": _check_since,
    "square": _unless_none(check_bool),
    "errors": _unless_none(_one_of("relative", "constant")),
    "debias": _unless_none(check_bool),
    "margin": _check_margin,
    "n_draws": _at_least(99),
    "verdict": _one_of("agrees", "differs"),
}
