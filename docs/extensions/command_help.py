"""The directive ``command-help``: what ``varprop COMMAND --help`` prints, as it is when pages are built."""

import os
import subprocess
import sys

from docutils import nodes
from docutils.parsers.rst import Directive


def _help(*words: str) -> str:
    """Return the help of a command, as wide as a page, without colours."""
    environment = {**os.environ, "COLUMNS": "94", "NO_COLOR": "1", "TERM": "dumb", "PYTHONIOENCODING": "utf-8"}
    command = [sys.executable, "-m", "varprop", *words, "--help"]
    out = subprocess.run(command, env=environment, capture_output=True, encoding="utf-8", check=True).stdout
    return "\n".join(line.rstrip() for line in out.strip("\n").splitlines())


def commands() -> list[str]:
    """Return the names of the commands, in the order of the help."""
    from typer.main import get_command

    from varprop.cli.program import app

    return list(get_command(app).commands)


class CommandHelp(Directive):
    """One section a command."""

    def run(self):
        out = [_literal(_help())]
        for name in commands():
            section = nodes.section(ids=[nodes.make_id(f"varprop {name}")])
            section += nodes.title(text=f"varprop {name}")
            section += _literal(_help(name))
            out.append(section)
        return out


def _literal(text: str):
    return nodes.literal_block(text, text, language="text")


def setup(app):
    app.add_directive("command-help", CommandHelp)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
