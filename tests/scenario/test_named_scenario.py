"""Set-ups of the literature: who reads whom, by name, and the files that start them."""

import numpy as np
import pytest
from paths import ROOT

import lwdstats as lwd
from lwdstats.mixtures.spec import GmmSpec
from lwdstats.scenario.named_scenario import NAMES
from lwdstats.simulate.llm.spec import LlmSpec
from lwdstats.simulate.specs import read_spec

CLASSES = {"Hope 1": "hope", "Hope 2": "hope", "Doubt 1": "doubt", "Doubt 2": "doubt"}
BOT = ["Smol 1", "Smol 2", "Gemma", "Adversary"]
FIELDS = {"keep": "last", "n_read": 2}
HOSTILE = {"adversary": "Adversary", **FIELDS}
FILES = {
    "fully_connected": lambda: lwd.named_scenario("fully connected", list(CLASSES), **FIELDS),
    "within_class": lambda: lwd.named_scenario("within class", CLASSES, **FIELDS),
    "one_adversarial": lambda: lwd.named_scenario("one adversarial", BOT, **HOSTILE),
    "vulnerable": lambda: lwd.named_scenario(
        "vulnerable", BOT, targets=["Smol 1"], n_steps=12, **HOSTILE
    ),
}


def edges(scenario, labels, t):
    """Pairs of reader and author, by the networks of a scenario."""
    networks = scenario.networks(labels)
    net = networks[max(start for start in networks if start <= t)]
    return {(labels[i], labels[j]) for i, j in np.argwhere(net > 0)}


@pytest.mark.parametrize("file", FILES)
def test_a_file_is_what_its_name_says(file):
    path = ROOT / "data" / "scenarios" / f"{file}.toml"
    spec = LlmSpec.from_json(read_spec(path))
    labels, named = list(spec.models), FILES[file]()
    assert named.frozen == spec.scenario.frozen
    assert (named.keep, named.n_read) == (spec.scenario.keep, spec.scenario.n_read)
    for t in range(spec.n_steps + 1):
        assert edges(named, labels, t) == edges(spec.scenario, labels, t)


def test_mixtures_run_as_a_file_says():
    path = ROOT / "data" / "scenarios" / "gmm_vulnerable.toml"
    spec = read_spec(path)
    named = lwd.named_scenario(
        "vulnerable", 4, adversary=3, targets=[0], n_steps=12, keep="last", n_read=16
    )
    kept = GmmSpec(**{name: value for name, value in spec.items() if name != "simulator"})
    for t in range(13):
        assert edges(named, range(4), t) == edges(kept.scenario, range(4), t)
    ds = lwd.run_spec(spec)
    assert ds.equals(lwd.run_spec(spec, scenario=named))
    # The adversary stays; what its target knows of component 1 goes up at each attack only.
    weight = ds["weight"].mean("replicate").values[..., 1]
    assert (weight[:, 3] == weight[0, 3]).all()
    assert weight[2, 0] - weight[1, 0] > 0.1


def test_a_network_at_rest_and_under_attack():
    labels = list("abcdz")
    scenario = lwd.named_scenario(
        "vulnerable", labels, adversary="z", targets=["a", "b"], every=3, n_steps=7
    )
    rest = {(i, j) for i in "abcd" for j in "abcd" if i != j}
    attack = {("a", "z"), ("b", "z")} | {(i, j) for i in "cd" for j in "abcd" if i != j}
    for t in range(8):
        assert edges(scenario, labels, t) == (attack if t in (2, 5) else rest)
    assert scenario.frozen == ("z",)


@pytest.mark.parametrize(
    ("argument", "name", "models", "given"),
    [
        ("name", "ring", 3, {}),
        ("models", "fully connected", 1, {}),
        ("models", "fully connected", "abc", {}),
        ("models", "within class", ["a", "b"], {}),
        ("readers", "within class", {"a": 1, "b": 1, "c": 2}, {}),
        ("adversary", "one adversarial", 3, {}),
        ("adversary", "one adversarial", 3, {"adversary": 3}),
        ("adversary", "fully connected", 3, {"adversary": 0}),
        ("targets", "one adversarial", 3, {"adversary": 0, "targets": [1]}),
        ("targets", "vulnerable", 3, {"adversary": 0}),
        ("targets", "vulnerable", 3, {"adversary": 0, "targets": [0]}),
        ("targets", "vulnerable", 3, {"adversary": 0, "targets": "1"}),
        ("n_steps", "vulnerable", 3, {"adversary": 0, "targets": [1]}),
        ("every", "vulnerable", 3, {"adversary": 0, "targets": [1], "every": 0, "n_steps": 3}),
        ("keep", "fully connected", 3, {"keep": "some"}),
    ],
)
def test_bad_input_is_named(argument, name, models, given):
    with pytest.raises(lwd.InputError, match=rf"^{argument}: got .*; takes ") as error:
        lwd.named_scenario(name, models, **given)
    assert error.value.argument == argument
    assert "fully connected" in NAMES
