"""README.md and the pages of docs/, and their examples. ``python tests/pages.py`` writes into them what these print.

An example is a fenced block: ``python``, with what it prints in a ``text`` block right behind it; ``console``, whose
lines with a ``$`` are commands, above what they print; ``sh``, commands alone; ``py``, Python that needs PyTorch.
Commands find the files that their page shows: a ``py`` block that begins ``# NAME.py``, and a block below the
words "This is `NAME`:".
"""

import contextlib
import io
import re
import shlex
import sys
import tempfile
from pathlib import Path
from unittest import mock

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PYTHON = re.compile(r"(```python\n(.*?)```)(?:(\s*```text\n)(.*?)```)?", re.DOTALL)
CONSOLE = re.compile(r"```console\n(.*?)```", re.DOTALL)
COMMAND = re.compile(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)
SHELL = re.compile(r"```sh\n(.*?)```", re.DOTALL)
MODULES = re.compile(r"```py\n# (\w+\.py)\n(.*?)```", re.DOTALL)
FILES = re.compile(r"[Tt]his is\s+`([\w.]+)`:\n\n```\w*\n(.*?)```", re.DOTALL)
NUMBER = re.compile(r"(?<![\w.])[-+]?\d[\d,]*\.?\d*(?:e[-+]\d+)?")
# a million networks; gradients through a hundred layers; a report; a search in which theory has quadratures
SLOW = ("1_000_000", "(10, 30, 100)", "report ", "precision(", "tune '256*31'", "tune '784")
NEED_PYTORCH = ("audit",)


def pages() -> dict[str, str]:
    """Return the text of README.md and of each page, by its path."""
    files = [ROOT / "README.md", *sorted(f for f in DOCS.rglob("*.md") if "_build" not in f.parts)]
    return {str(file.relative_to(ROOT)): file.read_text(encoding="utf-8") for file in files}


PAGES = pages()


def python_examples() -> dict[str, tuple[str, str]]:
    """Return code and output of each example by page and number, once where several pages show the same."""
    found, seen = {}, set()
    for page, text in PAGES.items():
        for number, (_, code, _, shown) in enumerate(PYTHON.findall(text), 1):
            if (code, shown) not in seen:
                found[f"{page} {number}"] = (code, shown)
            seen.add((code, shown))
    return found


def console_examples() -> dict[str, tuple[str, str, str]]:
    """Return the page, the words and the output of each command of varprop that needs no PyTorch, by page and words."""
    found = {}
    for page, text in PAGES.items():
        for block in CONSOLE.findall(text):
            for words, shown in COMMAND.findall(block):
                if words.startswith("varprop ") and words.split()[1] not in NEED_PYTORCH:
                    found[f"{page}: {words}"] = (page, words.removeprefix("varprop "), shown)
    return found


def numbers_and_words(text):
    """Split text into numbers and everything else, spaces folded."""
    numbers = [float(x.replace(",", "")) for x in NUMBER.findall(text)]
    return numbers, re.sub(r"[\s─]+", " ", NUMBER.sub("#", text)).strip()


def write_files(text: str, folder: Path) -> None:
    """Write the files that a page shows into a folder."""
    modules = {}
    for name, code in MODULES.findall(text):
        modules.setdefault(name, []).append(code)
    for name, parts in modules.items():
        (folder / name).write_text("\n\n".join(parts))
    for name, content in FILES.findall(text):
        (folder / name).write_text(content)


def run_command(words: str) -> tuple[str, int]:
    """Return what the command line prints for ``words``, in the current folder, and its exit status."""
    from varprop.cli import main

    out, status = io.StringIO(), 0
    words = mock.patch.object(sys, "argv", ["varprop", *shlex.split(words)])
    with words, contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        try:
            main()
        except SystemExit as end:
            status = end.code or 0
    return out.getvalue(), status


def run_python(code: str, name: str) -> str:
    """Return what an example prints."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(code, name, "exec"), {"__name__": "example"})
    return out.getvalue()


def refreshed(text: str) -> str:
    """Return a page with what its examples print today; run in a folder of its own, with the page's files."""

    def python(found):
        if not found[3]:
            return found[0]
        return f"{found[1]}{found[3]}{run_python(found[2], 'example')}```"

    def command(found):
        words = found[1]
        if not words.startswith("varprop ") or words.split()[1] in NEED_PYTORCH:
            return found[0]
        return f"$ {words}\n{run_command(words.removeprefix('varprop '))[0]}"

    text = PYTHON.sub(python, text)
    return CONSOLE.sub(lambda block: f"```console\n{COMMAND.sub(command, block[1])}```", text)


def main(names) -> None:
    for name, text in PAGES.items():
        if not names or any(part in name for part in names):
            with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
                write_files(text, Path(folder))
                new = refreshed(text)
            if new != text:
                (ROOT / name).write_text(new, encoding="utf-8")
                print("wrote", name)


if __name__ == "__main__":
    main(sys.argv[1:])
