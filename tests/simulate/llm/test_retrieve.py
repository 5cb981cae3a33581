"""Chance in what is on a web and what is read of it: frequencies against the laws."""

import numpy as np
import pytest

from lwdstats.scenario.reading import reading_weights
from lwdstats.simulate.llm.retrieve import pool_of, rows_read
from lwdstats.simulate.llm.spec import LlmSpec
from lwdstats.simulate.llm.weblog import web_log

N = 1500


def spec_of(scenario, n_steps=3, n_initial=4):
    models = {"a": "text:A.", "b": "text:B.", "c": "text:C."}
    posts = [f"Post {i}." for i in range(n_initial)]
    return LlmSpec(models=models, posts=posts, n_steps=n_steps, seed=8, scenario=scenario)


def drawn(spec, t, model):
    """Rows read, by replicate, of the web of one of them."""
    log = web_log(spec, (0, 0))
    read = [rows_read(spec, log, (r, 0, t, model), lambda among, n: among[:n]) for r in range(N)]
    return log, np.array(read)


def check_shares(counts, share, trials):
    """Each count is binomial(trials, share): none is 5 standard deviations away."""
    away = np.abs(np.asarray(counts) - trials * share)
    assert (away < 5 * np.sqrt(trials * share * (1 - share)) + 1e-9).all()


def test_a_reservoir_holds_every_post_as_often():
    spec = spec_of({"keep": ("reservoir", 5)}, n_steps=4)
    size = web_log(spec, (0, 0)).time.size
    counts = np.zeros(size)
    for replicate in range(N):
        counts[web_log(spec, (replicate, 0)).on_web(4)] += 1
    assert counts.sum() == 5 * N
    check_shares(counts, 5 / size, N)


def test_what_makes_room_for_new_posts_is_any_of_the_old_ones():
    spec = spec_of({"keep": ("random", 6)}, n_steps=2)
    counts = np.zeros(10)
    for replicate in range(N):
        counts[web_log(spec, (replicate, 0)).on_web(2)] += 1
    # Of the 6 of A^(1), 3 initial and the first step's, 3 stay; A^(1) has 3 of 4 initial ones.
    assert (counts[7:] == N).all()
    check_shares(counts[4:7], 1 / 2, N)
    check_shares(counts[:4], 3 / 8, N)


def test_weights_draw_an_author_and_then_a_post():
    weights = [[0.2, 0.8, 0], [1, 1, 1], [0, 0.3, 0.7]]
    spec = spec_of({"readers": weights, "n_read": 4})
    log, rows = drawn(spec, 3, 0)
    pool = pool_of(spec, log, 3, 0)
    expected = np.zeros(log.time.size)
    expected[pool] = reading_weights(np.array(weights[0]), log.author[pool])
    check_shares(np.bincount(rows.ravel(), minlength=log.time.size), expected, rows.size)


def test_a_row_of_ones_among_weights_is_by_author_as_well():
    # Authors have as many posts each where all stay, so that both rules are one there.
    spec = spec_of({"readers": [[1, 0, 0], [0, 1, 0], [0, 0.3, 0.7]], "n_read": 4})
    log, rows = drawn(spec, 3, 0)
    pool = pool_of(spec, log, 3, 0)
    counts = np.bincount(rows.ravel(), minlength=log.time.size)
    assert set(np.flatnonzero(counts)) == set(pool)
    check_shares(counts[pool], 1 / pool.size, rows.size)


@pytest.mark.parametrize("read_real", [("random", 0.3), 0.3])
def test_real_posts_are_read_in_their_share(read_real):
    spec = spec_of({"read_real": read_real, "n_read": 5}, n_initial=8)
    log, rows = drawn(spec, 3, 1)
    real = log.kind[rows] == 1
    if read_real == 0.3:
        # The nearest integer to 1.5, halves up.
        assert (real.sum(1) == 2).all()
        check_shares(real.sum(0), 2 / 5, N)
    else:
        check_shares(real.sum(0), 0.3, N)
    assert all(len(set(row)) == 5 for row in rows.tolist())


def test_own_posts_are_read_in_their_share_at_any_place():
    own = [f"Own {i}." for i in range(6)]
    spec = spec_of({"anchors": (0.4, {"b": own}), "n_read": 6})
    log, rows = drawn(spec, 2, 1)
    mine = log.kind[rows] == 3
    check_shares(mine.sum(0), 0.4, N)
    check_shares(mine.sum(), 0.4, mine.size)
    each = np.bincount(rows[mine], minlength=log.time.size)[log.anchors(1)]
    check_shares(each, 1 / 6, int(mine.sum()))
    # Nobody else reads them.
    assert not (log.kind[drawn(spec, 2, 0)[1]] == 3).any()
