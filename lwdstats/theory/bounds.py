"""Bounds on ||D||_F that hold with a given probability."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from lwdstats.arrays import FloatArray
from lwdstats.errors import InputError, check_choice, check_integer, check_level, is_number
from lwdstats.results.pictures import drawing
from lwdstats.results.result import Result
from lwdstats.theory.network import Network, network

METHODS = {
    "markov": "Markov, second moment",
    "cantelli": "Cantelli, fourth moment",
    "chernoff": "Chernoff, sub-Gaussian draws",
    "pinelis": "Pinelis, martingale in a Hilbert space",
}
# Rounding in a bound must not make it fail where nothing is random.
_SLACK = 1e-9


@dataclass(frozen=True, eq=False)
class NormBound(Result):
    """Bounds on ||D||_F over time, from `norm_bound`.

    Attributes
    ----------
    level : float
        The probability with which ||D||_F is below the bound, at each time.
    bound : (T+1,) float64
        The smallest of the proved bounds.
    method : (T+1,) str
        Which one that is: a key of `candidates`.
    candidates : dict of str to (T+1,) float64
        "markov", "cantelli", "chernoff" and "pinelis": see `norm_bound`.
    expected_sq_norm : (T+1,) float64
        The second moment that was used.
    truncation_risk : (T+1,) float64
        Bound on the probability that Algorithm 2 truncates a weight before t.
    composition : str
        What was taken of the web: "expected" or "any".
    """

    level: float
    bound: FloatArray
    method: NDArray[np.str_]
    candidates: dict[str, FloatArray] = field(repr=False)
    expected_sq_norm: FloatArray = field(repr=False)
    truncation_risk: FloatArray = field(repr=False)
    composition: str

    @property
    def domain(self) -> str:
        """Where the bound holds, in words."""
        last = float(self.truncation_risk[-1])
        if last == 0:
            return "components that do not overlap;\nno truncation can happen here"
        if last < 1:
            says = f"a truncation has probability {last:.2g} at most, to be added to 1 - level"
        else:
            safe = int((self.truncation_risk < 1).sum()) - 1
            says = "truncation can't be ruled out"
            says += f" after t = {safe}" if safe > 0 else ""
            says += ": there the bound is one for runs without it"
        return f"components that do not overlap;\n{says}"

    def tidy(self) -> pd.DataFrame:
        """Return a row for each time: the bound, its method, and all candidates."""
        columns: dict[str, Any] = {"bound": self.bound, "method": self.method}
        columns |= self.candidates | {"truncation_risk": self.truncation_risk}
        index = pd.RangeIndex(self.bound.size, name="time")
        return pd.DataFrame(columns, index=index).reset_index()

    def lines(self) -> list[str]:
        """Return the bound at some times, and where it holds."""
        last = self.bound.size - 1
        times = np.unique(np.rint(np.geomspace(1, last + 1, 8)).astype(int) - 1)
        lines = [f"Bounds on ||D||_F, each with probability {self.level:g}", ""]
        lines += [f"{'t':>8} {'bound':>10}  method"]
        lines += [f"{t:>8} {self.bound[t]:>10.4g}  {METHODS[str(self.method[t])]}" for t in times]
        return [*lines, "", *f"Domain: {self.domain}".splitlines()]

    def _caption(self) -> str:
        return f"Bounds on ||D||_F, each with probability {self.level:g}"

    def _draw(self, ax: drawing.Axes | None) -> drawing.Axes:
        """Draw the candidates and the smallest of them, beside the root of the second moment."""
        ax = drawing.new_axes(ax)
        time = np.arange(self.bound.size)
        for name, values in self.candidates.items():
            ax.plot(time, np.where(np.isfinite(values), values, np.nan), linewidth=0.8, label=name)
        ax.plot(time, self.bound, color="black", linewidth=1.6, label="bound")
        root = np.sqrt(self.expected_sq_norm)
        ax.plot(time, root, "--", color="0.5", label=r"$(E\|D\|_F^2)^{1/2}$")
        drawing.name_time(ax)
        ax.set_ylabel(r"$\|D^{(t)}\|_F$")
        ax.set_ylim(0, 1.2 * float(self.bound[np.isfinite(self.bound)].max()))
        drawing.legend(ax)
        drawing.title(ax, self._caption())
        return ax


def norm_bound(
    initial_weights: ArrayLike,
    *,
    level: float = 0.95,
    composition: str = "expected",
    **options: Any,
) -> NormBound:
    """Bound ||D||_F at each time with a given probability.

    Parameters
    ----------
    initial_weights : array_like, shape (n, B)
        Pi^(0).
    level : float
        Probability, in (0, 1): ``P(||D^(t)||_F >= bound[t]) <= 1 - level`` at
        each t by itself.
    composition : {"expected", "any"}
        How diverse the web is taken to be in the moments: as the exact
        recursion has it, or as it can be at most, ``1 - 1/B``. The second
        makes all four bounds proofs for Algorithm 2 itself, see Notes.
    **options
        `n_responses`, `beta`, `n_steps` and the others that `expected_sq_norm`
        takes, with the same defaults.

    Returns
    -------
    NormBound
        The smallest of four bounds at each time, and which one it is.

    Raises
    ------
    InputError
        If an argument can't be used.

    Notes
    -----
    Proved for components that do not overlap, for runs without truncation:

    - "markov": by the second moment, `expected_sq_norm`.
    - "cantelli": one-sided Chebyshev, from the exact second and an upper bound
      of the fourth moment. Mostly the smallest at levels of 0.9 to 0.97.
    - "chernoff": the points that a model reads are bounded increments of a
      martingale, so ||D||_F^2 has the tail of a non-central chi-square of
      (n - 1)(B - 1) degrees of freedom at most, whatever is posted. Strong at
      high levels and for few components.
    - "pinelis": the same martingale seen as one in a Hilbert space, with no
      regard to dimension. Strong at high levels for many components.

    A run of Algorithm 2 is one of that recursion until its first truncation, so
    it breaks the bound with probability ``1 - level + truncation_risk`` at most.
    With c = 0 the risk is 0; with c > 0 it is bounded by what A^(0) holds, and with
    an empty A^(0) there is no bound of it: then `domain` says so. A run taken up at
    time s, with its weights and web at s for the start, has one.

    For c > 0, `composition="expected"` takes moments in which a weight may pass
    through 0 and be posted from all the same, an error of the order of that
    risk; "any" is free of it (and "cantelli" is then Markov on the fourth moment,
    as it has no exact mean to take off).

    With overlap D falls more slowly, and none of these holds.

    References
    ----------
    Pinelis (1994), "Optimum bounds for the distributions of martingales in
    Banach spaces".
    Hsu, Kakade and Zhang (2012), "A tail inequality for quadratic forms of
    subgaussian random vectors".
    Wang, Pang, Horiguchi and Priebe, "LLM Web Dynamics", Appendix A.

    Examples
    --------
    >>> first = [[0.2, 0.8], [0.5, 0.5], [0.75, 0.25]]
    >>> print(norm_bound(first, n_steps=1000, initial_counts=[20, 20]))
    Bounds on ||D||_F, each with probability 0.95
    <BLANKLINE>
           t      bound  method
           0      1.349  Cantelli, fourth moment
           2     0.7376  Cantelli, fourth moment
           6     0.4706  Cantelli, fourth moment
          18     0.3045  Cantelli, fourth moment
          51     0.1887  Cantelli, fourth moment
         138     0.1167  Cantelli, fourth moment
         372     0.0715  Cantelli, fourth moment
        1000     0.0437  Cantelli, fourth moment
    <BLANKLINE>
    Domain: components that do not overlap;
    a truncation has probability 0.11 at most, to be added to 1 - level
    """
    check_level(level)
    check_choice("composition", composition, ("expected", "any"))
    return _norm_bound(_fixed(network(initial_weights, **options)), level, composition)


def _fixed(net: Network) -> Network:
    if net.weights is None:
        raise InputError("initial_weights", None, "the weights at 0, (n, B)")
    return net


def _norm_bound(net: Network, level: float, composition: str) -> NormBound:
    # Here, so that importing the package takes no numba.
    from lwdstats.theory.bounds_kernel import bound_candidates, truncation_risk

    squares, mean = bound_candidates(net, 1 - level, composition == "any")
    scale = 2 * net.n_models
    found = {name: np.sqrt(scale * s) * (1 + _SLACK) for name, s in squares.items()}
    stack = np.stack(list(found.values()))
    return NormBound(
        level=float(level),
        bound=stack.min(0),
        method=np.array(list(found))[stack.argmin(0)],
        candidates=found,
        expected_sq_norm=scale * mean,
        truncation_risk=truncation_risk(net),
        composition=composition,
    )


def steps_to(
    bound: float,
    initial_weights: ArrayLike,
    *,
    level: float = 0.95,
    composition: str = "expected",
    max_steps: int = 1_000_000,
    **options: Any,
) -> int:
    """Return the first time from which on ||D||_F is under a bound with a given probability.

    Parameters
    ----------
    bound : float
        What ||D||_F is to be under.
    initial_weights : array_like, shape (n, B)
        Pi^(0).
    level : float
        Probability, at each of those times by itself.
    composition : {"expected", "any"}
        See `norm_bound`.
    max_steps : int
        How far to look.
    **options
        As of `norm_bound`, less `n_steps`.

    Returns
    -------
    int
        The first t with `norm_bound` under `bound` at t and at every later time
        up to twice t (and at least 200).

    Raises
    ------
    InputError
        If an argument can't be used, or the bound isn't reached by `max_steps`.

    Notes
    -----
    An upper bound of the time that is needed, as good as `norm_bound` is. With
    alpha = 1/k it grows as ``1 / bound^2``: halving the norm takes four times as
    long, whatever the factor of the expected difference says.

    Examples
    --------
    >>> first = [[0.2, 0.8], [0.5, 0.5], [0.75, 0.25]]
    >>> [steps_to(b, first, initial_counts=[20, 20]) for b in (0.4, 0.2, 0.1)]
    [10, 46, 189]
    """
    if not is_number(bound) or not bound > 0:
        raise InputError("bound", bound, "a positive number")
    check_level(level)
    check_choice("composition", composition, ("expected", "any"))
    horizon = min(check_integer("max_steps", max_steps, minimum=1), 200)
    if "n_steps" in options:
        raise InputError("n_steps", options["n_steps"], "nothing here: use max_steps")
    while True:
        net = _fixed(network(initial_weights, n_steps=horizon, **options))
        values = _norm_bound(net, level, composition).bound
        above = np.flatnonzero(values > bound)
        first = int(above[-1]) + 1 if above.size else 0
        if 2 * first <= horizon or (first <= horizon and horizon == max_steps):
            return first
        if horizon == max_steps:
            got = f"{bound:g}, which is below {values[-1]:.4g}, the bound at {max_steps} steps"
            raise InputError("bound", got, "a bound that is reached, or a larger max_steps")
        horizon = min(2 * horizon, max_steps)
