"""docs/audit.md shows what its commands print. ``python tests/test_pytorch_page.py`` writes their output into it."""

import os
import re
import sys
import tempfile
from pathlib import Path

import pytest
from pages import DOCS, MODULES, ROOT, numbers_and_words, run_command, write_files

PAGE, README = DOCS / "audit.md", ROOT / "README.md"
CONSOLE = re.compile(r"(\$ varprop (audit .*?)\n)((?:(?!\$ |```).*\n)*)")
BATCH = re.compile(r"^\$ python -c '(.*)'$", re.MULTILINE)
USE = re.compile(r"```py\n(from varprop.pytorch import audit\n.*?)```", re.DOTALL)


def ready(folder):
    """Write the page's models and its batch into a folder, and go there."""
    import torch

    torch.set_num_threads(1)
    os.chdir(folder)
    text = PAGE.read_text()
    write_files(text, Path(folder))
    exec(BATCH.search(text)[1], {})
    return text


@pytest.fixture
def page(tmp_path, monkeypatch):
    pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    sys.modules.pop("models", None)
    yield ready(tmp_path)
    sys.modules.pop("models", None)


def test_the_page_shows_what_its_commands_print(page):
    commands = CONSOLE.findall(page)
    assert len(commands) == 2
    for _, words, shown in commands:
        got, expected = numbers_and_words(run_command(words)[0]), numbers_and_words(shown)
        assert got[1] == expected[1]
        assert got[0] == pytest.approx(expected[0], rel=0.05, abs=0.05)  # other processors round otherwise


def test_what_the_page_does_in_python_runs(page):
    (code,) = USE.findall(page)
    sys.path.insert(0, str(Path.cwd()))
    exec(compile(code, "docs/audit.md", "exec"), found := {})
    said = dict(re.findall(r"^(found\.healthy)  # (.*)$", code, re.MULTILINE))
    assert {name: str(eval(name, found)) for name in said} == said == {"found.healthy": "False"}


def test_the_readmes_excerpt_is_of_the_page():
    page = PAGE.read_text()
    ((_, _, shown),) = CONSOLE.findall(README.read_text())
    lines = [line.removesuffix(" ...") for line in shown.splitlines() if line.strip() not in ("", "...")]
    assert len(lines) > 8
    for line in lines:
        assert line in page, line
    for pattern in (MODULES, BATCH):
        assert pattern.findall(README.read_text())[0] == pattern.findall(page)[0]


def refreshed(text, page):
    """Return the README with each line of its excerpt as the page has it now, found by how it begins."""
    shown = CONSOLE.search(text)[3]
    lines = CONSOLE.search(page)[3].splitlines()
    out = []
    for line in shown.splitlines():
        start = line.split()[: 4 if line.startswith("*") else 2]
        ruled = set(line.strip()) == {"─"}
        same = (l for l in lines if (set(l.strip()) == {"─"} if ruled else l.split()[: len(start)] == start))
        out.append(line if line.endswith("...") else next(same, line))
    return text.replace(shown, "\n".join(out) + "\n")


def write():
    """Put what the commands print today into the page, and the README's excerpt of it."""
    with tempfile.TemporaryDirectory() as folder:
        text = ready(folder)
        page = CONSOLE.sub(lambda found: found[1] + run_command(found[2])[0], text)
    PAGE.write_text(page)
    README.write_text(refreshed(README.read_text(), page))


if __name__ == "__main__":
    write()
