"""Which models of its run a dataset holds: by labels, and by posts where labels were changed."""

import json
import warnings

import numpy as np
import pytest
from fakes import Writer
from rag_run import rag_run
from store_runs import run as run_llm

import lwdstats as lwd
from lwdstats.dataset.run_models import run_models, system_prompts
from lwdstats.studies.proxy.paths import paths_of

LABELS = ["a", "b", "c"]


@pytest.fixture(scope="module")
def run():
    return run_llm([Writer(x) for x in LABELS], system_prompts={"c": "Doubt.", "a": "Hope."})


def places(ds):
    known = run_models(ds)
    return None if known is None else (known.labels, known.place.tolist())


@pytest.mark.parametrize("chosen", [[0, 1, 2], [2, 0, 1], [1], [2, 0]])
def test_selected_and_sorted_models_keep_their_labels(run, chosen):
    part = run.isel(model=chosen)
    place = [chosen.index(i) if i in chosen else -1 for i in range(3)]
    assert places(part) == (LABELS, place)
    wanted = {chosen.index(i): text for i, text in ((0, "Hope."), (2, "Doubt.")) if i in chosen}
    assert system_prompts(part) == wanted


def test_new_labels_stand_for_the_run_where_posts_agree(run):
    part = run.assign_coords(model=["x", "y", "z"])
    assert places(part) == (LABELS, [0, 1, 2])
    assert lwd.prompt_of(part, 1, "z").system == "Doubt."
    assert lwd.prompt_of(part, 1, "y").system is None
    # Without texts vectors tell it.
    assert places(part.drop_vars("text")) == (LABELS, [0, 1, 2])
    # Some of the times and answers are enough.
    assert places(part.isel(time=[0, 2], response=[1, 0])) == (LABELS, [0, 1, 2])


@pytest.mark.parametrize(
    "change",
    [
        lambda ds: ds.isel(model=[2, 0, 1]),
        lambda ds: ds.isel(model=[0, 1]),
        lambda ds: ds.drop_vars("post_time"),
        # The answer that became a post is not here, so that nothing can be compared.
        lambda ds: ds.isel(response=[1]),
        lambda ds: ds.isel(time=[-1]),
    ],
)
def test_what_nobody_can_tell_is_not_known(run, change):
    part = change(run)
    part = part.assign_coords(model=["x", "y", "z"][: part.sizes["model"]])
    assert run_models(part) is None
    with pytest.raises(lwd.InputError, match="model: got models of which it is not known which"):
        system_prompts(part)
    with pytest.raises(lwd.InputError, match="not known which of the run"):
        lwd.prompt_of(part, int(part["time"][0]), "x")


def test_a_log_without_a_list_of_models_is_taken_by_its_posts():
    ds, _ = rag_run(1, n_steps=4, n_responses=3)
    ds.attrs["spec"] = json.dumps({"simulator": None})
    assert places(ds) == (["model 0", "model 1", "model 2"], [0, 1, 2])
    assert run_models(ds.isel(model=[1, 0, 2])) is None
    assert run_models(ds.isel(model=[0])) is None
    # An answer that is missing says nothing of who wrote the post.
    ds["embedding"][1, 2] = np.nan
    assert places(ds) == (["model 0", "model 1", "model 2"], [0, 1, 2])


def test_a_run_without_system_prompts_asks_for_no_labels(run):
    spec = json.loads(run.attrs["spec"]) | {"system_prompts": {}}
    part = run.assign_attrs(spec=json.dumps(spec)).isel(model=[1, 0])
    part = part.assign_coords(model=["x", "y"])
    assert system_prompts(part) == {}
    assert lwd.prompt_of(part, 1, "x").system is None


def test_the_proxy_knows_own_posts_of_models_in_another_order():
    ds, _ = rag_run(2, n_steps=30, n_responses=12, share=0.25)
    with warnings.catch_warnings():
        # So short a run says little of rho, which is not asked for here.
        warnings.simplefilter("ignore", UserWarning)
        components = lwd.fit_proxy(ds, n_components=3, seed=1).components[0]
    order = [2, 0, 1]
    first, second = (paths_of(x, components, 0) for x in (ds, ds.isel(model=order)))
    assert first.own.any()
    np.testing.assert_allclose(second.own, first.own[:, order])
    assert second.n_posted == first.n_posted == 1
    with pytest.raises(lwd.InputError, match="not known which model wrote them"):
        lwd.fit_proxy(ds.drop_vars("post_model"), n_components=3, seed=1)
