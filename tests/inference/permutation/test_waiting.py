"""What takes long says so at a terminal, and nowhere else."""

import io
import sys

import pytest

from lwdstats.inference.permutation import waiting


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("stream", "patience", "shows"),
    [(Terminal, 0.0, True), (Terminal, 60.0, False), (io.StringIO, 0.0, False)],
)
def test_only_who_waits_at_a_terminal_sees_a_bar(monkeypatch, stream, patience, shows):
    written = stream()
    monkeypatch.setattr(sys, "stderr", written)
    monkeypatch.setattr(waiting, "PATIENCE", patience)
    blocks = [[0, 1], [2, 3], [4]]
    assert list(waiting.shown(blocks, 5)) == blocks
    assert ("permutations" in written.getvalue()) is shows
