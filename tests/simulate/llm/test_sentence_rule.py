"""What was run with a rule for sentences stays what it was: in files, stores and specifications."""

import json
import sqlite3

import pytest
from fakes import Hasher, Writer

import lwdstats as lwd
from lwdstats.dataset.schema import spec_of

POSTS = ["Bitcoin is up.", "Gold is down.", "Taxes are certain."]
ARGUMENTS = {"query": "Up?", "n_steps": 2, "n_responses": 2, "seed": 5, "date": "2026-01-01"}


def say(prompt, seed, row):
    # The first rule cuts behind "Sure!", the second before it.
    return f"Sure! Sen. Sato expects {seed % 97} and {row}. More."


def models():
    return {"a": Writer("a", say=say), "b": Writer("b", say=say)}


def run(**changes):
    return lwd.simulate_llm(models(), POSTS, embedder=Hasher(), **(ARGUMENTS | changes))


def first(ds):
    return {str(text)[:5] for text in ds["text"].values.ravel()}


def test_the_newest_is_taken_and_recorded():
    ds = run()
    assert spec_of(ds)["sentence_rule"] == 2
    assert first(ds) == {"Sen. "}
    assert first(run(sentence_rule=1)) == {"Sure!"}
    assert first(run(cut=None)) == {"Sure!"}


def unversioned(ds):
    """A dataset as it was written before rules had a version, and webs a scenario."""
    spec = json.loads(ds.attrs["spec"]) | {"retrieval": "uniform"}
    del spec["sentence_rule"]
    spec.pop("scenario", None)
    return ds.assign_attrs(spec=json.dumps(spec))


def test_a_file_without_a_version_keeps_the_first_rule():
    old = unversioned(run(sentence_rule=1))
    how = {"models": models(), "embedder": Hasher()}
    again = lwd.run_spec(old, **how)
    assert again["text"].equals(old["text"])
    # Its specification as a mapping says everything but the version; what people write does not.
    assert lwd.run_spec(json.loads(old.attrs["spec"]), **how)["text"].equals(old["text"])
    written = {"simulator": "llm", "posts": POSTS, **ARGUMENTS, **how}
    assert first(lwd.run_spec(written)) == {"Sen. "}


def test_a_store_without_a_version_goes_on_as_it_began(tmp_path):
    whole = run(sentence_rule=1)

    class StopError(Exception):
        pass

    def tire(prompt, seed, row):
        tire.left -= 1
        if tire.left < 0:
            raise StopError
        return say(prompt, seed, row)

    tire.left = 5
    tired = {"a": Writer("a", say=tire), "b": Writer("b", say=tire)}
    with pytest.raises(lwd.RunStoppedError):
        lwd.simulate_llm(
            tired, POSTS, embedder=Hasher(), **ARGUMENTS, sentence_rule=1, store=tmp_path / "s"
        )
    db = sqlite3.connect(tmp_path / "s" / "journal.sqlite")
    spec = json.loads(db.execute("SELECT value FROM note WHERE name = 'spec'").fetchone()[0])
    del spec["sentence_rule"]
    db.execute("UPDATE note SET value = ? WHERE name = 'spec'", (json.dumps(spec),))
    db.commit()
    db.close()
    ds = run(store=tmp_path / "s")
    assert ds["text"].equals(whole["text"])
    assert spec_of(ds)["sentence_rule"] == 1
    with pytest.raises(lwd.InputError, match="made with another sentence_rule"):
        run(store=tmp_path / "s", sentence_rule=2)
    # A store that says its rule keeps it, when a newer one is there too.
    assert first(run(store=tmp_path / "t", sentence_rule=1)) == {"Sure!"}
    assert first(run(store=tmp_path / "t")) == {"Sure!"}


def test_runs_of_different_rules_are_not_one_run():
    one, two = run(seed=1, sentence_rule=1), run(seed=2, sentence_rule=2)
    with pytest.raises(lwd.InputError, match="sentence_rule"):
        lwd.combine([one, two])
    assert lwd.combine([unversioned(one), run(seed=2, sentence_rule=1)]).sizes["replicate"] == 2


@pytest.mark.parametrize("value", [0, 3, 99, "2", 1.5, True])
def test_a_rule_that_is_not_there_is_refused(value):
    with pytest.raises(lwd.InputError, match=r"sentence_rule: got .*; takes one of 1, 2") as error:
        run(sentence_rule=value)
    assert error.value.argument == "sentence_rule"
