"""Analyses of arrays of Dask find what they find in memory, some times after the other."""

import math
from fractions import Fraction

import numpy as np
import pytest
import xarray as xr
from small_runs import small_llm

import lwdstats as lwd
from lwdstats.dataset import blocks
from lwdstats.geometry import distance

pytest.importorskip("dask.array")
ANALYSES = {
    "fnorm": lwd.fnorm,
    "dist": lwd.dist,
    "noise_floor": lwd.noise_floor,
    "diversity": lwd.diversity,
    "inner_diversity": lwd.inner_diversity,
    "drift": lwd.drift,
    "drift from the start": lambda ds: lwd.drift(ds, "start"),
}
OF_ANSWERS = {
    "debiased": lambda ds: lwd.fnorm(ds, debias=True),
    "mean distance": lambda ds: lwd.inner_diversity(ds, "distance"),
    "debiased drift": lambda ds: lwd.drift(ds, "start", debias=True),
}
RUNS = {
    "mixtures": lambda: lwd.simulate_gmm(6, 3, n_steps=9, replicates=2, seed=1),
    "gaussian": lambda: lwd.simulate_gmm(50, 11, n_steps=9, engine="gaussian", seed=1),
    "points": lambda: lwd.simulate_gmm(4, n_steps=9, initial_points=[-5, 5, 4.5, -5.5], seed=1),
    "moving": lambda: lwd.simulate_gmm(4, n_steps=9, moving=("mean", "covariance"), seed=1),
    "answers": lambda: small_llm(time=9),
}


@pytest.fixture
def one_time(monkeypatch):
    """Blocks of a single time."""
    monkeypatch.setattr(blocks, "_BLOCK", 1)


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.usefixtures("one_time")
def test_lazy_results_are_those_in_memory(run, monkeypatch):
    ds = RUNS[run]()
    lazy = ds.chunk({"time": 2})
    for name, analysis in (ANALYSES | (OF_ANSWERS if run == "answers" else {})).items():
        if run == "moving" and name.startswith("drift"):
            continue  # It is of weights alone, and refused.
        found = analysis(lazy)
        monkeypatch.setattr(blocks, "_BLOCK", 1 << 23)
        expected = analysis(ds)
        monkeypatch.setattr(blocks, "_BLOCK", 1)
        assert found.dims == expected.dims, name
        assert not found.chunks, name
        xr.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-13)
        assert found.attrs == expected.attrs
        assert lazy.chunks
    assert str(lwd.summary(lazy)) == str(lwd.summary(ds))
    for one, other in zip(lwd.plot_norm(lazy).lines, lwd.plot_norm(ds).lines, strict=True):
        np.testing.assert_allclose(one.get_ydata(), other.get_ydata(), rtol=1e-12)
    assert lazy.chunks


@pytest.mark.usefixtures("one_time")
def test_only_a_block_is_in_memory():
    import dask
    import dask.array as da

    ds = lwd.simulate_gmm(6, 3, n_steps=9, seed=1)
    loaded = []

    def load(block):
        if block.size:
            loaded.append(block.shape[0])
        return block

    weight = da.from_array(ds["weight"].values, chunks=(1, -1, -1, -1)).map_blocks(
        load, dtype=float, meta=np.empty((0, 0, 0, 0))
    )
    lazy = ds.assign(weight=(ds["weight"].dims, weight))
    lwd.summary(lazy)
    # The last time, and the three of the table by fnorm and by diversity.
    assert len(loaded) <= 7
    loaded.clear()
    with dask.config.set(scheduler="synchronous"):
        lwd.fnorm(lazy)
    assert loaded == [1] * 10


def test_a_block_that_is_wrong_is_named():
    ds = lwd.simulate_gmm(n_steps=9, seed=1)
    ds["weight"][7, 1, 0, 0] = np.nan
    for analysis in (*ANALYSES.values(), lwd.write_results):
        with pytest.raises(lwd.InputError, match="weight: got 1 values not finite"):
            analysis(ds.chunk({"time": 1}), *["never.nc"] * (analysis is lwd.write_results))


def test_distances_of_many_models_are_refused_before_memory_is_taken(monkeypatch):
    ds = lwd.simulate_gmm(2000, n_steps=1, engine="gaussian", seed=1)
    monkeypatch.setattr(distance, "_memory", lambda: 1e7)
    monkeypatch.setattr(distance.kernels, "distances", None)
    refused = r"x: got 2000 models, with distances of 0\.064 GB at 2 times; takes .*select some"
    for x in (ds, ds.chunk({"time": 1})):
        for method in (None, "mmd"):
            with pytest.raises(lwd.InputError, match=refused):
                lwd.dist(x, method)
        with pytest.raises(lwd.InputError, match=refused):
            lwd.plot_norm(x, color=["a", "b"] * 1000)
        assert lwd.fnorm(x).shape == (2, 1)
    monkeypatch.undo()
    assert lwd.dist(ds.sel(model=ds["model"][:50])).shape == (2, 1, 50, 50)


def test_the_norm_of_many_models_near_consensus_is_right():
    # Differences of 1e-9 about 1/3: sums of squares less the square of a sum have no digit left.
    rng = np.random.default_rng(1)
    n = 2000
    first = 1 / 3 + 1e-9 * rng.normal(size=n)
    ds = lwd.simulate_gmm(n, initial_weights=[0.5, 0.5], n_steps=0, engine="gaussian", seed=1)
    ds["weight"][0, :, 0, 0], ds["weight"][0, :, 0, 1] = first, 1 - first
    square = Fraction(0)
    for x in (first, 1 - first):
        exact = [Fraction(value) for value in x.tolist()]
        mean = sum(exact) / n
        square += sum((value - mean) ** 2 for value in exact)
    expected = math.sqrt(2 * n * square)
    assert float(lwd.fnorm(ds).squeeze()) == pytest.approx(expected, rel=1e-12)


def test_files_are_read_lazily_and_written_in_blocks(tmp_path):
    for ds in (small_llm(time=4), lwd.simulate_gmm(n_steps=9, seed=1)):
        path = lwd.write_results(ds, tmp_path / "run.nc")
        lazy = lwd.read_results(path, chunks={"time": 1})
        assert dict(lazy.chunks)["time"] == (1,) * ds.sizes["time"]
        assert all(not coordinate.chunks for coordinate in lazy.coords.values())
        again = lwd.write_results(lazy, tmp_path / "again.nc")
        assert lazy.chunks
        assert lwd.read_results(again).identical(ds)
        assert lazy.compute().identical(ds)
        with open(path, "rb") as file:
            assert lwd.read_results(file, chunks={"time": 2}).chunks
    assert lwd.read_results(path, chunks="auto").chunks
    path = lwd.write_results(small_llm(time=4), tmp_path / "run.nc")
    with pytest.raises(lwd.InputError, match=r"chunks: got 'auto' .*no text"):
        lwd.read_results(path, chunks="auto")


@pytest.mark.parametrize("chunks", [True, 0, -3, 1.5, {"nothing": 1}, {"time": "x"}, "some", [1]])
def test_chunks_that_are_none_are_named(tmp_path, chunks):
    path = lwd.write_results(lwd.simulate_gmm(n_steps=2, seed=1), tmp_path / "run.nc")
    with pytest.raises(lwd.InputError, match="chunks: got"):
        lwd.read_results(path, chunks=chunks)
