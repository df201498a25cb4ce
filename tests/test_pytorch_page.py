"""docs/audit.md shows what its commands print. ``python tests/test_pytorch_page.py`` writes their output into it."""

import contextlib
import io
import os
import re
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGE, README = ROOT / "docs" / "audit.md", ROOT / "README.md"
CONSOLE = re.compile(r"(```console\n\$ varprop (.*?)\n)(.*?)(```)", re.DOTALL)
MODELS = re.compile(r"```py\n# models.py\n(.*?)```", re.DOTALL)
EXCERPT = re.compile(r"```console\n\$ varprop audit .*?\n(.*?)```", re.DOTALL)


def printed(words):
    """Return what the command line prints for ``words``, in the current folder."""
    from varprop.cli import main

    sys.argv = ["varprop", *words.split()]
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):
        main()
    return out.getvalue()


def ready(folder):
    """Write the page's models and its batch into a folder."""
    import numpy as np
    import torch

    torch.set_num_threads(1)
    text = PAGE.read_text()
    (Path(folder) / "models.py").write_text("\n\n".join(MODELS.findall(text)))
    np.save(Path(folder) / "batch.npy", np.random.default_rng(0).normal(size=(64, 784)).astype("float32"))
    return text


@pytest.fixture
def page(tmp_path, monkeypatch):
    pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [])
    monkeypatch.setattr(sys, "path", list(sys.path))
    sys.modules.pop("models", None)
    yield ready(tmp_path)
    sys.modules.pop("models", None)


def test_the_page_shows_what_its_commands_print(page):
    from test_readme import numbers_and_words

    commands = CONSOLE.findall(page)
    assert len(commands) == 2
    for _, words, shown, _ in commands:
        got, expected = numbers_and_words(printed(words)), numbers_and_words(shown)
        assert got[1] == expected[1]
        assert got[0] == pytest.approx(expected[0], rel=0.05, abs=0.05)  # other processors round otherwise


def test_the_readmes_excerpt_is_of_the_page():
    (shown,) = EXCERPT.findall(README.read_text())
    page = PAGE.read_text()
    lines = [line for line in shown.splitlines() if line.strip() not in ("", "...")]
    assert len(lines) > 8
    for line in lines:
        assert line in page, line


def refreshed(text, page):
    """Return the README with each line of its excerpt as the page has it now, found by how it begins."""
    block = EXCERPT.search(text)
    lines = CONSOLE.search(page)[0].splitlines()
    out = []
    for line in block[1].splitlines():
        start = line.split()[: 4 if line.startswith("*") else 2]
        ruled = set(line.strip()) == {"─"}
        same = (l for l in lines if (set(l.strip()) == {"─"} if ruled else l.split()[: len(start)] == start))
        out.append(next(same, line))
    return text.replace(block[1], "\n".join(out) + "\n")


def write():
    """Put what the commands print today into the page, and the README's excerpt of it."""
    with tempfile.TemporaryDirectory() as folder:
        text = ready(folder)
        os.chdir(folder)
        page = CONSOLE.sub(lambda found: found[1] + printed(found[2]) + found[4], text)
    PAGE.write_text(page)
    README.write_text(refreshed(README.read_text(), page))


if __name__ == "__main__":
    write()
