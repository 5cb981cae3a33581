"""Files hold what a dataset holds, and say what they are where they are something else."""

import datetime
import gzip
import io
import shutil

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from small_runs import small_llm

import lwdstats as lwd


def there_and_back(ds, folder):
    return lwd.read_results(lwd.write_results(ds, folder / "run.nc"))


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        np.bool_(False),
        {"temperature": 0.7, "stop": [None, {"deep": "é"}]},
        [1, "a"],
        [True, None],
        [],
        [1],
        ["only"],
        [1, 2],
        [1.5, 2.5],
        ["a", "b"],
        2**70,
        -3,
        float("nan"),
        np.float32(0.1),
        np.array([1]),
        np.array([True, False]),
        "",
        "cut\0here",
        "half \ud800",
    ],
    ids=repr,
)
@pytest.mark.parametrize("owner", ["dataset", "variable", "coordinate"])
def test_attributes_come_back(tmp_path, value, owner):
    ds = small_llm()
    holder = {"dataset": ds, "variable": ds["text"], "coordinate": ds["model"]}[owner]
    holder.attrs["extra"] = value
    back = there_and_back(ds, tmp_path)
    assert back.identical(ds)
    found = {"dataset": back, "variable": back["text"], "coordinate": back["model"]}[owner].attrs
    assert set(found) == set(holder.attrs)
    if not isinstance(value, np.ndarray | np.generic | float | list):
        assert type(found["extra"]) is type(value) or isinstance(found["extra"], np.integer)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (datetime.date(2024, 2, 29), "2024-02-29"),
        (datetime.datetime(2024, 2, 29, 12, 30), "2024-02-29T12:30:00"),
        (pd.Timestamp("2024-02-29 12:30"), "2024-02-29T12:30:00"),
        (np.datetime64("2024-02-29"), "2024-02-29"),
        ({"when": [datetime.date(2024, 2, 29)]}, {"when": ["2024-02-29"]}),
        ((1, None), [1, None]),
    ],
)
def test_dates_in_attributes_are_text(tmp_path, value, text):
    back = there_and_back(small_llm().assign_attrs(extra=value), tmp_path)
    assert back.attrs["extra"] == text


@pytest.mark.parametrize("value", [print, {1: 2}, {"a": {1}}, 1j, b"bytes"])
def test_what_no_attribute_can_hold_is_named(tmp_path, value):
    with pytest.raises(lwd.InputError, match=r"ds: attribute 'extra': got .*; takes None, True"):
        lwd.write_results(small_llm().assign_attrs(extra=value), tmp_path / "run.nc")
    with pytest.raises(lwd.InputError, match=r"ds: attribute 3: got 3; takes a name"):
        lwd.write_results(small_llm().assign_attrs({3: "x"}), tmp_path / "run.nc")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "values",
    [
        pd.Categorical(["x", "y"]),
        pd.array(["x", "y"], dtype="string"),
        pd.array([1, 2], dtype="Int64"),
        np.array([True, False]),
        np.array([True, False], dtype=object),
        np.array([1.5, np.nan]),
        pd.date_range("2024-01-01", periods=2),
    ],
    ids=repr,
)
def test_covariates_come_back(tmp_path, values):
    ds = small_llm().assign_coords(family=("model", values))
    back = there_and_back(ds, tmp_path)
    given, found = ds["family"].values, back["family"].values
    np.testing.assert_array_equal(np.asarray(found), np.asarray(given))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.array(["x", None], dtype=object), "ds: family: got (nan|None) at 1"),
        (np.array(["x", 1], dtype=object), "ds: family: got 1 at 1; takes one of text"),
        (np.array([1j, 2.0]), "ds: family: got dtype complex128"),
    ],
)
def test_covariates_that_no_file_can_hold_are_named(tmp_path, values, message):
    ds = small_llm().assign_coords(family=("model", values))
    with pytest.raises(lwd.InputError, match=message):
        lwd.write_results(ds, tmp_path / "run.nc")
    assert not list(tmp_path.iterdir())


def test_labels_may_be_categories(tmp_path):
    plain = small_llm()
    ds = plain.assign_coords(model=pd.CategoricalIndex(plain["model"].values, name="model"))
    assert there_and_back(ds, tmp_path)["model"].values.tolist() == plain["model"].values.tolist()
    np.testing.assert_array_equal(lwd.dist(ds), lwd.dist(plain))


def test_half_precision_becomes_single(tmp_path):
    ds = small_llm()
    ds["embedding"] = ds["embedding"].astype(np.float16)
    back = there_and_back(ds, tmp_path)
    assert back["embedding"].dtype == np.float32
    np.testing.assert_array_equal(back["embedding"], ds["embedding"])


def test_texts_that_a_user_put_in_are_not_cut(tmp_path):
    ds = small_llm()
    ds["text"].values[0, 0, 0, 0, :2] = ["a\0b", "c\ud800"]
    ds = ds.assign_coords(family=("model", np.array(["x\0", "y"], dtype=object)))
    with pytest.warns(UserWarning, match="3 texts hold NUL or half of a surrogate pair"):
        path = lwd.write_results(ds, tmp_path / "run.nc")
    back = lwd.read_results(path)
    assert back["text"].values[0, 0, 0, 0, :2].tolist() == ["a␀b", "c\ufffd"]
    assert back["family"].values.tolist() == ["x␀", "y"]
    assert ds["text"].values[0, 0, 0, 0, 0] == "a\0b"


def test_whole_numbers_with_a_fill_value_are_whole(tmp_path):
    ds = lwd.simulate_gmm(n_steps=3, seed=1).assign_coords(size=("model", [1, 2, 3]))
    filled = {name: {"_FillValue": -9} for name in ("n_web", "n_retrieved", "time", "size")}
    ds.to_netcdf(tmp_path / "filled.nc", encoding=filled)
    back = lwd.read_results(tmp_path / "filled.nc")
    assert back.identical(ds)
    for name in filled:
        assert back[name].dtype == ds[name].dtype
    with xr.open_dataset(tmp_path / "filled.nc") as opened:
        assert opened["n_web"].dtype.kind == "f"
        np.testing.assert_array_equal(lwd.fnorm(opened), lwd.fnorm(ds))
    for bad in (1.5, np.nan, np.inf):
        with pytest.raises(lwd.InputError, match=r"n_web: got dtype float64"):
            lwd.validate(ds.assign(n_web=ds["n_web"] * bad))


def test_open_files(tmp_path):
    ds = small_llm()
    path = lwd.write_results(ds, tmp_path / "run.nc")
    assert lwd.read_results(io.BytesIO(path.read_bytes())).identical(ds)
    with path.open("rb") as file:
        assert lwd.read_results(file).identical(ds)
        with pytest.raises(lwd.InputError, match="nothing left to read"):
            lwd.read_results(file)
    with pytest.raises(lwd.InputError, match=r"a file open for text; takes .*mode 'rb'"):
        lwd.read_results(io.StringIO("text"))
    with pytest.raises(lwd.InputError, match="takes a netCDF file of lwdstats"):
        lwd.read_results(io.BytesIO(b"not netCDF"))
    with pytest.raises(lwd.InputError, match="path: got an object of type NoneType"):
        lwd.read_results(None)
    with pytest.raises(lwd.InputError, match="path: got an object of type BytesIO"):
        lwd.write_results(ds, io.BytesIO())


def test_groups(tmp_path):
    ds = small_llm()
    tree = xr.DataTree.from_dict({"/first": ds, "/second": ds})
    tree.to_netcdf(tmp_path / "tree.nc")
    with pytest.raises(lwd.InputError, match=r"tree.nc \(a file of groups: first, second\)"):
        lwd.read_results(tmp_path / "tree.nc")
    for analysis in (lwd.dkps, lwd.drift, lwd.collapse_test):
        with pytest.raises(lwd.InputError, match="a DataTree with groups first, second; takes an"):
            analysis(tree)
    for analysis in (lwd.fnorm, lwd.dist):
        with pytest.raises(lwd.InputError, match="an object of type DataTree"):
            analysis(tree)


def test_paths_where_a_dataset_is_wanted(tmp_path):
    path = tmp_path / "run.nc"
    for one in (path, str(path)):
        for analysis in (lwd.dkps, lwd.drift, lwd.collapse_test, lwd.plot_norm, lwd.validate):
            with pytest.raises(lwd.InputError, match=r"the path '.*run.nc'; takes .*read_results"):
                analysis(one)
        for analysis in (lwd.fnorm, lwd.dist, lwd.summary, lwd.plot):
            with pytest.raises(lwd.InputError, match="read_results reads"):
                analysis(one)
    with pytest.raises(
        lwd.InputError, match=r"a table; takes an xarray\.Dataset: as_results makes"
    ):
        lwd.dkps(pd.DataFrame({"time": [0]}))


def test_folders(tmp_path):
    with pytest.raises(lwd.InputError, match=r"\(a folder\); takes a netCDF file"):
        lwd.read_results(tmp_path)
    (tmp_path / "zarr.json").write_text("{}")
    # Without the package it is named as what it is, with it as one that is not ours.
    with pytest.raises(lwd.InputError, match=r"\(a Zarr folder\); takes .*zarr|no attribute title"):
        lwd.read_results(tmp_path)


@pytest.mark.parametrize("version", [2, 3])
def test_zarr_folders(tmp_path, version):
    pytest.importorskip("zarr")
    ds = small_llm()
    # Version 3 has no text of a fixed width.
    ds = ds.assign_coords(model=ds["model"].astype(object))
    ds.to_zarr(tmp_path / "run.zarr", consolidated=False, zarr_format=version)
    back = lwd.read_results(tmp_path / "run.zarr")
    assert back.identical(ds)
    assert back["text"].dtype == object
    shutil.rmtree(tmp_path / "run.zarr")
    assert back.load().identical(ds)


ANALYSES = [
    lambda ds: lwd.fnorm(ds).values,
    lambda ds: lwd.fnorm(ds, debias=True).values,
    lambda ds: lwd.dist(ds).values,
    lambda ds: lwd.noise_floor(ds).values,
    lambda ds: lwd.dkps(ds, k=2).points.values,
    lambda ds: lwd.dkps(ds, k=2, aggregate="energy").points.values,
    lambda ds: lwd.drift(ds).values,
    lambda ds: lwd.inner_diversity(ds).values,
    lambda ds: lwd.collapse_test(ds, permutations=19, seed=1).tidy(),
    lambda ds: lwd.adonis2(
        "d ~ model", ds.isel(time=0, replicate=0), permutations=19, seed=1
    ).tidy(),
    lambda ds: lwd.betadisper(ds.isel(time=0, replicate=0), "model").tidy(),
    lambda ds: lwd.convergence_fit(ds).tidy(),
    lambda ds: lwd.mann_kendall(ds, seed=1).tidy(),
    lambda ds: str(lwd.summary(ds)),
    lambda ds: [line.get_ydata() for line in lwd.plot(ds).lines],
    lambda ds: len(lwd.plot_answers(ds)),
    lambda ds: lwd.to_frame(ds),
]


@pytest.mark.parametrize("index", range(len(ANALYSES)))
def test_arrays_of_dask_are_loaded(index):
    pytest.importorskip("dask.array")
    for ds in (small_llm(time=11), lwd.simulate_gmm(n_steps=11, replicates=2, seed=3)):
        lazy = ds.chunk({"time": 2, "model": 1})
        np.testing.assert_equal(outcome(ANALYSES[index], lazy), outcome(ANALYSES[index], ds))


def outcome(analysis, ds):
    """What an analysis finds in a dataset, or what it says of it."""
    try:
        found = analysis(ds)
        return found.to_csv() if isinstance(found, pd.DataFrame) else np.asarray(found)
    except lwd.InputError as error:
        return str(error)


def test_files_of_arrays_of_dask(tmp_path):
    pytest.importorskip("dask.array")
    ds = small_llm()
    assert there_and_back(ds.chunk({"time": 1}), tmp_path).identical(ds)
    lazy = ds["embedding"].chunk({"time": 1})
    np.testing.assert_array_equal(lwd.as_results(lazy)["embedding"], ds["embedding"][:, :, :, 0])


@pytest.mark.parametrize(
    "name",
    ["scale_factor", "add_offset", "_FillValue", "missing_value", "coordinates", "json_attributes"],
)
def test_attributes_that_would_change_numbers_are_named(tmp_path, name):
    ds = small_llm()
    ds["embedding"].attrs[name] = 2.0
    with pytest.raises(lwd.InputError, match=f"ds: embedding: attribute '{name}'.*another name"):
        lwd.write_results(ds, tmp_path / "run.nc")
    assert not list(tmp_path.iterdir())


def test_what_is_masked_in_an_attribute_is_none(tmp_path):
    masked = np.ma.masked_array([1, 2], mask=[False, True])
    assert there_and_back(small_llm().assign_attrs(extra=masked), tmp_path).attrs["extra"] == [
        1,
        None,
    ]
    with pytest.raises(lwd.InputError, match=r"'extra': got np\.longdouble"):
        lwd.write_results(small_llm().assign_attrs(extra=np.longdouble(1)), tmp_path / "run.nc")


def test_numbers_among_objects_are_numbers(tmp_path):
    for given, found in (([1, 2], [1, 2]), ([1.5, None], [1.5, np.nan]), ([None, 3], [np.nan, 3])):
        ds = small_llm().assign_coords(size=("model", np.array(given, dtype=object)))
        np.testing.assert_array_equal(there_and_back(ds, tmp_path)["size"], found)


def test_places_that_cannot_be_written_are_named(tmp_path):
    ds = small_llm()
    for path in (tmp_path, "", tmp_path / ("x" * 300), f"{tmp_path}/a\0.nc", "/proc/run.nc"):
        with pytest.raises(lwd.InputError, match="path: got"):
            lwd.write_results(ds, path)
    with pytest.raises(lwd.InputError, match="compress: got 5"):
        lwd.write_results(ds, tmp_path / "run.nc", compress=5)
    assert not list(tmp_path.iterdir())


class Place:
    def __init__(self, path):
        self.path = path

    def __fspath__(self):
        return str(self.path)


def test_paths_of_any_kind_and_gzip(tmp_path):
    ds = small_llm()
    place = Place(tmp_path / "Größe 🚀.nc")
    lwd.write_results(ds, place)
    assert lwd.read_results(place).identical(ds)
    packed = tmp_path / "run.nc.gz"
    packed.write_bytes(gzip.compress((tmp_path / "Größe 🚀.nc").read_bytes()))
    with pytest.raises(lwd.InputError, match=r"compressed by gzip.*gzip.open\(path\)"):
        lwd.read_results(packed)
    with gzip.open(packed) as file:
        assert lwd.read_results(file).identical(ds)


def test_a_copy_stays_lazy():
    pytest.importorskip("dask.array")
    lazy = small_llm().chunk({"time": 1})
    lwd.positions(lazy.copy())
    assert lazy.chunks
    lwd.positions(lazy)
    assert not lazy.chunks


def test_truth_values_are_no_times():
    with pytest.raises(lwd.InputError, match="time: got truth values"):
        lwd.validate(small_llm(time=2).assign_coords(time=[False, True]))


@pytest.mark.parametrize(("form", "name"), [("%Y%m%d%H%M", "hhmm"), ("%Y%m%d%H%M%S", "hhmmss")])
def test_dates_written_as_numbers_are_no_times(form, name):
    dates = pd.date_range("2024-01-31 22:30", periods=3, freq="h")
    time = dates.strftime(form).astype("int64")
    ds = small_llm()
    with pytest.raises(lwd.InputError, match=f"time: got .*yyyymmdd{name} are.*astype.str"):
        lwd.validate(ds.assign_coords(time=time))
    d = pd.to_datetime(np.asarray(time, int).astype(str))
    assert ((d - d.min()) / pd.Timedelta("1h")).tolist() == [0, 1, 2]
    # What is no date is as many steps.
    lwd.validate(ds.assign_coords(time=time + 99 * 10 ** (len(name))))
