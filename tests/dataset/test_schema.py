"""The schema rejects what is not ours, and files come back as they went."""

import os

import netCDF4
import numpy as np
import pytest
import xarray as xr
from small_runs import small_llm

import lwdstats as lwd
from lwdstats.dataset.schema import VARIABLES


@pytest.fixture(scope="module")
def gmm():
    return lwd.simulate_gmm(n_steps=6, replicates=2, initial_points=[0.0, 1.0, 2.0, 3.0], seed=5)


def test_both_simulations_pass(gmm):
    assert lwd.validate(gmm) is gmm
    ds = small_llm()
    assert lwd.validate(ds) is ds


def test_every_variable_is_described(gmm):
    for ds in (gmm, small_llm()):
        for name, variable in ds.variables.items():
            assert variable.attrs["long_name"], name
            if variable.dtype.kind in "fiu":
                assert variable.attrs["units"] == "1", name


@pytest.mark.parametrize("make", [small_llm, lambda: lwd.simulate_gmm(n_steps=4, seed=1)])
def test_write_then_read_is_the_identity(tmp_path, make):
    ds = make()
    path = lwd.write_results(ds, tmp_path / "run.nc")
    back = lwd.read_results(path)
    assert back.identical(ds)
    for name in ds.variables:
        assert back[name].dtype == ds[name].dtype or ds[name].dtype.kind in "OU"


def test_an_old_file_stays_whole_when_writing_fails(tmp_path, gmm, monkeypatch):
    path = lwd.write_results(gmm, tmp_path / "run.nc")
    before = path.read_bytes()

    def fail(self, target, **options):
        with open(target, "wb") as file:
            file.write(b"half a file")
        raise OSError("disk full")

    monkeypatch.setattr(xr.Dataset, "to_netcdf", fail)
    with pytest.raises(OSError, match="disk full"):
        lwd.write_results(gmm, path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["run.nc"]


def test_a_file_that_is_replaced_was_complete(tmp_path, gmm):
    path = lwd.write_results(gmm, tmp_path / "run.nc")
    other = lwd.simulate_gmm(n_steps=3, seed=9)
    lwd.write_results(other, path)
    assert lwd.read_results(path).identical(other)
    assert os.listdir(tmp_path) == ["run.nc"]


def test_the_file_is_plain_netcdf(tmp_path, gmm):
    path = lwd.write_results(gmm, tmp_path / "run.nc")
    with netCDF4.Dataset(path) as file:
        assert file.data_model == "NETCDF4"
        weight = file["weight"]
        assert weight.dimensions == ("time", "model", "replicate", "component")
        assert weight.dtype == "float64"
        assert "_FillValue" not in weight.ncattrs()
        np.testing.assert_array_equal(weight[:], gmm["weight"].values)
        assert file["embedding"].dtype == "float32"


def test_plain_xarray_reads_it(tmp_path, gmm):
    path = lwd.write_results(gmm, tmp_path / "run.nc")
    with xr.open_dataset(path) as ds:
        np.testing.assert_array_equal(ds["weight"].values, gmm["weight"].values)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda ds: ds.drop_attrs(deep=False), "got no attribute title"),
        (lambda ds: ds.assign_attrs(spec="{broken"), r"spec: got '\{broken'; takes"),
        (lambda ds: ds.assign_attrs(spec="[1]"), "a specification as a JSON object"),
        (lambda ds: ds.drop_vars("time"), "no coordinate time"),
        (lambda ds: ds.isel(time=[2, 1, 0]), "increasing steps"),
        (lambda ds: ds.drop_vars("embedding"), "takes weight or embedding"),
        (lambda ds: ds.isel(response=slice(0, 0)), "nothing along response"),
        (lambda ds: ds.transpose("model", ...), r"dimensions \(time, model, replicate, \[query\]"),
        (lambda ds: ds.assign(embedding=ds["embedding"] * np.nan), "values not finite"),
        (lambda ds: ds.assign(embedding=ds["embedding"].astype(int)), "dtype of kind"),
        (lambda ds: ds.isel(query=0), "text: got dimensions"),
    ],
)
def test_rejects(change, message, tmp_path):
    ds = change(small_llm())
    with pytest.raises(lwd.InputError, match=message):
        lwd.validate(ds)
    with pytest.raises(lwd.InputError, match=message):
        lwd.write_results(ds, tmp_path / "x.nc")
    assert not os.listdir(tmp_path)


def test_rejects_other_objects():
    with pytest.raises(lwd.InputError, match=r"an xarray\.Dataset"):
        lwd.validate({"weight": 1})


def test_rejects_files_that_are_not_ours(tmp_path, gmm):
    (tmp_path / "text.nc").write_text("hello")
    with pytest.raises(lwd.InputError, match=r"text.nc .*a netCDF file of lwdstats"):
        lwd.read_results(tmp_path / "text.nc")
    xr.Dataset({"x": ("t", [1.0])}).to_netcdf(tmp_path / "other.nc")
    with pytest.raises(lwd.InputError, match=r"other.nc: got no attribute title"):
        lwd.read_results(tmp_path / "other.nc")
    path = lwd.write_results(gmm, tmp_path / "whole.nc")
    (tmp_path / "cut.nc").write_bytes(path.read_bytes()[:2000])
    with pytest.raises(lwd.InputError, match=r"cut.nc"):
        lwd.read_results(tmp_path / "cut.nc")
    with pytest.raises(lwd.InputError, match="no such folder"):
        lwd.write_results(gmm, tmp_path / "none" / "run.nc")


def test_schema_names_every_dimension():
    from lwdstats.dataset.schema import COORDINATES

    assert {dim for variable in VARIABLES.values() for dim in variable.dims} <= set(COORDINATES)


@pytest.mark.parametrize(("dim", "value"), [("time", 1), ("model", "m1"), ("replicate", 0)])
def test_a_lost_dimension_says_how_to_keep_it(dim, value):
    ds = small_llm().assign_coords(replicate=[0, 1])
    with pytest.raises(lwd.InputError) as error:
        lwd.fnorm(ds.sel({dim: value}))
    advice = f"ds.sel({dim}=[{value!r}])"
    assert str(error.value).endswith(advice)
    lwd.validate(ds.sel({dim: [value]}))  # the advice holds


def test_a_lost_dimension_without_labels_says_so_too():
    with pytest.raises(lwd.InputError, match=r"keeps replicate by a list, ds\.isel\(replicate=\[0"):
        lwd.fnorm(small_llm().isel(replicate=0))
