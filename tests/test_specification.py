"""An argument of a simulator is the same in its spec, signature, docstring, file and command."""

import configparser
import dataclasses
import inspect
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import typer
from fakes import Hasher, Writer
from typer.testing import CliRunner

import lwdstats as lwd
from lwdstats.cli.main import app
from lwdstats.cli.options import notes, read_options
from lwdstats.dataset.schema import spec_of
from lwdstats.errors import InputError
from lwdstats.mixtures.spec import GmmSpec, MixtureSpec
from lwdstats.simulate.llm.spec import LlmSpec
from lwdstats.theory.moments import expected_sq_norm
from lwdstats.theory.network import CountedSpec, Network, network

# What a run may spend says nothing of its result.
CAPS = {"max_cost", "max_tokens_total", "price_in", "price_out"}
SIMULATORS = {
    "gmm": (GmmSpec, lwd.simulate_gmm, {"n_jobs", "progress", "path"}),
    # `retrieval` is the scenario's.
    "llm": (LlmSpec, lwd.simulate_llm, {"store", "resume", "web", "progress", "retrieval"} | CAPS),
}
BOTH = pytest.mark.parametrize("name", SIMULATORS)
ROOT = Path(__file__).parent.parent


def defaults(spec):
    """The default of each argument, None standing for none: `models` must be given."""
    return {
        f.name: None if f.default is dataclasses.MISSING else f.default
        for f in dataclasses.fields(spec)
    }


def documented(function, section="Parameters"):
    """The names that a numpydoc section describes, in order."""
    doc = inspect.getdoc(function) or ""
    body = re.search(rf"^{section}\n-+\n(.*?)(?=^\w[^\n]*\n-+$|\Z)", doc, re.M | re.S)
    lines = [line for line in str(body and body[1]).splitlines() if re.match(r"\w.* : ", line)]
    return [part for line in lines for part in line.partition(" : ")[0].split(", ")]


def options(name):
    """The options of a command, by the name under which it takes them."""
    command = typer.main.get_command(app)
    for part in ("simulate", name):
        command = command.commands[part]
    return {param.name: param for param in command.params}


def options_of(spec):
    """What is known of each option, by its name: a part has those of its own arguments."""
    named = {}
    for name, known in spec.arguments().items():
        part = spec.parts().get(name)
        named |= options_of(part) if part else {known.option or name: known}
    return named


@BOTH
def test_an_argument_is_the_same_everywhere(name):
    spec, simulate, how = SIMULATORS[name]
    assert spec.simulator == name
    parameters = inspect.signature(simulate).parameters
    written = {p.name: None if p.default is p.empty else p.default for p in parameters.values()}
    told = defaults(spec)
    assert {n: value for n, value in written.items() if n not in how} == told
    assert written.keys() == told.keys() | how
    assert documented(simulate) == list(written)
    # A file takes what the signature takes; the command, what the spec has.
    named = options_of(spec)
    # The command has its output for a path, and says by an option that it is written as it goes.
    how = how - {"path"} | {"as_it_goes"} if "path" in how else how
    shown = options(name)
    assert shown.keys() - {"spec", "output", "help"} == named.keys() | how
    for option, known in named.items():
        assert shown[option].help == known.help
        assert shown[option].default is None


# What takes any object: an embedder is judged by what it does.
ANY = {"embedder"}


@pytest.mark.parametrize(
    ("name", "argument"),
    [
        (name, one)
        for name in SIMULATORS
        for one in SIMULATORS[name][0].arguments()
        if one not in ANY
    ],
)
def test_what_is_refused_is_named(name, argument):
    needed = {} if name == "gmm" else {"models": ["openai:a"]}
    with pytest.raises(InputError) as error:
        SIMULATORS[name][0](**(needed | {argument: object()}))
    assert error.value.argument == argument


def test_theory_takes_what_a_network_is():
    parameters = inspect.signature(expected_sq_norm).parameters
    written = {n: p.default for n, p in parameters.items()}
    # n and B follow from the weights where those are given.
    told = defaults(CountedSpec) | {"n_models": None, "n_components": None}
    assert written == told
    assert sorted(documented(expected_sq_norm)) == sorted(written)
    assert list(GmmSpec.arguments())[: len(MixtureSpec.arguments())] == [*MixtureSpec.arguments()]


def test_theory_takes_the_specification_of_a_simulation():
    first = [[0.2, 0.8], [0.5, 0.5], [0.75, 0.25]]
    shared = {"initial_weights": first, "n_steps": 9, "initial_points": [1.0, -2.0, 3.0]}
    simulated = Network.from_spec(GmmSpec(**shared, seed=1, threshold=0.01))
    ours = network(**shared)
    for field in dataclasses.fields(Network):
        np.testing.assert_array_equal(getattr(simulated, field.name), getattr(ours, field.name))
    with pytest.raises(TypeError, match="threshold"):
        network(**shared, threshold=0.01)


def made(name):
    if name == "gmm":
        return lwd.simulate_gmm(n_steps=3, seed=1, record=[0, 3], concentration=[1, 2])
    models = {"a": Writer("a"), "b": Writer("b")}
    return lwd.simulate_llm(models, ["x", "y"], "Up?", embedder=Hasher(), n_steps=1, seed=1,
                            n_responses=2, temperature={"a": 0.5})  # fmt: skip


@BOTH
def test_a_file_has_every_argument_and_gives_the_same_again(name):
    spec = SIMULATORS[name][0]
    written = spec_of(made(name))
    assert list(written) == ["simulator", *spec.arguments()]
    again = spec.from_json(written)
    assert json.dumps(again.to_json()) == json.dumps(written)
    with pytest.raises(InputError, match=r"^spec: got an unknown argument, 'nonsense'"):
        spec.from_json(written | {"nonsense": 1})
    with pytest.raises(InputError, match=r"^simulator: "):
        spec.from_json(written | {"simulator": "other"})


def asked_of(name, *words, monkeypatch):
    """The arguments that a command line comes to."""
    found = {}
    monkeypatch.setattr(
        "lwdstats.cli.simulate._simulate",
        lambda spec, file, output, given, **how: found.update(read_options(spec, given)),
    )
    done = CliRunner().invoke(app, ["simulate", name, *words])
    assert done.exit_code == 0, done.output
    return found


@BOTH
def test_specifications_of_version_0_1_are_read(name):
    file = {"gmm": "gmm_networks.nc", "llm": "bitcoin_network.nc"}[name]
    written = spec_of(lwd.read_results(ROOT / "data" / file))
    read = SIMULATORS[name][0].from_json(written).to_json()
    # Arguments that have come since have their defaults.
    assert read | written == read


@pytest.mark.parametrize(
    ("name", "line", "given"),
    [
        ("gmm", "", {}),
        ("gmm", "--engine gaussian --max-overlap .05", {"engine": "gaussian", "max_overlap": 0.05}),
        ("gmm", "--concentration 2", {"concentration": 2.0}),
        ("gmm", "--concentration 1,2", {"concentration": [1.0, 2.0]}),
        ("gmm", "--means=-4,4", {"means": [-4.0, 4.0]}),
        ("gmm", "--step-size 1/(k+1)", {"step_size": "1/(k+1)"}),
        ("gmm", "--step-size .5", {"step_size": 0.5}),
        ("gmm", "--seed 9 --replicates 3", {"seed": "9", "replicates": 3}),
        ("gmm", "--keep last --fresh 2", {"scenario": {"keep": "last", "fresh": 2}}),
        ("gmm", "--keep random,50", {"scenario": {"keep": ["random", 50]}}),
        (
            "gmm",
            "--fresh .2 --fresh-from .3,.7",
            {"scenario": {"fresh": 0.2, "fresh_from": [0.3, 0.7]}},
        ),
        ("gmm", "--frozen 0,2 --silent 1", {"scenario": {"frozen": [0, 2], "silent": 1}}),
        (
            "gmm",
            "--readers blocks,2,.1 --n-read sqrt(N) --update prior,5",
            {
                "scenario": {"readers": ["blocks", 2, 0.1], "n_read": "sqrt(N)"},
                "update": ["prior", 5],
            },
        ),
        ("llm", "", {}),
        ("llm", "--model a --model b", {"models": ["a", "b"]}),
        ("llm", "--temperature 0", {"temperature": 0.0}),
        ("llm", "--top-p a=.5 --top-p b=1", {"top_p": {"a": 0.5, "b": 1.0}}),
        ("llm", "--max-new-tokens 7", {"max_new_tokens": 7}),
        ("llm", "--cut none", {"cut": None}),
        ("llm", "--retrieval nearest", {"scenario": {"retrieval": "nearest"}}),
        (
            "llm",
            "--fresh 1 --fresh-from pool.csv --frozen bot",
            {"scenario": {"fresh": 1, "fresh_from": "pool.csv", "frozen": "bot"}},
        ),
        ("llm", "--cut sentence --no-normalize", {"cut": "sentence", "normalize": False}),
    ],
)
def test_what_options_say(name, line, given, monkeypatch):
    assert asked_of(name, *line.split(), monkeypatch=monkeypatch) == given


def test_numbers_on_the_command_line_run(tmp_path):
    path = tmp_path / "x.nc"
    line = [
        "--means=-4,4",
        "--concentration",
        "1,2",
        "--initial-points",
        "1,-3,2,4",
        "--n-steps",
        "3",
    ]
    done = CliRunner().invoke(app, ["simulate", "gmm", *line, "--seed", "1", "-o", str(path)])
    assert done.exit_code == 0, done.output
    expected = lwd.simulate_gmm(
        means=[-4, 4], concentration=[1, 2], initial_points=[1, -3, 2, 4], n_steps=3, seed=1
    )
    assert lwd.read_results(path).equals(expected)


def test_what_was_added_to_an_error_is_said():
    error = InputError("models", 3, "names")
    error.add_note("Nothing is kept of this run.")
    assert notes(error) == ["Nothing is kept of this run."]


def test_the_installed_command_is_the_one_tested_here():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    name, _, target = config["options.entry_points"]["console_scripts"].strip().partition(" = ")
    module, _, function = target.partition(":")
    # As the script that pip writes does.
    code = f"import sys; from {module} import {function}; sys.exit({function}())"
    done = subprocess.run([sys.executable, "-c", code, "--help"], capture_output=True, text=True)
    assert (name, done.returncode) == ("lwdstats", 0)
    assert "simulate" in done.stdout
