"""Output in any encoding: nothing is lost, and tables stay in line."""

import io
from pathlib import Path

import pytest

from varprop import Network, cli, spelling, tables, theory


def test_every_character_that_we_print_has_its_letters():
    source = "".join(path.read_text() for path in Path(spelling.__file__).parent.rglob("*.py"))
    lost = [c for c in sorted(set(source)) if spelling.spelled(c, "ascii") == "?" != c]
    assert lost == []


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "cp437"])
def test_tables_stay_in_line(encoding):
    for answer in (theory.backward(Network([8] * 3)), theory.law(Network([8] * 3))):
        lines = tables.text(answer, encoding).encode(encoding).decode(encoding).splitlines()
        rule = next(i for i, line in enumerate(lines) if line.strip("-─ ") == "")
        assert len(lines[rule - 1]) == len(lines[rule]) == len(lines[rule + 1])
        assert "?" not in "".join(lines)


def test_what_can_be_held_is_held():
    assert spelling.spelled(("σ² ± q̂", ["é"]), "latin-1") == ("sigma² ± q-hat", ["é"])
    assert spelling.spelled("σ² ± q̂ \udcff", "utf-8") == "σ² ± q̂ ?"
    assert spelling.spelled("Ångström 猫 🂡", "ascii") == "Angstrom ? ?"


@pytest.mark.parametrize("words", [("predict", "64*3"), ("predict", "--help"), ("--help",), ("predict", "\udcff")])
def test_the_command_line_loses_nothing(monkeypatch, words):
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="ascii") for _ in range(2))
    monkeypatch.setattr("sys.stdout", out)
    monkeypatch.setattr("sys.stderr", err)
    monkeypatch.setattr("sys.argv", ["varprop", *words])
    try:
        cli.main()
    except SystemExit as end:
        status = end.code
    out.flush()
    err.flush()
    assert status in (None, 0, 2)
    assert (out if not status else err).buffer.getvalue()
    assert b"Internal" not in err.buffer.getvalue()
