"""How the expected difference between two models decays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lwdstats.arrays import FloatArray, as_integers
from lwdstats.errors import InputError
from lwdstats.mixtures.sources import anchors_of
from lwdstats.mixtures.spec import MixtureSpec
from lwdstats.theory.network import Network, described
from lwdstats.theory.scenarios.moments import model_means
from lwdstats.theory.scenarios.setting import Setting


def decay_factor(k: ArrayLike, alpha: ArrayLike) -> FloatArray:
    """Return what a step leaves of the expected difference between two models.

    Parameters
    ----------
    k : array_like of int
        k_t, how many points a model reads.
    alpha : array_like
        alpha_t in (0, 1]; anything, NaN too, where k is 0.

    Returns
    -------
    ndarray
        ``(1 - alpha)^k``, in the common shape of both. 1 where k is 0.

    Raises
    ------
    InputError
        If an argument is not as above.

    Notes
    -----
    With alpha = 1/k it rises to e^-1. The factor is that of components which
    do not overlap. Where they do a difference decays more slowly.

    References
    ----------
    Wang, Pang, Horiguchi and Priebe, "LLM Web Dynamics", Appendix A.

    Examples
    --------
    >>> decay_factor([0, 2, 1000], [np.nan, 0.5, 0.001]).round(4)
    array([1.    , 0.25  , 0.3677])
    """
    count, size = _array("k", k), _array("alpha", alpha)
    if count.dtype.kind not in "iu" or (count.size and count.min() < 0):
        raise InputError("k", k, "non-negative integers")
    if size.dtype.kind not in "iuf":
        raise InputError("alpha", alpha, "numbers in (0, 1]")
    try:
        count, size = np.broadcast_arrays(count, size.astype(np.float64))
    except ValueError:
        got = f"shapes {count.shape} of k and {size.shape}"
        raise InputError("alpha", got, "as many numbers as k") from None
    reads = count > 0
    bad = reads & ~((size > 0) & (size <= 1))
    if bad.any():
        raise InputError("alpha", float(size[bad][0]), "numbers in (0, 1]")
    with np.errstate(divide="ignore"):  # alpha = 1
        logs = np.log1p(-size, where=reads, out=np.zeros(size.shape))
    return np.exp(count * logs)


def _array(argument: str, value: ArrayLike) -> NDArray[Any]:
    try:
        return np.asarray(value)
    except (TypeError, ValueError):
        raise InputError(argument, f"a {type(value).__name__}", "an array of numbers") from None


def decay_product(k: ArrayLike, alpha: ArrayLike) -> FloatArray:
    """Return what all steps before t leave of the expected difference, over time.

    Parameters
    ----------
    k, alpha : array_like, shape (T,)
        See `decay_factor`.

    Returns
    -------
    ndarray, shape (T+1,)
        ``prod_{s<t} (1 - alpha_s)^{k_s}`` for t = 0..T; so 1 at 0.

    Raises
    ------
    InputError
        If an argument is not as above.

    Examples
    --------
    >>> decay_product([0, 2, 2], [np.nan, 0.5, 0.5])
    array([1.    , 1.    , 0.25  , 0.0625])
    """
    factors = decay_factor(k, alpha)
    if factors.ndim != 1:
        raise InputError("k", f"numbers of shape {factors.shape}", "one number a step")
    return np.concatenate([[1.0], np.cumprod(factors)])


def expected_difference(
    initial_weights: ArrayLike,
    *,
    pairs: ArrayLike | None = None,
    **options: Any,
) -> FloatArray:
    """Return the expected difference of the weights of two models, over time.

    Parameters
    ----------
    initial_weights : array_like, shape (n, B)
        Pi^(0).
    pairs : array_like of int, shape (m, 2), optional
        Which models: all pairs i < j by default, in the order of SciPy's
        ``pdist`` (01, 02, ..., 12, ...).
    **options
        `n_responses`, `beta`, `n_steps` and the others that `expected_sq_norm`
        takes, with the same defaults.

    Returns
    -------
    ndarray, shape (T+1, m, B)
        ``E[pi_i - pi_j]`` given Pi^(0), exact for components that do not
        overlap and without the truncation of Algorithm 2.

    Raises
    ------
    InputError
        If an argument can't be used.

    Notes
    -----
    It says where the difference is on average, not how large it is. That the
    mean goes to 0 does not make ``E|pi_i - pi_j|`` go to 0: see
    `expected_sq_norm`. If the starts are drawn, the expectation over them is 0
    throughout; so the start must be given.

    Examples
    --------
    >>> first = [[0.2, 0.8], [0.5, 0.5], [0.75, 0.25]]
    >>> expected_difference(first, n_steps=3, pairs=[[0, 2]])[:, 0, 0].round(4)
    array([-0.55  , -0.55  , -0.174 , -0.0603])
    """
    spec = described(initial_weights, **options)
    if spec.initial_weights is None:
        raise InputError("initial_weights", None, "the weights at 0, (n, B)")
    if pairs is None:
        i, j = np.triu_indices(spec.n_models, 1)
    else:
        takes = f"pairs of models from 0 to {spec.n_models - 1}, of shape (m, 2)"
        array = as_integers(pairs, "pairs", takes)
        known = (array >= 0) & (array < spec.n_models)
        if array.ndim != 2 or array.shape[1] != 2 or not known.all():
            raise InputError("pairs", pairs, takes)
        i, j = array.T
    if not spec.is_paper:
        means = model_means(Setting(spec))
        return means[:, i] - means[:, j]
    net = Network.from_spec(spec)
    weights = Setting(spec).weights
    product = np.concatenate([[1.0], np.cumprod(net.rho)])
    return product[:, None, None] * (weights[i] - weights[j])


def check_one_law(spec: MixtureSpec) -> None:
    """Raise where a step leaves other than ``(1 - alpha)^k`` of an expected difference.

    That is what it leaves, whatever the web keeps and whatever is added to it, where what two
    models read has one law and the update is that of Algorithm 2.
    """
    scenario = spec.scenario
    takes = "{}: where models read of one law, a step leaves (1 - alpha)^k of a difference"
    if spec.update != "sequential":
        raise InputError("update", spec.update, "'sequential': another leaves other than "
                         "(1 - alpha)^k of a difference")  # fmt: skip
    if any(net is not None for net in scenario.networks(spec.labels).values()):
        raise InputError("readers", "models that read different posts", takes.format("None"))
    if scenario.frozen:
        raise InputError("frozen", scenario.frozen, takes.format("()"))
    if scenario.anchors is not None:
        laws = anchors_of(scenario, spec.n_models, spec.n_components)[1]
        if (laws != laws[:1]).any():
            got = "sources that differ between models"
            raise InputError("anchors", got, takes.format("one source for all"))
