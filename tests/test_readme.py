"""Every example in the README runs and prints what the README shows."""

import contextlib
import io
import re
from pathlib import Path

import pytest
from evidence import needs_compiler

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "README.md").read_text()
PYTHON = re.compile(r"```python\n(.*?)```(?:\s*```text\n(.*?)```)?", re.DOTALL)
EXAMPLES = PYTHON.findall(TEXT)
LONG = (0, 2)  # a million networks; gradients through a hundred layers
NUMBER = re.compile(r"(?<![\w.])[-+]?\d[\d,]*\.?\d*(?:e[-+]\d+)?")


def numbers_and_words(text):
    """Split text into numbers and everything else, spaces folded."""
    numbers = [float(x.replace(",", "")) for x in NUMBER.findall(text)]
    return numbers, re.sub(r"[\s─]+", " ", NUMBER.sub("#", text)).strip()


@needs_compiler
@pytest.mark.parametrize(
    "number", [pytest.param(n, marks=[pytest.mark.slow] * (n in LONG)) for n in range(len(EXAMPLES))]
)
def test_examples_print_what_the_readme_shows(number):
    code, shown = EXAMPLES[number]
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(code, f"README example {number + 1}", "exec"), {})
    got, expected = numbers_and_words(out.getvalue()), numbers_and_words(shown)
    assert got[1] == expected[1]
    # another processor may round differently in the last bits of float32, which moves a z-score a little
    assert got[0] == pytest.approx(expected[0], rel=2e-3, abs=0.02)


def test_the_first_example_is_the_design_documents():
    (design, _), *_ = PYTHON.findall((ROOT / "DESIGN.md").read_text())
    first = EXAMPLES[0][0]
    assert re.sub(r"\s*#.*", "", design).split() == first.split()


def test_links_and_pictures_are_there():
    for target in re.findall(r"\]\(([^)]+)\)", TEXT):
        assert (ROOT / target).exists(), target


def test_commands_are_targets():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"^make (\w+)", TEXT, re.MULTILINE)) <= targets


@pytest.mark.slow
@needs_compiler
def test_shell_examples_run(monkeypatch, capsys, tmp_path):
    from varprop.cli import main

    (network,) = re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL)
    (tmp_path / "net.json").write_text(network)
    monkeypatch.chdir(tmp_path)
    shell = "\n".join(re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL))
    lines = re.findall(r"^varprop (.*)$", shell, re.MULTILINE)
    statuses = []
    for line in lines:
        monkeypatch.setattr("sys.argv", ["varprop", *line.split()])
        with pytest.raises(SystemExit) as end:
            main()
        statuses.append(end.value.code or 0)
    assert statuses == [int(line.endswith("--order infinite")) for line in lines]
    assert "DISAGREE" in capsys.readouterr().out
