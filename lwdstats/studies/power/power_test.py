"""How many replicates, answers and steps a test needs, or what power it has with these."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from lwdstats.arrays import FloatArray
from lwdstats.dataset.schema import spec_of
from lwdstats.errors import InputError, check_choice, check_integer, check_level, is_number
from lwdstats.inference.convergence.convergence_test import convergence_test
from lwdstats.inference.permutation.collapse_test import collapse_test
from lwdstats.inference.theorem.check_decay import check_decay
from lwdstats.mixtures.spec import GmmSpec
from lwdstats.results.pictures import drawing
from lwdstats.results.pictures.style import colour
from lwdstats.results.result import Result, one_row
from lwdstats.simulate.gmm.simulate_gmm import simulate_gmm
from lwdstats.streams import resolve_seed
from lwdstats.studies.power.collapse_power import OF_EACH, collapse_power
from lwdstats.studies.power.options import TESTS, check_of_proxy, check_options, smallest
from lwdstats.studies.power.search import Sought, by_bisection, by_probit
from lwdstats.studies.proxy.result import Proxy

_FOUND = ("n_replicates", "n_responses", "n_steps", "effect", "power")
# The largest that are tried, and, of simulations, by how much work: answers that are read grow
# with n_sim R L T^2, but so few are always tried.
_MOST = {"n_replicates": 200, "n_responses": 1000, "n_steps": 2000}
_WORK = 2e9
_ALWAYS = {"n_replicates": 20, "n_responses": 50, "n_steps": 50}
_LEAST_EFFECT = 0.05
# What a source may have besides the arguments that describe a run.
_ASIDE = ("n_jobs", "progress")
# Replicates that are simulated at once, as each needs memory.
_AT_ONCE = 400


@dataclass(frozen=True, eq=False)
class PowerTest(Result):
    """The power of a test, or what reaches one, by `power_test`.

    Attributes
    ----------
    test : str
    n_replicates, n_responses, n_steps : int
    effect : float
        By how much models differ at the start, in units of the source.
    power : float
        Of the test with these.
    std_error : float
        Monte Carlo error of `power`; 0 by theory, which is within .02 of simulation.
    level : float
        Size of the test.
    found : str
        Which of these was left out.
    method : {"theory", "simulation"}
    tried : pandas.DataFrame
        What was tried: `value` of what was sought, `power`, `n_sim` (0 by theory) and
        `n_refused`, as below.
    seed : int
    n_refused : int
        Studies behind `power` that the test refuses, as curves that do not fall; they count as
        not rejecting.
    notes : tuple of str
        What else to know of the result; printed.
    """

    test: str
    n_replicates: int
    n_responses: int
    n_steps: int
    effect: float
    power: float
    std_error: float
    level: float
    found: str
    method: str
    tried: pd.DataFrame
    seed: int
    n_refused: int = 0
    notes: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """Return R's block of a power calculation."""
        rows: dict[str, Any] = {name: getattr(self, name) for name in _FOUND} | {
            "level": self.level
        }
        width = max(map(len, rows))
        lines = ["", f"     Power of {self.test}, by {self.method}", ""]
        for name, value in rows.items():
            shown = f"{value:.3g}" if isinstance(value, float) else str(value)
            if name == "power" and self.method == "simulation":
                shown += f" (Monte Carlo standard error {self.std_error:.2g})"
            lines.append(f"{name:>{width + 4}} = {shown}{'  <- found' * (name == self.found)}")
        for note in (_MEANS[self.test], *self.notes):
            lines += ["", *textwrap.wrap("NOTE: " + note, 80)]
        return lines

    def tidy(self) -> pd.DataFrame:
        """Return one row: the numbers, as broom's for R's power calculations."""
        names = [*_FOUND, "std_error", "level", "method", "n_refused"]
        return one_row({name: getattr(self, name) for name in names})

    def _draw(self, ax: drawing.Axes | None) -> drawing.Axes:
        ax = drawing.new_axes(ax)
        tried = self.tried.sort_values("value")
        error = np.zeros(len(tried))
        if self.method == "simulation":
            error = np.sqrt(tried["power"] * (1 - tried["power"]) / tried["n_sim"])
        ax.errorbar(tried["value"], tried["power"], 2 * error, fmt="o", color=colour(0))
        ax.set_xlabel("effect" if self.found == "power" else self.found.replace("_", " "))
        ax.set_ylabel("power")
        ax.set_ylim(0, 1.02)
        return ax


_MEANS = {
    "convergence_test": "power is how often it rejects that ||D|| goes to 0.",
    "collapse_test": "power is how often it tells models apart at the last time.",
    "check_decay": "power is how often it gives the verdict that the source deserves: agrees "
    "within the margin, or differs (option verdict).",
}


def power_test(
    test: str | Callable[..., Any],
    source: Mapping[str, Any] | xr.Dataset | Proxy,
    *,
    n_replicates: int | None = None,
    n_responses: int | None = None,
    n_steps: int | None = None,
    effect: float | None = 1.0,
    power: float | None = None,
    level: float = 0.05,
    method: str | None = None,
    n_sim: int = 200,
    options: Mapping[str, Any] | None = None,
    seed: int | str | None = None,
) -> PowerTest:
    """Find the power of a test, or how many replicates, answers or steps reach one.

    As R's ``power.t.test``: of replicates, answers, steps, effect and power, the one that is
    None is found.

    Parameters
    ----------
    test : {"convergence_test", "collapse_test", "check_decay"}
        Or the function of that name.
    source : mapping, xarray.Dataset or Proxy
        What runs are like: a specification of `simulate_gmm`, a dataset of one as a pilot,
        or what `fit_proxy` made of a pilot of language models.
    n_replicates, n_responses, n_steps : int, optional
        R, L and T of a study.
    effect : float, optional
        Initial weights of the models are as many times as far from their mean as the source
        has them; other than 1 only where the source has `initial_weights`.
    power : float, optional
        In (level, 1).
    level : float
        Size of the test.
    method : {"theory", "simulation"}, optional
        By default theory where there is one that is held to simulation.
    n_sim : int
        Studies that are simulated for each value that is tried.
    options : mapping, optional
        Arguments of the test, but for its level and seed; `permutations` are 199 where not
        given. Of `check_decay` also `verdict`, "agrees" or "differs", which counts as its success.
    seed : int or str, optional
        Drawn and kept in the result where not given.

    Returns
    -------
    PowerTest

    Raises
    ------
    InputError
        If not just one is None, nothing in reach has the power, the source can't be used, or
        `method` is "theory" where there is none.

    Notes
    -----
    There is theory for `collapse_test` ("given_prompts") of mixtures in the paper's scenario
    with given initial weights, from 10 answers on of which each model is expected to give 3 of each
    component, as long as weights have not moved or components do not overlap: exact moments of
    weights give the law of F (`collapse_power`).
    The score of `convergence_test` and the verdict of `check_decay` hang on how norms of
    several times vary together, which is of fourth moments, and these do not close.

    Else studies are simulated from the source with seeds of their own, tested, and counted. Those
    that the test refuses count as not rejecting, unless it refuses all, which is raised.

    What is sought is bracketed by doubling, from the smallest study that the test takes to 200
    replicates, 1000 answers, 2000 steps (fewer where simulation would take minutes) or the effect
    at which a weight is 0. Where power falls with steps, the largest that still have it are found,
    and a note says so. By simulation a probit line in the logarithm, fitted to what was tried
    nearby, gives the value, whose power is simulated again: the printed error is of that last
    simulation, and the number found is as uncertain as that.

    Of a proxy, weights are simulated and answers drawn from its components, so that power is as
    right as the proxy: see `Proxy.check`.

    Examples
    --------
    >>> import lwdstats as lwd
    >>> first = [[0.3, 0.7], [0.5, 0.5], [0.7, 0.3]]
    >>> spec = {"initial_weights": first, "means": [-1, 1]}
    >>> print(lwd.power_test("collapse_test", spec, n_responses=20, n_steps=1, power=0.8))
    <BLANKLINE>
         Power of collapse_test, by theory
    <BLANKLINE>
        n_replicates = 5  <- found
         n_responses = 20
             n_steps = 1
              effect = 1
               power = 0.825
               level = 0.05
    <BLANKLINE>
    NOTE: power is how often it tells models apart at the last time.
    """
    name = check_choice("test", getattr(test, "__name__", test), TESTS)
    check_level(level)
    n_sim = check_integer("n_sim", n_sim, minimum=20)
    if isinstance(source, Proxy):
        check_of_proxy(name)
    given: dict[str, Any] = {
        "n_replicates": n_replicates,
        "n_responses": n_responses,
        "n_steps": n_steps,
        "effect": effect,
        "power": power,
    }
    options = check_options(name, options, level)
    least = smallest(name, options)
    sought = _sought(given, level, least)
    if method is not None:
        check_choice("method", method, ["theory", "simulation"])
    spec, first = (None, None) if isinstance(source, Proxy) else _specification(source, given)
    if name == "check_decay" and first is None:
        takes = "given ones (initial_weights): check_decay is of one start"
        raise InputError("source", "initial weights that are drawn", takes)
    draw = _drawing(source, spec, first, effect)
    judge = _judge(name, options, level)
    root = resolve_seed(seed)
    if method != "simulation":
        try:
            exact = _theory(name, spec, first, options, level)
            where = _where(sought, given, least, first, 0)
            value, tried, said = _by_theory(exact, given, where, first)
            return _result(name, given, sought, value, level, tried, 0, root, said)
        except InputError as error:
            # Where nothing reaches the power, simulation would not either.
            if method == "theory" or error.argument in ("power", "effect"):
                raise
    tried: list[tuple[float, float, int]] = []
    problems: list[InputError] = []

    def at(value: float) -> float:
        now = given if sought == "power" else given | {sought: value}
        stream = np.random.default_rng([root % 2**63, len(tried)])
        share, refused, problem = _share(draw, judge, now, n_sim, stream)
        if problem is not None and refused == n_sim:
            problems.append(problem)
            # No value of what is sought would cure an option.
            if sought == "power" or problem.argument in options:
                raise problem
        tried.append((value, share, refused))
        return share

    where = _where(sought, given, least, first, n_sim)
    value, said = float(given["effect"] or 0.0), None
    if where is not None:
        try:
            value, said = by_probit(at, tried, where)
        except InputError:
            if problems and len(problems) == len(tried):
                raise problems[-1] from None
            raise
    at(value)
    return _result(name, given, sought, value, level, tried, n_sim, root, said)


def _result(
    name: str,
    given: Mapping[str, Any],
    sought: str,
    value: float,
    level: float,
    tried: Sequence[tuple[float, float, int]],
    n_sim: int,
    seed: int,
    said: str | None,
) -> PowerTest:
    """Return what was found, which was tried last, by theory where `n_sim` is 0."""
    share = tried[-1][1]
    final = {**given, sought: value, "power": share}
    error = math.sqrt(share * (1 - share) / n_sim) if n_sim else 0.0
    values, powers, refused = zip(*tried, strict=True)
    frame = pd.DataFrame({"value": values, "power": powers, "n_sim": n_sim, "n_refused": refused})
    notes = () if said is None else (said,)
    notes += _said_of_refused(name, n_sim, refused) if any(refused) else ()
    return PowerTest(
        name, int(final["n_replicates"]), int(final["n_responses"]), int(final["n_steps"]),
        float(final["effect"]), share, error, float(level), sought,
        "simulation" if n_sim else "theory", frame, seed, refused[-1], notes,
    )  # fmt: skip


def _said_of_refused(name: str, n_sim: int, refused: Sequence[int]) -> tuple[str, ...]:
    """Return what to say of studies that a test refused, of which there are some."""
    counted = f"of {n_sim} studies are refused by {name} and count as not rejecting"
    if not refused[-1]:
        return (f"Up to {max(refused)} {counted}, on the way there (n_refused of tried).",)
    most = f"; on the way there, up to {max(refused)} (n_refused of tried)" * (len(refused) > 1)
    return (f"{refused[-1]} {counted}{most}.",)


def _sought(given: Mapping[str, Any], level: float, smallest: Mapping[str, int]) -> str:
    """Return the name of what is None, after checking the others."""
    missing = [name for name, value in given.items() if value is None]
    if len(missing) != 1:
        got = f"{len(missing)} of {', '.join(_FOUND)} left out ({', '.join(missing) or 'none'})"
        raise InputError("power", got, "all but one, which is found")
    for name, least in smallest.items():
        if given[name] is not None:
            check_integer(name, given[name], minimum=least)
    effect, power = given["effect"], given["power"]
    if effect is not None and (not is_number(effect) or effect < 0):
        raise InputError("effect", effect, "a number of at least 0")
    if power is not None and (not is_number(power) or not level < power < 1):
        raise InputError("power", power, f"a number in ({level:g}, 1)")
    return missing[0]


def _drawing(
    source: Any, spec: dict[str, Any] | None, first: FloatArray | None, effect: float | None
) -> Callable[..., xr.Dataset]:
    """Return what makes runs of a source: of R replicates, L answers, T steps, effect, seed."""
    if spec is None:
        if effect != 1.0:
            raise InputError("effect", effect, "1 for a proxy, whose models differ as they do")
        return lambda R, L, T, _, seed: _of_proxy(source, R, L, T, seed)
    if effect != 1.0 and first is None:
        raise InputError("effect", effect, "1 where the source has no initial_weights")

    def draw(R: int, L: int, T: int, effect: float, seed: int) -> xr.Dataset:
        changes: dict[str, Any] = {"n_responses": L, "n_steps": T}
        if first is not None:
            changes["initial_weights"] = _moved(first, effect)
        return simulate_gmm(**(spec | changes), replicates=R, seed=seed)

    return draw


def _specification(
    source: Any, given: Mapping[str, Any]
) -> tuple[dict[str, Any], FloatArray | None]:
    """Return the arguments of `simulate_gmm` that a source has, checked, and Pi^(0) (n, B).

    That is None where it is drawn.
    """
    if isinstance(source, xr.Dataset):
        source = spec_of(source, source="source")
    if not isinstance(source, Mapping):
        raise InputError("source", type(source).__name__, "a specification, a dataset or a Proxy")
    if source.get("simulator", "gmm") != "gmm":
        takes = "one of simulate_gmm; of another pilot its proxy, fit_proxy(pilot)"
        raise InputError("source", f"a specification of {source['simulator']!r}", takes)
    # The times that are kept are those of the pilot's length.
    spec = {k: v for k, v in source.items() if k not in ("simulator", "record")}
    for name in spec:
        if name not in GmmSpec.arguments() and name not in _ASIDE:
            raise InputError("source", f"an unknown argument, {name!r}", "those of simulate_gmm")
    sizes = {k: given[k] for k in ("n_responses", "n_steps") if given[k] is not None}
    checked = GmmSpec.from_json({k: v for k, v in spec.items() if k not in _ASIDE} | sizes)
    for name, shared in {"initial_weights": 2, "initial_points": 2, "initial_means": 3}.items():
        if np.ndim(getattr(checked, name)) > shared:
            raise InputError("source", f"{name} of each replicate", "one start for all replicates")
    first = None if checked.initial_weights is None else checked.first_weights(0)
    return {k: v for k, v in spec.items() if k not in ("replicates", "seed")}, first


def _moved(first: FloatArray, effect: float) -> FloatArray:
    """Return initial weights as many times as far from their mean."""
    if effect == 1.0:
        return first
    mean = first.mean(axis=0)
    weights = mean + effect * (first - mean)
    if weights.min() <= 0:
        raise InputError("effect", effect, "one that leaves all initial weights above 0")
    return weights


def _theory(
    name: str,
    spec: dict[str, Any] | None,
    first: FloatArray | None,
    options: dict[str, Any],
    level: float,
) -> Callable[[Mapping[str, Any]], float]:
    """Return what gives the power of R, L, T and effect, refusing what there is no theory for."""
    if name != "collapse_test" or options.get("null", "given_prompts") != "given_prompts":
        raise InputError("method", "'theory'", "'simulation', but for collapse_test given prompts")
    if spec is None:
        raise InputError("method", "'theory'", "'simulation' of a proxy")
    if first is None:
        raise InputError("source", "initial weights that are drawn", "given ones, for theory")
    statistic = options.get("statistic") or "energy"

    def exact(now: Mapping[str, Any]) -> float:
        return collapse_power(
            spec,
            _moved(first, float(now["effect"])),
            int(now["n_replicates"]),
            int(now["n_responses"]),
            int(now["n_steps"]),
            level=level,
            statistic=statistic,
            permutations=int(options["permutations"]),
        )

    return exact


def _by_theory(
    exact: Callable[[Mapping[str, Any]], float],
    given: Mapping[str, Any],
    where: Sought | None,
    first: FloatArray | None,
) -> tuple[float, list[tuple[float, float, int]], str | None]:
    """Return what was sought (the effect where that is the power), all tried, and what to say.

    Rows of what was tried end with the power of what was found.
    """
    tried: dict[float, float] = {}

    def at(value: float) -> float:
        if value not in tried:
            tried[value] = exact(given if where is None else {**given, where.name: value})
        return tried[value]

    if where is None:
        value, said = float(given["effect"]), None
        at(value)
    else:
        least = where.least
        if where.name in ("n_replicates", "n_responses"):
            least = _least_of_theory(at, where)
        if least > where.least and at(least) >= where.power:
            raise InputError(where.name, f"fewer than {least:g}", "'simulation'")
        most = where.most
        if where.name == "effect":
            # With larger ones, some model gives too few answers of a component.
            most = min(most, _largest_effect(first, OF_EACH / int(given["n_responses"])))
        try:
            value, said = by_bisection(at, replace(where, least=least, most=max(most, least)))
        except InputError as error:
            if error.argument != "power" or most == where.most:
                raise
            got = f"{given['n_responses']}, too few for an effect above {most:.3g}"
            raise InputError("n_responses", got, "more, for theory") from None
    rows = [(one, power, 0) for one, power in tried.items() if one != value]
    return value, [*rows, (value, tried[value], 0)], said


def _least_of_theory(at: Callable[[float], float], where: Sought) -> float:
    """Return the least value for which there are answers enough for theory."""

    def known(value: float) -> bool:
        try:
            at(value)
        except InputError as error:
            # All else is refused for every value.
            if error.argument != "n_responses":
                raise
            return value >= where.most
        return True

    low, high = 0.0, where.least
    while not known(high):
        low, high = high, min(2 * high, where.most)
    while high - low > 1 and high > where.least:
        middle = float((low + high) // 2)
        low, high = (low, middle) if known(middle) else (middle, high)
    return high


def _largest_effect(first: FloatArray | None, weight: float) -> float:
    """Return the effect at which the least weight of a model falls to `weight`."""
    start = np.asarray(first, dtype=float)
    mean = start.mean(axis=0)
    falls = start < mean
    if not falls.any():
        raise InputError("effect", "None, of models that start alike", "a number")
    return float(((mean - weight) / np.where(falls, mean - start, np.nan))[falls].min())


def _where(
    sought: str,
    given: Mapping[str, Any],
    smallest: Mapping[str, int],
    first: FloatArray | None,
    n_sim: int,
) -> Sought | None:
    """Return what is sought and within which limits; None where that is the power itself."""
    if sought == "power":
        return None
    power = float(given["power"])
    if sought == "effect":
        # At the largest a weight is 0; just before.
        most = _largest_effect(first, 0.0)
        return Sought(sought, power, _LEAST_EFFECT, most * (1 - 1e-6), n_sim)
    least, most = float(smallest[sought]), float(_MOST[sought])
    if n_sim:
        R, L, T = (int(given[name] or 1) for name in ("n_replicates", "n_responses", "n_steps"))
        times = _WORK / (float(n_sim) * R * L * T**2)
        times = math.sqrt(times) if sought == "n_steps" else times
        most = float(np.clip(math.floor(times), _ALWAYS[sought], most))
    return Sought(sought, power, least, max(most, 4 * least), n_sim)


def _of_proxy(proxy: Proxy, R: int, L: int, T: int, seed: int) -> xr.Dataset:
    """Return weights of a proxy, and answers drawn from its components."""
    ds = proxy.simulate(n_steps=T, replicates=R, seed=seed)
    rng = np.random.default_rng([seed % 2**63, 5])
    means, variances = proxy.moments[0]
    weight = ds["weight"].transpose("time", "model", "replicate", "component").values
    pi = np.maximum(weight, 0.0)
    edges = np.cumsum(pi / pi.sum(-1, keepdims=True), axis=-1)[..., None, :]
    of = (rng.random((*pi.shape[:-1], L, 1)) > edges[..., :-1]).sum(-1)
    x = means[of] + np.sqrt(variances[of]) * rng.standard_normal((*of.shape, means.shape[1]))
    dims = ("time", "model", "replicate", "response", "feature")
    ds = ds.drop_vars("weight").assign(embedding=(dims, x.astype(np.float32)))
    return ds.assign_coords(response=np.arange(L), feature=np.arange(means.shape[1]))


def _judge(name: str, options: dict[str, Any], level: float) -> Callable[[xr.Dataset, int], bool]:
    """Return what says whether a study ends as power counts, by the study and a seed.

    Each study has permutations of its own: shared ones would make studies fail together.
    """
    if name == "convergence_test":
        return lambda ds, _: convergence_test(ds, **options).p_value <= level
    if name == "collapse_test":

        def told_apart(ds: xr.Dataset, seed: int) -> bool:
            given: dict[str, Any] = {"seed": seed} | options
            found = collapse_test(ds, ds["time"].values[-1:].tolist(), **given)
            return float(found.tidy()["p_value"].to_numpy()[0]) <= level

        return told_apart
    verdict = options.get("verdict", "agrees")
    options = {k: v for k, v in options.items() if k != "verdict"}
    options = {"n_draws": 499, "level": 1.0 - level} | options

    def decided(ds: xr.Dataset, seed: int) -> bool:
        given: dict[str, Any] = {"seed": seed} | options
        return check_decay(ds, **given).verdict.startswith(verdict)

    return decided


def _share(
    draw: Callable[..., xr.Dataset],
    judge: Callable[[xr.Dataset, int], bool],
    now: Mapping[str, Any],
    n_sim: int,
    rng: np.random.Generator,
) -> tuple[float, int, InputError | None]:
    """Return how often studies end as power counts, how many are refused, and why the last was."""
    R, L, T = (int(now[name]) for name in ("n_replicates", "n_responses", "n_steps"))
    each = max(1, _AT_ONCE // R)
    done = hits = refused = 0
    problem = None
    while done < n_sim:
        many = min(each, n_sim - done)
        ds = draw(R * many, L, T, float(now["effect"]), int(rng.integers(2**62)))
        for i in range(many):
            study = ds.isel(replicate=slice(i * R, (i + 1) * R))
            try:
                hits += judge(study, int(rng.integers(2**62)))
            except InputError as error:
                refused, problem = refused + 1, error
        done += many
    return hits / n_sim, refused, problem
