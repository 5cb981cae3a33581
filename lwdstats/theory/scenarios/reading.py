"""What a step of reading does to models: its mean, and the noise of what chance gives them.

Letters in the shapes: C steps of a chunk, S coordinates, G sources of what is read.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom, hypergeom

from lwdstats.arrays import FloatArray
from lwdstats.theory.scenarios.state import Half, Noise, State
from lwdstats.theory.scenarios.web import ratio

Update = str | tuple[str, float]
Terms = list[tuple[FloatArray, FloatArray]]


@dataclass(frozen=True)
class Group:
    """Models that are alike in what they do: all that holds of one holds of each.

    Attributes
    ----------
    models : (m,) int64
    mean, apart : int, int or None
        Coordinates of their mean, and of a typical one's difference from it; None of one model.
    reads, posts : bool
    anchor, anchor_apart : int or None
        Coordinates of the mean of their own sources, and of the difference of each from it.
    k : (T+1,) int64
        How many points each reads.
    alpha, c : (T,) float64
        Step size and complexity; 0 where k is 0.
    """

    models: NDArray[np.int64]
    mean: int
    apart: int | None
    reads: bool
    posts: bool
    anchor: int | None
    anchor_apart: int | None
    k: NDArray[np.int64]
    alpha: FloatArray
    c: FloatArray


def draw_weights(
    update: Update, alpha: FloatArray, k: NDArray[np.int64]
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return what is left of a weight after k points, S1 and S2, (C,) each.

    S1 is the sum of the weights that the points have in the update, S2 that of their squares.
    """
    if update == "sequential":
        with np.errstate(divide="ignore"):  # alpha = 1
            logs = np.log1p(-alpha)
        rho = np.exp(np.multiply(k, logs, where=k > 0, out=np.zeros(k.size)))
        return rho, 1 - rho, alpha / (2 - alpha) * (1 - rho * rho)
    prior = 0.0 if isinstance(update, str) else float(update[1])
    points = np.maximum(k, 1) + prior
    reads = k > 0
    return np.where(reads, prior / points, 1.0), reads * k / points, reads * k / points**2


@dataclass(frozen=True)
class Reads:
    """What the points that a model reads are, in law.

    Attributes
    ----------
    form : (G, C, S) float64
        Composition of each source.
    weight : (G, C) float64
        Chance that a point is of it.
    joint : (G, G, C) float64
        Chance that two points are of these sources.
    size : (G, C) float64
        How many points the source has of which none is read twice; infinity where one may be.
    """

    form: FloatArray
    weight: FloatArray
    joint: FloatArray
    size: FloatArray

    @property
    def mean(self) -> FloatArray:
        """Form of what a point is on average, (C, S)."""
        return np.einsum("gc,gcs->cs", self.weight, self.form)

    def noise(self, squares: FloatArray, products: FloatArray) -> Terms:
        """Return the noise of a weighted sum of points.

        `squares` is S2, and `products` S1^2 - S2, what the weights of two points add up to.
        """
        terms = [(squares, self.mean)]
        for g, form in enumerate(self.form):
            # Two points without replacement: less alike than chance, by C(P) / (N - 1).
            less = ratio(self.joint[g, g], np.maximum(self.size[g] - 1, 0))
            terms.append((-products * less, form))
            for other in range(g):
                excess = self.joint[g, other] - self.weight[g] * self.weight[other]
                terms.append((products * excess, form - self.form[other]))
        return terms


def one_source(form: FloatArray, size: FloatArray) -> Reads:
    """Return reads of one source: forms (C, S), and its points (C,)."""
    one = np.ones((1, size.size))
    return Reads(form[None], one, one[None], size[None])


def with_anchor(web: Reads, share: float, form: FloatArray) -> Reads:
    """Return reads of which each is, with a given chance, of a source of the model's own."""
    sources = np.concatenate([web.form, np.broadcast_to(form, web.form[:1].shape)])
    weight = np.concatenate([(1 - share) * web.weight, np.full_like(web.weight[:1], share)])
    joint = weight[:, None] * weight
    joint[:-1, :-1] = (1 - share) ** 2 * web.joint
    size = np.concatenate([web.size, np.full_like(web.size[:1], np.inf)])
    return Reads(sources, weight, joint, size)


def likely(mean: float, variance: float, low: int, high: int) -> NDArray[np.int64]:
    """Return the integers from `low` to `high` that a sum of draws can be.

    Those beyond 12 standard deviations add up to less than the smallest rounding error.
    """
    reach = 12 * np.sqrt(variance) + 2
    return np.arange(max(low, int(mean - reach)), min(high, int(mean + reach) + 1) + 1)


def real_law(
    read_real: float | tuple[str, float] | None, k: int, n_real: int, n_other: int
) -> tuple[NDArray[np.int64], FloatArray]:
    """Return how many of k points may be real, and the chance of each number."""
    if k == 0:
        return np.zeros(1, np.int64), np.ones(1)
    if read_real is None:
        total = n_real + n_other
        share = n_real / total
        variance = k * share * (1 - share)
        values = likely(k * share, variance, max(0, k - n_other), min(k, n_real))
        return values, np.asarray(hypergeom.pmf(values, total, n_real, k))
    if isinstance(read_real, tuple):
        w = read_real[1]
        values = likely(k * w, k * w * (1 - w), 0, k)
        chance = np.asarray(binom.pmf(values, k, w))
    else:
        values, chance = np.array([int(np.floor(read_real * k + 0.5))]), np.ones(1)
    # What one kind lacks the other gives.
    return np.clip(values, k - n_other, n_real), chance


def real_and_other(
    read_real: float | tuple[str, float],
    k: NDArray[np.int64],
    forms: tuple[FloatArray, FloatArray],
    sizes: tuple[NDArray[np.int64], NDArray[np.int64]],
    share: float,
    anchor: FloatArray,
) -> Reads:
    """Return reads of which a share is real.

    `forms` and `sizes` are those of the real posts and of the others, (C, S) and (C,) each;
    `share` is the chance of a read to be of a source of the model's own, whose form is `anchor`.
    """
    # Of a source as the first of two reads, and of two: E K and E K (K - 1), or E K K'.
    first, second = np.zeros((3, k.size)), np.zeros((3, 3, k.size))
    for step, (many, n_real, n_other) in enumerate(zip(k, *sizes, strict=True)):
        numbers, chances = np.array([many]), np.ones(1)
        if share > 0:
            numbers = likely(many * (1 - share), many * share * (1 - share), 0, int(many))
            chances = np.asarray(binom.pmf(numbers, many, 1 - share))
        for n_web, chance in zip(numbers.tolist(), chances.tolist(), strict=True):
            values, law = real_law(read_real, n_web, int(n_real), int(n_other))
            counts = np.stack([values, n_web - values, np.full_like(values, many - n_web)])
            first[:, step] += chance * (counts @ law)
            pairs = counts[:, None] * counts - np.eye(3, dtype=np.int64)[:, :, None] * counts
            second[:, :, step] += chance * (pairs @ law)
    kinds = 3 if share > 0 else 2
    form = np.stack([*forms, np.broadcast_to(anchor, forms[0].shape)])[:kinds]
    size = np.stack([*sizes, np.full(k.size, np.inf)])[:kinds]
    weight, joint = first / np.maximum(k, 1), second / np.maximum(k * (k - 1), 1)
    return Reads(form, weight[:kinds], joint[:kinds, :kinds], size)


def reweighted(
    weight: float,
    read_real: float | tuple[str, float] | None,
    k: NDArray[np.int64],
    forms: tuple[FloatArray, FloatArray],
    sizes: tuple[NDArray[np.int64], NDArray[np.int64]],
) -> tuple[FloatArray, Terms]:
    """Return form and noise of ``w mean(real) + (1 - w) mean(others)`` of the points read.

    Where only one kind is read, that is its mean.
    """
    share, spread = np.ones(k.size), np.zeros(k.size)
    inside = np.zeros((2, k.size))
    for step, (many, n_real, n_other) in enumerate(zip(k, *sizes, strict=True)):
        real, chance = real_law(read_real, int(many), int(n_real), int(n_other))
        w = np.where(real == 0, 0.0, np.where(real == many, 1.0, weight))
        share[step] = chance @ w
        spread[step] = chance @ (w - share[step]) ** 2
        for kind, (part, count, size) in enumerate(
            ((w, real, n_real), (1 - w, many - real, n_other))
        ):
            left = ratio((size - count) * 1.0, count * max(float(size) - 1, 1))
            inside[kind, step] = chance @ (part**2 * left)
    mean = share[:, None] * forms[0] + (1 - share)[:, None] * forms[1]
    terms = [(inside[0], forms[0]), (inside[1], forms[1]), (-spread, forms[0] - forms[1])]
    return mean, terms


def updated(
    state: State,
    group: Group,
    mean: FloatArray,
    terms: Terms,
    rho: FloatArray,
    left: tuple[FloatArray, FloatArray, int | None, int],
    half: Half,
) -> None:
    """Add the update of one group's models by points whose form and noise are known.

    `left` is ``h = 1 - B c``, c, the coordinate of equal weights where c is not 0, and B.
    """
    h, c, even, n_b = left
    s1 = 1 - rho
    typical = mean / h[:, None]
    apart = np.zeros_like(mean)
    if group.anchor_apart is not None:
        apart[:, group.anchor_apart] = typical[:, group.anchor_apart]
    row = typical - apart
    if even is not None:
        row = row - (c * n_b / h)[:, None] * state.unit(even)
    old = rho[:, None]
    half.rows[group.mean] = old * state.unit(group.mean) + s1[:, None] * row
    m = group.models.size
    scaled = [(v / h**2, e) for v, e in terms]
    half.noise.append(Noise(state.unit(group.mean), [(v / m, e) for v, e in scaled]))
    if group.apart is not None:
        half.rows[group.apart] = old * state.unit(group.apart) + s1[:, None] * apart
        each = [(v * (1 - 1 / m), e) for v, e in scaled]
        half.noise.append(Noise(state.unit(group.apart), each))
