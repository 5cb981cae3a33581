"""Moments in every scenario that closes, equal to an enumeration of all outcomes in rationals."""

from fractions import Fraction

import numpy as np
import pytest
from all_outcomes import laws, moments

from lwdstats.theory.moments import expected_diversity, expected_sq_norm, second_moments

F = Fraction
TWO = ((F(1, 5), F(4, 5)), (F(2, 3), F(1, 3)))
THREE = ((F(1, 5), F(3, 10), F(1, 2)), (F(1, 2), F(1, 3), F(1, 6)))
TRIO = (*TWO, (F(1, 4), F(3, 4)))
R = (F(1, 4), F(3, 4))
U = (F(9, 10), F(1, 10)), (F(2, 5), F(3, 5))
half = lambda size: size // 2  # noqa: E731


def case(scenario, first=TWO, counts=(1, 1), n_steps=3, update="sequential", **rules):
    return {"scenario": scenario, "n_steps": n_steps, "first": first, "counts": counts,
            "n": len(first), "L": 1, "update": update, "k": half, "alpha": lambda k: F(1, k + 1),
            "c": lambda k: F(0), **rules}  # fmt: skip


def fixed(many):
    return {"k": lambda size: min(size, many)}


def complexity(many):
    return {"c": lambda k: F(1, many * k), "complexity": f"1/({many} k)"}


ring = lambda t: ((1, 1, 0), (0, 1, 1), (1, 0, 1))  # noqa: E731
# A sixth of all that is read is of the third author's, and so on.
weights = lambda t: ((F(1, 2), F(1, 2)), (F(1, 4), F(3, 4)))  # noqa: E731
changing = lambda t: ((1, 0), (0, 1)) if t < 1 else ((1, 1), (1, 0))  # noqa: E731
as_floats = lambda rows: [[float(x) for x in row] for row in rows]  # noqa: E731

CASES = {
    "the paper's": case({}, **complexity(7)),
    "after update": case({"posts": "after update"}, n_steps=2, after=True),
    "replace": case({"keep": "last"}, keep=("last", 1), n_steps=4),
    "replace, complexity": case({"keep": "last"}, keep=("last", 1), n_steps=4, **complexity(5)),
    "replace, three components": case(
        {"keep": "last"}, first=THREE, counts=(1, 0, 1), keep=("last", 1)
    ),
    "replace, after update, refit": case(
        {"keep": "last", "posts": "after update"}, keep=("last", 1), after=True, update="refit"
    ),
    "window of two": case({"keep": ("last", 2)}, keep=("last", 2), n_steps=3),
    "window of three": case(
        {"keep": ("last", 3), "n_read": 1}, keep=("last", 3), n_steps=4, **fixed(1)
    ),
    "constant k": case({"n_read": 2}, n_steps=2, counts=(2, 1), **fixed(2)),
    "k by a formula": case({"n_read": "sqrt(N)"}, k=lambda size: int(size**0.5)),
    "random capacity": case({"keep": ("random", 3)}, keep=("random", 3), n_steps=4),
    "random capacity, fresh": case(
        {"keep": ("random", 4), "fresh": 1, "fresh_from": [0.25, 0.75]}, keep=("random", 4),
        n_steps=2, fresh=lambda t: 1, R=R,
    ),
    "reservoir": case({"keep": ("reservoir", 3)}, keep=("reservoir", 3), n_steps=3),
    "reservoir, fresh": case(
        {"keep": ("reservoir", 3), "fresh": 1, "fresh_from": [0.25, 0.75]},
        keep=("reservoir", 3), n_steps=2, fresh=lambda t: 1, R=R,
    ),
    "fresh posts": case(
        {"fresh": 1, "fresh_from": [0.25, 0.75]}, n_steps=2, fresh=lambda t: 1, R=R
    ),
    "replace, fresh share": case(
        {"keep": "last", "fresh": 0.2, "fresh_from": [0.25, 0.75]}, keep=("last", 1), n_steps=4,
        fresh=lambda t: (t + 1) // 2 - t // 2, R=R,
    ),
    "noise": case(
        {"noise": 1 / 3, "noise_from": [0.25, 0.75], "keep": "last"}, keep=("last", 1),
        noise=lambda t: 1, noise_law=R,
    ),
    "real share, stratified": case(
        {"read_real": 0.5, "fresh": 1, "fresh_from": [0.25, 0.75], "keep": "last"},
        keep=("last", 1), fresh=lambda t: 1, R=R, read_real=F(1, 2), k=lambda size: min(size, 2),
    ) | {"scenario": {"read_real": 0.5, "fresh": 1, "fresh_from": [0.25, 0.75], "keep": "last",
                      "n_read": 2}},
    "real share, stratified, all kept": case(
        {"read_real": 0.6}, n_steps=3, read_real=F(3, 5), counts=(1, 2)
    ),
    "real share, at random": case(
        {"read_real": ("random", 0.5), "n_read": 2}, read_real=("random", F(1, 2)), counts=(1, 2),
        n_steps=2, **fixed(2),
    ),
    "real share, more than there is": case(
        {"read_real": ("random", 0.75), "n_read": 3}, read_real=("random", F(3, 4)), counts=(1, 1),
        n_steps=2, **fixed(3),
    ),
    "union of neighbours": case(
        {"readers": ring(0)}, first=TRIO, row=ring, n_steps=2, counts=(0, 0)
    ),
    "union, replace": case(
        {"readers": [[1, 1], [1, 0]], "keep": "last", "n_read": 1}, keep=("last", 1),
        row=lambda t: ((1, 1), (1, 0)), n_steps=3, **fixed(1),
    ),
    "authors by weight": case(
        {"readers": as_floats(weights(0)), "n_read": 2}, row=weights, n_steps=2, **fixed(2)
    ),
    "authors by weight, replace": case(
        {"readers": as_floats(weights(0)), "keep": "last", "n_read": 2, "fresh": 1,
         "fresh_from": [0.25, 0.75]},
        keep=("last", 1), row=weights, n_steps=2, fresh=lambda t: 1, R=R, **fixed(2),
    ),
    "readers that change": case(
        {"readers": {0: changing(0), 1: changing(1)}}, row=changing, counts=(0, 1)
    ),
    "frozen": case({"frozen": [0]}, frozen=(0,), n_steps=3),
    "frozen, replace": case({"frozen": [0], "keep": "last"}, frozen=(0,), keep=("last", 1)),
    "silent": case({"silent": [1]}, silent=(1,), n_steps=3),
    "anchors": case({"anchors": (0.25, as_floats(U))}, anchors=(F(1, 4), U), n_steps=2),
    "anchors, replace": case(
        {"anchors": (0.25, as_floats(U)), "keep": "last", "n_read": 2}, keep=("last", 1),
        anchors=(F(1, 4), U), n_steps=2, **fixed(2), **complexity(5),
    ),
    "anchors and a real share": case(
        {"anchors": (0.25, as_floats(U)), "read_real": 0.5, "n_read": 2}, read_real=F(1, 2),
        anchors=(F(1, 4), U), n_steps=2, **fixed(2),
    ),
    "refit": case({}, update="refit", n_steps=3, **complexity(7)),
    "prior": case({"keep": ("last", 2)}, update=("prior", 1.5), keep=("last", 2), n_steps=3),
    "real weight, all read": case(
        {"real_weight": 0.6, "fresh": 1, "fresh_from": [0.25, 0.75], "keep": "last", "n_read": "N"},
        update="refit", keep=("last", 1), fresh=lambda t: 1, R=R, real_weight=F(3, 5),
        k=lambda size: size,
    ),
    "real weight": case(
        {"real_weight": 0.6, "n_read": 2}, update=("prior", 2.0), real_weight=F(3, 5), n_steps=2,
        counts=(1, 2), **fixed(2),
    ),
    "real weight and a real share": case(
        {"real_weight": 0.75, "read_real": ("random", 0.5), "n_read": 2}, update="refit",
        real_weight=F(3, 4), read_real=("random", F(1, 2)), n_steps=2, **fixed(2),
    ),
    "the newest posts": case(
        {"retrieval": "recent", "n_read": 2}, recent=True, n_steps=3, **fixed(2)
    ),
}  # fmt: skip


def arguments(one):
    return {
        "initial_weights": np.array(one["first"], dtype=float),
        "initial_counts": list(one["counts"]),
        "n_responses": 1,
        "n_steps": one["n_steps"],
        "step_size": "1/(k + 1)",
        "complexity": one.get("complexity", 0.0),
        "scenario": one["scenario"],
        "update": one["update"],
    }


@pytest.mark.parametrize("name", CASES)
def test_moments_are_those_of_all_outcomes(name):
    one = CASES[name]
    options = arguments(one)
    n, n_b = len(one["first"]), len(one["first"][0])
    found = second_moments(**options)
    norm, diversity = expected_sq_norm(**options), expected_diversity(**options)
    exact = {"rtol": 0, "atol": 2e-14}
    for t, law in enumerate(laws(name, one, one["n_steps"])):
        assert sum(law.values()) == 1
        mean, second = moments(law, n_b)
        square = np.einsum("iibb->", second[:n, :n])
        whole = np.einsum("ijbb->", second[:n, :n])
        np.testing.assert_allclose(norm[t], 2 * n * square - 2 * whole, **exact)
        np.testing.assert_allclose(diversity[t], 1 - whole / n**2, **exact)
        if not hasattr(found, "cov"):
            continue
        np.testing.assert_allclose(found.model_mean[t], mean[:n], **exact)
        np.testing.assert_allclose(found.web_mean[t], mean[n], **exact)
        theirs = found.cov[t] + np.einsum("ia,jb->ijab", mean, mean)
        np.testing.assert_allclose(theirs, second, **exact)
        np.testing.assert_allclose(found.expected_sq_norm[t], norm[t], **exact)
        np.testing.assert_allclose(found.diversity[t], diversity[t], **exact)
