"""Where compositions drift, on a web that keeps all or a sample of it, in the clock log t.

Models are soon where their reading takes them, while the web moves ever more slowly: of a pool
with composition P to which q is added, ``dP / dlog t = q - P``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lwdstats.arrays import FloatArray
from lwdstats.errors import InputError
from lwdstats.theory.scenarios.program import Program

# Shares of a web are taken at this many steps and at twice that.
FAR = 4096
# An eigenvalue this near 1 is 1: what a finite time leaves of shares is of that order.
_NEAR = 1e-5


@dataclass(frozen=True, eq=False)
class Flow:
    """The drift of pools and what follows from it.

    Letters in the shapes: G pools, S coordinates, m groups of models.

    Attributes
    ----------
    program : Program
    matrix : (G, G) float64
        M in ``dP / dlog t = (M - 1) P + what comes from outside``.
    outside : (G, S) float64
        What comes from outside, as forms of constant coordinates.
    reading : (m, G), (m, S) float64
        Where the mean of each group of models is for given pools, and constants.
    """

    program: Program
    matrix: FloatArray
    outside: FloatArray
    reading: tuple[FloatArray, FloatArray]

    @property
    def values(self) -> FloatArray:
        """Real parts of the eigenvalues of M, the largest first."""
        return np.sort(np.linalg.eigvals(self.matrix).real.astype(np.float64))[::-1]

    @property
    def n_free(self) -> int:
        """How many eigenvalues are 1: parts of the web whose limit is up to chance."""
        return int((self.values > 1 - _NEAR).sum())

    def exponent(self) -> float:
        """Return the power with which differences of models' means from their limits fall.

        It is ``1 - Re mu`` for the largest eigenvalue mu of M, below 1, that
        differences between models show; infinite where none does.
        """
        values, vectors = np.linalg.eig(self.matrix)
        shown = self.reading[0] @ vectors
        spread = np.abs(shown - shown.mean(0)).max(0) / np.abs(vectors).max(0)
        real = np.real(values)
        found = real[(spread > 1e-6) & (real < 1 - _NEAR)]
        return float(1 - found.max()) if found.size else float("inf")

    def consensus_exponent(self) -> float:
        """Return the power with which means of pools go to their limits."""
        found = self.values[self.values < 1 - _NEAR]
        return float(1 - found.max()) if found.size else float("inf")

    def limit(self) -> tuple[float, float]:
        """Return ``E ||D||_F^2`` and ``1 - E |x|^2`` in the limit, where chance has no part in it.

        So with no eigenvalue at 1, and noise that falls to 0.
        """
        program, n = self.program, self.program.setting.n_models
        pools = np.linalg.solve(np.eye(len(self.matrix)) - self.matrix, self.outside)
        means = self.reading[0] @ pools + self.reading[1]
        deficit = program.state.gram(np.array([[-1, -1]]))[0]
        shares = np.array([group.models.size / n for group in program.groups])
        whole = shares @ means
        diversity = float(whole @ deficit @ whole)
        own = float(shares @ np.einsum("gs,sr,gr->g", means, deficit, means))
        for share, group in zip(shares, program.groups, strict=True):
            # Within a group, models differ by their own sources, or by what they were frozen at.
            if not group.reads and group.apart is not None:
                own += share * float(deficit[group.apart, group.apart])
            elif group.anchor_apart is not None and program.setting.scenario.anchors is not None:
                w = program.setting.scenario.anchors[0]
                own += share * w**2 * float(deficit[group.anchor_apart, group.anchor_apart])
        return 2 * n * n * (diversity - own), diversity


def flow(program: Program) -> Flow:
    """Return the drift of a program of ``2 FAR`` steps."""
    half, whole = _shares(program, FAR - 1), _shares(program, 2 * FAR - 1)
    # What is left of the way to the limit of shares falls like 1/t.
    matrix, outside, pools, constants = (2 * b - a for a, b in zip(half, whole, strict=True))
    return Flow(program, matrix, outside, (pools, constants))


def _shares(program: Program, t: int) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Return what each pool and each model takes, of pools and of constants, at step t."""
    state = program.state
    # A pool to which nothing comes stays what it was, and so comes from outside.
    pools = [pool for pool in program.pools.values() if pool.added[: t + 1].any()]
    places = [pool.share for pool in pools]
    reading = program.equilibrium(np.array([t]))
    moving = {group.mean: row for group, row in zip(program.groups, reading, strict=True)}
    drift = np.zeros((len(pools), state.size))
    for row, pool in zip(drift, pools, strict=True):
        added = pool.added[: t + 1].sum()
        for origin in pool.origins:
            form = moving.get(origin.mean, state.unit(origin.mean))
            row += form * (origin.count[: t + 1].sum() / added)
    constants, outside = reading.copy(), drift.copy()
    constants[:, places] = outside[:, places] = 0.0
    return drift[:, places], outside, reading[:, places], constants


def check_moves(program: Program) -> None:
    """Raise where models forget less and less, so that they are nowhere soon."""
    for group in program.groups:
        if not group.reads:
            continue
        half, whole = program.kept(group, np.array([FAR - 1, 2 * FAR - 1]))
        if not (whole < 0.999 and abs(half - whole) < 0.01):
            got = f"a rule under which a step leaves {whole:.4g} of the weights at {2 * FAR} steps"
            raise InputError("step_size", got, "a rule under which that tends to a number below 1")
