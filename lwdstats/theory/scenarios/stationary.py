"""What repeated steps of the same kind make of second moments: how fast they fall, or to what."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.linalg import eig
from scipy.sparse.linalg import LinearOperator, eigs

from lwdstats.arrays import FloatArray
from lwdstats.errors import InputError
from lwdstats.scenario.scenario import Scenario
from lwdstats.theory.network import CountedSpec, described
from lwdstats.theory.scenarios.program import Program
from lwdstats.theory.scenarios.setting import Setting

# Up to so many second moments their map is written out as a matrix.
_DENSE = 800
# The limit is taken at 2^_DOUBLINGS steps.
_DOUBLINGS = 30


def outside(scenario: Scenario, n_initial: int) -> str | None:
    """Return the name of what brings in composition from outside, if something does."""
    for name in ("fresh", "noise", "frozen", "anchors"):
        if getattr(scenario, name):
            return name
    share = scenario.read_real
    share = share[1] if isinstance(share, tuple) else share
    kept = scenario.keep == "all" and n_initial
    return "read_real" if share and kept else None


def settled(options: dict[str, Any]) -> Program:
    """Return the program of a network at the first steps that are as all later ones.

    `options` are those of `described` less n_steps. The last two steps of the program
    are alike.
    """
    spec = described(n_steps=2, **options)
    rule, size = spec.scenario.keep_rule, spec.scenario.keep_size
    if rule not in ("last", "random"):
        got = f"{spec.scenario.keep!r}, under which the web never is in a steady state"
        raise InputError("keep", got, "'last', ('last', steps) or ('random', posts)")
    last = max([0, *spec.scenario.networks(spec.labels)])
    if rule == "last":
        n_steps = last + size + 3
    else:
        each = max(int(spec.n_web[1] - spec.n_web[0]), 1) if spec.n_web[0] < size else 1
        n_steps = last + -(-(size - int(spec.n_web[0])) // each) + 3
    longer: CountedSpec = described(n_steps=n_steps, **options)
    program = Program(Setting(longer))
    before, after = (program.arrays(np.array([t])) for t in (n_steps - 2, n_steps - 1))
    for one, other in zip(before, after, strict=True):
        if one.shape != other.shape or np.abs(one - other).max(initial=0) > 1e-12:
            got = "a rule or a share whose numbers differ between steps"
            raise InputError("scenario", got, "steps that are alike: rules without t, and shares "
                             "that are whole numbers of posts")  # fmt: skip
    return program


class MomentMap:
    """The map of second moments by one step, on those of them that a network can have.

    Differences of typical models are uncorrelated with all that models share, but for the
    differences of their own sources.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        t = np.array([program.setting.n_steps - 1])
        matrix, direction, form, size, to = program.arrays(t)
        self.steps = list(zip(matrix, direction, form, size, strict=True))
        self.to = to
        totals = np.array(program.state.totals)
        shared = np.flatnonzero(totals == 1)
        pairs = [(i, j) for a, i in enumerate(shared) for j in shared[a:]]
        for group in program.groups:
            own = [p for p in (group.apart, group.anchor_apart) if p is not None]
            pairs += [(i, j) for a, i in enumerate(own) for j in own[a:]]
        self.i, self.j = np.array(pairs).T

    def apply(self, values: FloatArray) -> FloatArray:
        """Return second moments after a step, (M,), of those before it."""
        size = self.program.state.size
        deficit = np.zeros((size, size))
        deficit[self.i, self.j] = deficit[self.j, self.i] = values
        for (
            matrix,
            direction,
            form,
            v,
        ) in self.steps:
            left = v * np.einsum("ms,sr,mr->m", form, deficit, form, optimize=True)
            amplitude = np.bincount(self.to, left, minlength=len(direction))
            deficit = matrix @ deficit @ matrix.T - (direction.T * amplitude) @ direction
        return deficit[self.i, self.j]

    def start(self) -> FloatArray:
        """Return the second moments at 0, as deficits, (M,)."""
        return self.program.state.gram(np.array([[-1, -1]]))[0][self.i, self.j]

    def matrix(self) -> FloatArray:
        """Return the map as a matrix, (M, M)."""
        return np.stack([self.apply(row) for row in np.eye(self.i.size)], axis=1)

    def root(self, seen: Callable[[FloatArray], float]) -> float:
        """Return the largest eigenvalue whose moments `seen` does not take to 0."""
        if self.i.size <= _DENSE:
            values, vectors = eig(self.matrix())[:2]
        else:
            operator = LinearOperator((self.i.size,) * 2, matvec=self.apply, dtype=np.float64)
            values, vectors = eigs(operator, k=4, v0=self.start())
        order = np.argsort(-np.abs(values))
        for place in order:
            vector = vectors[:, place]
            vector = vector / np.abs(vector).max()
            if abs(seen(vector.real)) + abs(seen(vector.imag)) > 1e-7:
                return float(np.abs(values[place]))
        return 0.0

    def limit(self) -> FloatArray:
        """Return what the second moments of the program tend to, (M,)."""
        if self.i.size > _DENSE:
            got = f"a state of {self.program.state.size} coordinates"
            raise InputError("keep", got, "fewer steps or models, for a limit")
        *_, last = self.program.run()
        values, power = last.gram[-1, 0][self.i, self.j], self.matrix()
        for _ in range(_DOUBLINGS):
            power = power @ power
        return power @ values

    def norm_and_diversity(self, values: FloatArray) -> tuple[float, float]:
        """Return ``E ||D||_F^2`` and ``1 - E |x|^2`` of second moments, (M,)."""
        size, n = self.program.state.size, self.program.setting.n_models
        deficit = np.zeros((size, size))
        deficit[self.i, self.j] = deficit[self.j, self.i] = values
        mean, own = self.program.weights_of_models()
        diversity = float(mean @ deficit @ mean)
        return 2 * n * n * (diversity - float((deficit * own).sum())), diversity
