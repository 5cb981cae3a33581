"""Specifications from files and mappings, and what is none."""

import io
import pathlib

import pytest

import lwdstats as lwd


@pytest.mark.parametrize("path", [None, 5, b"s.toml", ["s.toml"], {"simulator": "gmm"}])
def test_what_is_no_path(path):
    with pytest.raises(lwd.InputError, match="spec: got an object of type"):
        lwd.read_spec(path)
    with pytest.raises(lwd.InputError, match="spec: got an object of type StringIO"):
        lwd.read_spec(io.StringIO("seed = 1"))


@pytest.mark.parametrize("content", ["[1]", "5", "null", '"gmm"', "[" * 10**5])
def test_json_that_is_no_specification(tmp_path, content):
    path = tmp_path / "s.json"
    path.write_text(content)
    with pytest.raises(lwd.InputError, match=r"spec: got .*s\.json"):
        lwd.read_spec(path)


def test_any_case_and_a_byte_order_mark(tmp_path):
    for name, content in (("s.JSON", '{"simulator": "gmm"}'), ("s.toml", "simulator = 'gmm'")):
        (tmp_path / name).write_text("\ufeff" + content, encoding="utf-8")
        assert lwd.read_spec(tmp_path / name) == {"simulator": "gmm"}


@pytest.mark.parametrize("spec", [None, 5, [1], "gmm.toml", pathlib.Path("gmm.toml")])
def test_what_is_no_specification(spec):
    with pytest.raises(lwd.InputError, match="spec: got"):
        lwd.run_spec(spec)
    with pytest.raises(lwd.InputError, match="simulator: got"):
        lwd.run_spec({"simulator": [spec]})
