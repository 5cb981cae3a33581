"""The mirror of a network: laws, literal loops and scikit-learn; and where its slope changes."""

import warnings

import numpy as np
import pytest
from scipy.linalg import orthogonal_procrustes
from scipy.stats import ortho_group
from sklearn.manifold import Isomap
from small_runs import small_llm

import lwdstats as lwd
from lwdstats.inference.mirror import curve, knots, states


def path_of(rng, n_times=40, at=20, slopes=(0.2, 1.0), walk=0.1, white=0.1):
    """A path (T, 1) with one corner, a random walk and white noise."""
    t = np.arange(n_times)
    line = slopes[0] * np.minimum(t, at) + slopes[1] * np.maximum(t - at, 0)
    steps = np.concatenate([[0.0], np.cumsum(rng.normal(size=n_times - 1))])
    return (line + walk * steps + white * rng.normal(size=n_times))[:, None]


@pytest.fixture
def answers():
    return small_llm(time=12, model=4, response=5, query=2).assign_coords(model=list("abcd"))


def table_of(ds, **options):
    return lwd.mirror(ds, n_bootstrap=19, seed=1, **options)


@pytest.mark.parametrize("distance", states.DISTANCES)
def test_turned_embeddings_and_reordered_members_change_nothing(answers, distance):
    found = table_of(answers, distance=distance, k=2)
    turn = ortho_group.rvs(5, random_state=1)
    turned = answers.copy()
    turned["embedding"] = (answers["embedding"].dims, answers["embedding"].values @ turn)
    shuffled = answers.isel(model=[2, 0, 3, 1], replicate=[1, 0], query=[1, 0])
    for other in (turned, shuffled):
        again = table_of(other, distance=distance, k=2)
        np.testing.assert_allclose(again.squared, found.squared, atol=1e-5)
        np.testing.assert_allclose(np.abs(again.iso), np.abs(found.iso), atol=1e-3)


def test_squares_are_those_of_a_literal_loop(answers):
    x = answers["embedding"].transpose("time", "replicate", "model", "query", "response", "feature")
    x = x.values.astype(float)
    mean, noise = x.mean(axis=4), x.var(axis=4, ddof=1).sum(axis=-1) / x.shape[4]
    expected = np.zeros((12, 12))
    for t in range(12):
        for s in range(12):
            if s != t:
                away = ((mean[t] - mean[s]) ** 2).sum(axis=-1) - noise[t] - noise[s]
                expected[t, s] = away.mean()
    np.testing.assert_allclose(table_of(answers).squared, expected, atol=1e-6)
    plain = table_of(answers, debias=False).squared
    assert (plain >= expected - 1e-9).all()


def test_noise_is_taken_out_without_bias():
    rng = np.random.default_rng(3)
    ds = small_llm(time=10, model=3, replicate=400, response=3)
    truth = rng.normal(size=(10, 3, 1, 1, 1, 5))
    ds["embedding"] = (ds["embedding"].dims, truth + rng.normal(size=ds["embedding"].shape))
    expected = states.squared_distances(truth[:, :, 0, 0, 0][:, None], "frobenius")
    found = table_of(ds).squared
    # Of 1,200 pairs with a standard deviation of about 4 each.
    np.testing.assert_allclose(found, expected, atol=0.6)
    assert abs((found - expected)[np.triu_indices(10, 1)].mean()) < 0.1
    assert (table_of(ds, debias=False).squared - expected)[0, 1:].min() > 2.0


def test_spectral_and_procrustes_are_those_of_numpy_and_scipy():
    x = np.random.default_rng(1).normal(size=(10, 7, 3))
    spectral = states.squared_distances(x[:, None], "spectral")
    turned = states.squared_distances(x[:, None], "procrustes")
    for t, s in [(0, 1), (3, 8), (9, 2)]:
        assert spectral[t, s] == pytest.approx(np.linalg.norm(x[t] - x[s], 2) ** 2 / 7)
        a, b = x[t] - x[t].mean(0), x[s] - x[s].mean(0)
        away = a @ orthogonal_procrustes(a, b)[0] - b
        assert turned[t, s] == pytest.approx((away**2).sum() / 7)


def test_both_ways_to_the_largest_eigenvalue_agree():
    x = np.random.default_rng(2).normal(size=(10, 3, 8))
    tall = np.concatenate([x, np.zeros((10, 20, 8))], axis=1)
    short = states.squared_distances(x[:, None], "spectral") * 3
    np.testing.assert_allclose(states.squared_distances(tall[:, None], "spectral") * 23, short)


def test_a_network_that_stays_is_a_point():
    found = lwd.mirror(np.ones((15, 4, 2)), seed=1)
    assert not found.points.any()
    assert not found.iso.any()
    assert found.table.empty
    assert np.isnan(found.white_share)
    assert "stays where it is" in str(found)


def test_a_line_is_a_line():
    away = np.random.default_rng(1).normal(size=(1, 4, 3))
    time = np.array([0, 1, 2, 3, 5, 8, 9, 10, 12, 13, 14, 15.0])
    found = lwd.mirror(5 + time[:, None, None] * away, seed=1, n_changes=0)
    speed = np.sqrt((away**2).sum() / 4)
    np.testing.assert_allclose(found.iso, speed * (time - time.mean()), atol=1e-9)
    assert found.points.shape == (12, 1)
    assert found.table.empty


def test_isomap_is_that_of_scikit_learn():
    angle = np.sort(np.random.default_rng(1).uniform(0, 4, 40))
    points = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    ours, used = curve.isomap(points, 5)
    theirs = Isomap(n_neighbors=5, n_components=1, eigen_solver="dense").fit_transform(points)[:, 0]
    assert used == 5
    np.testing.assert_allclose(ours * np.sign(ours @ theirs), theirs, atol=1e-9)


def test_isomap_takes_as_few_neighbours_as_connect_all():
    points = np.array([[0.0, 0], [1, 0], [2, 0], [10, 1], [11, 1], [12, 1], [12, 1]])
    for count in range(1, 4):
        if curve.isomap(points, count)[1] == count:
            break
    assert curve.isomap(points, None)[1] == count


def test_a_change_of_direction_shows_on_the_mirror_alone():
    t = np.arange(30.0)
    x = np.stack([np.minimum(t, 15), np.maximum(t - 15, 0)], axis=1)[:, None]
    x = x + 0.01 * np.random.default_rng(1).normal(size=x.shape)
    by_speed, by_both = lwd.mirror(x, k=2, seed=1), lwd.mirror(x, k=2, on="mirror", seed=1)
    assert by_both.table["time"].tolist() == [15.0]
    # Coordinates of a walk bend by themselves, so that these have no p, and none says how many.
    assert by_both.table[["p_value", "p_bent"]].isna().to_numpy().all()
    assert "p-value" not in str(by_both)
    with pytest.raises(lwd.InputError, match="n_changes"):
        lwd.mirror(x, k=2, on="mirror", n_changes=None, seed=1)
    before, after = by_speed.table[["before", "after"]].to_numpy()[0]
    assert after == pytest.approx(before, rel=0.05)


@pytest.mark.parametrize("ratio", [0, len(knots.RATIOS) - 1])
def test_likelihoods_are_those_of_least_squares(ratio):
    """Of a random walk, on differences; of white noise, on the path with its level."""
    y = path_of(np.random.default_rng(1))[:, 0]
    t = np.arange(40.0)
    frame = knots.frame_of(t)
    at = knots.candidates(40, 3, [])
    search = knots._Search(frame, ratio, [], at)
    null, value = search.fits(knots.differences(frame, y[:, None]))
    for j, place in enumerate(at):
        if ratio == 0:
            design = np.stack([np.ones(39), t[:-1] >= place], axis=1)
            rest = np.linalg.lstsq(design, np.diff(y), rcond=None)[1]
        else:
            design = np.stack([np.ones(40), t, np.maximum(t - place, 0)], axis=1)
            rest = np.linalg.lstsq(design, y, rcond=None)[1]
        expected = search.constant - 39 / 2 * np.log(rest[0])
        assert value[0, j] == pytest.approx(expected)
        assert value[0, j] >= null[0] - 1e-9


def test_the_corner_is_found_with_its_slopes():
    hits = 0
    frame = knots.frame_of(np.arange(40.0))
    for seed in range(20):
        rng = np.random.default_rng(seed)
        y = path_of(rng)
        at = knots.place(frame, y, 1, 3)
        low, high = knots.interval(frame, y, at, 0, 0.95, 3, 99, rng)
        assert low <= at[0] <= high
        assert abs(at[0] - 20) <= 2
        hits += low <= 20 <= high
        before, after = knots.slopes(frame, knots.fit(frame, y, at))
        assert before[0, 0] == pytest.approx(0.2, abs=0.1)
        assert after[0, 0] == pytest.approx(1.0, abs=0.1)
    assert hits >= 16


def test_a_bend_is_told_from_a_corner():
    rng = np.random.default_rng(3)
    t = np.arange(60.0)
    noise = rng.normal(size=(60, 1, 1))
    bend = (40 * 0.96**t)[:, None, None] + 0.3 * noise
    with pytest.warns(UserWarning, match="not told from a smooth bend"):
        found = lwd.mirror(bend, k=1, n_bootstrap=99, seed=1)
    row = found.table.iloc[0]
    assert row["p_value"] <= 0.05 < row["p_bent"]
    assert "p (bent)" in str(found)
    corner = np.maximum(t - 30, 0)[:, None, None] + 0.3 * noise
    row = lwd.mirror(corner, k=1, n_bootstrap=99, seed=1).table.iloc[0]
    assert row["p_bent"] <= 0.05
    row = lwd.mirror(corner, k=1, degree=3, n_bootstrap=99, seed=1).table.iloc[0]
    assert row["p_bent"] == row["p_value"]


def test_noise_that_shrinks_is_told():
    """Where everything accumulates a network takes large steps first, then ever smaller ones."""
    for seed in range(3):
        with pytest.warns(UserWarning, match="not of one size over time"):
            lwd.mirror(lwd.simulate_gmm(n_steps=60, seed=seed), n_bootstrap=59, seed=1)


def test_labelled_positions_have_their_times_and_dimensions():
    ds = lwd.simulate_gmm(12, n_steps=200, replicates=2, seed=2, record=range(0, 201, 10))
    x = lwd.positions(ds)
    scrambled = x.transpose("model", "component", "replicate", "time")
    found = lwd.mirror(scrambled, n_changes=0, seed=1)
    np.testing.assert_allclose(found.squared, lwd.mirror(ds, n_changes=0, seed=1).squared)
    assert found.time.tolist() == list(range(0, 201, 10))
    frame = x.isel(replicate=0, component=0).transpose("time", "model").to_pandas()
    assert lwd.mirror(frame, n_changes=0, seed=1).time.tolist() == found.time.tolist()
    with pytest.raises(lwd.InputError, match="dimension 'time'"):
        lwd.mirror(x.isel(time=0), seed=1)


def test_flat_coordinates_and_changes_without_room(answers):
    x = np.random.default_rng(1).normal(size=(20, 2, 2)).cumsum(axis=0)
    found = lwd.mirror(x, k=12, on="mirror", n_bootstrap=19, seed=1)
    assert found.fitted.shape == found.points.shape
    lwd.plot(found)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        lwd.mirror(x, k=1, n_changes=5, n_bootstrap=19, seed=1)
    assert any("4 of 5 changes have room" in str(one.message) for one in told)
    with pytest.raises(lwd.InputError, match="one member"):
        lwd.mirror(x[:, :1], distance="procrustes", seed=1)
    with pytest.raises(lwd.InputError, match="debias"):
        lwd.mirror(answers, debias="no", seed=1)


def test_two_corners_are_found_and_a_third_is_not():
    t = np.arange(60.0)
    x = np.interp(t, [0, 20, 40, 59], [0, 4, 24, 28]) + np.random.default_rng(2).normal(
        scale=0.1, size=60
    )
    found = lwd.mirror(x[:, None], n_changes=None, n_bootstrap=99, seed=1)
    np.testing.assert_allclose(found.table["time"], [20, 40], atol=1)
    np.testing.assert_allclose(found.table["after"], [1.0, 4 / 19], atol=0.03)


def test_the_unit_of_time_and_of_states_changes_no_finding(answers):
    walk = np.cumsum(np.random.default_rng(1).normal(0.3, 1, size=12))
    # Of one direction of five, so that there is a curve; powers of 2 leave no rounding.
    values = answers["embedding"].values / 16.0
    values[..., 0] += walk[:, None, None, None, None]
    dims = answers["embedding"].dims
    found = table_of(answers.assign(embedding=(dims, values)))
    other = answers.assign(embedding=(dims, 2.0 * values))
    again = table_of(other.assign_coords(time=10.0 * answers["time"].values + 3))
    for name in ("time", "conf_low", "conf_high"):
        np.testing.assert_allclose(again.table[name], 10 * found.table[name] + 3)
    np.testing.assert_allclose(again.table["before"], found.table["before"] * 2 / 10, rtol=1e-4)
    assert again.table["p_value"].tolist() == found.table["p_value"].tolist()


def test_components_that_move_are_compared_by_mmd():
    ds = lwd.simulate_gmm(2, 2, n_steps=12, moving=("mean",), seed=1, replicates=2)
    found = lwd.mirror(ds, n_bootstrap=19, seed=1)
    weight, mean = ds["weight"].values, ds["component_mean"].values[..., 0]
    # Signed components of model i at two times; their overlaps, of variance 1 and kernel width 1.
    expected = 0.0
    for i in range(2):
        for r in range(2):
            w = np.concatenate([weight[0, i, r], -weight[7, i, r]])
            m = np.concatenate([mean[0, i, r], mean[7, i, r]])
            overlap = np.exp(-((m[:, None] - m) ** 2) / (2 * 3)) / np.sqrt(3)
            expected += w @ overlap @ w / 4
    assert found.squared[0, 7] == pytest.approx(expected, rel=1e-5)
    with pytest.raises(lwd.InputError, match="distance"):
        lwd.mirror(ds, distance="spectral")


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"distance": "mv"}, "distance"),
        ({"on": "curve"}, "on"),
        ({"k": 12}, "k"),
        ({"min_size": 6}, "min_size"),
        ({"degree": 4}, "degree"),
        ({"n_changes": -1}, "n_changes"),
        ({"level": 1}, "level"),
        ({"neighbors": 0}, "neighbors"),
        ({"n_bootstrap": 5}, "n_bootstrap"),
        ({"distance": "procrustes", "debias": True}, "debias"),
        ({"embedding": "embedding_2"}, "embedding"),
    ],
)
def test_what_cannot_be_used_is_named(answers, options, named):
    with pytest.raises(lwd.InputError) as told:
        lwd.mirror(answers, **options)
    assert told.value.argument == named


def test_few_times_and_one_answer_are_told(answers):
    with pytest.raises(lwd.InputError, match="10 or more"):
        lwd.mirror(answers.isel(time=slice(9)))
    with pytest.raises(lwd.InputError, match="shape"):
        lwd.mirror(np.ones(20))
    single = answers.isel(response=[0])
    assert not table_of(single).debiased
    with pytest.raises(lwd.InputError, match="debias"):
        lwd.mirror(single, debias=True)
