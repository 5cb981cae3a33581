"""What version 0.1 wrote still reads and reruns: ``v0.1/README.md`` says how it was made."""

import gzip
import shutil

import pytest
from fakes import Hasher, Writer
from paths import TESTS

import lwdstats as lwd
from lwdstats.dataset.schema import spec_of, validate
from lwdstats.simulate.llm.replay import prompt_of

FOLDER = TESTS / "v0.1"
FILES = sorted(path.name.removesuffix(".nc.gz") for path in FOLDER.glob("*.nc.gz"))
MIXTURES = ["exact", "formulas", "gaussian", "rules"]
POSTS = ["Bitcoin is up.", "Gold is down.", "Taxes are certain."]
N_BATCHES, N_KEPT = 2 * 4 * 2 * 2, 9  # models, times, replicates, queries


@pytest.fixture(scope="module")
def read(tmp_path_factory):
    folder = tmp_path_factory.mktemp("v0.1")

    def opened(name):
        path = folder / f"{name}.nc"
        path.write_bytes(gzip.decompress((FOLDER / f"{name}.nc.gz").read_bytes()))
        return lwd.read_results(path)

    return opened


def test_every_file_is_read_and_described(read):
    assert sorted([*MIXTURES, "llm", "packaged"]) == FILES
    for name in FILES:
        ds = read(name)
        validate(ds)
        assert ds.attrs["lwdstats_version"].startswith("0.1")
        assert str(lwd.summary(ds))
        assert lwd.fnorm(ds).notnull().all()


@pytest.mark.parametrize("name", MIXTURES)
def test_a_network_of_mixtures_is_the_same_to_the_bit(name, read):
    ds = read(name)
    again = lwd.run_spec(ds)
    assert again.equals(ds)
    assert spec_of(ds).items() <= spec_of(again).items()


@pytest.mark.parametrize(("file", "name"), [("formulas.toml", "formulas"), ("exact.json", "exact")])
def test_a_specification_gives_the_same_dataset(file, name, read):
    assert lwd.run_spec(lwd.read_spec(FOLDER / file)).equals(read(name))


def test_a_prompt_is_built_again_from_the_file(read):
    ds = read("llm")
    for time, model in [(0, "a"), (3, "b")]:
        prompt = prompt_of(ds, time, model, replicate=1, query="Down?")
        answers = ds["text"].sel(time=time, model=model, replicate=1).isel(query=1)
        start = f"{len(prompt.posts)} posts on {prompt.query[:-1]}, "
        assert [str(text).startswith(start) for text in answers.values] == [True, True]
        assert set(prompt.posts) <= set(ds["post_text"].isel(replicate=1, query=1).values)


def say(prompt, seed, row):
    return f"{len(prompt.posts)} posts on {prompt.query[:-1]}, {seed} and {row}. More."


def test_a_stopped_run_goes_on(read, tmp_path):
    store = shutil.copytree(FOLDER / "stopped", tmp_path / "stopped")
    models = [Writer("a", say=say), Writer("b", say=say)]
    ds = lwd.simulate_llm(
        models, POSTS, ["Up?", "Down?"], embedder=Hasher(), n_steps=3, n_responses=2,
        replicates=2, seed=5, store=store,
    )  # fmt: skip
    assert ds.equals(read("llm"))
    assert sum(model.calls for model in models) == N_BATCHES - N_KEPT


@pytest.mark.llm
def test_a_network_of_language_models_is_the_same(read):
    ds = read("packaged")
    again = lwd.run_spec(ds)
    assert again["text"].equals(ds["text"])
    assert abs(again["embedding"] - ds["embedding"]).max() < 1e-5
