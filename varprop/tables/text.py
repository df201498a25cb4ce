"""Lines and tables as text and as HTML."""

import html
from io import StringIO

from ..exported import Exported
from ..spelling import spelled


class Tabular(Exported):
    """What reads as lines and tables: text when printed, HTML in a notebook, both of the same ``_parts``.

    A subclass returns these: lines of text, and (headers, rows) pairs, in the order of reading.
    """

    def _parts(self) -> list:
        raise NotImplementedError

    def __str__(self) -> str:
        return text(self)

    def _repr_html_(self) -> str:
        return html_of(self._parts())


def text(tabular: Tabular, encoding: str | None = None) -> str:
    """Return lines and tables as text; what ``encoding`` lacks is spelled in letters that it has."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    out = StringIO()
    # Left to itself, rich shows tables in a notebook instead of writing them to the file.
    console = Console(file=out, width=400, color_system=None, force_jupyter=False)
    for part in spelled(tabular._parts(), encoding or "utf-8"):
        if isinstance(part, str):
            out.write(part + "\n")
            continue
        headers, rows = part
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for header in headers:
            table.add_column(Text(header), justify="right", no_wrap=True)
        for row in rows:
            table.add_row(*map(Text, row))
        console.print(table)
    lines = "\n".join(line.rstrip() for line in out.getvalue().splitlines() if line.strip())
    return spelled(lines, encoding or "utf-8")


def html_of(parts) -> str:
    """Return lines and tables as HTML."""
    out = []
    for part in parts:
        if isinstance(part, str):
            out.append(f"<p>{html.escape(part)}</p>")
            continue
        headers, rows = part
        lines = [_html_row("th", headers), *(_html_row("td", row) for row in rows)]
        out.append("<table>\n" + "\n".join(lines) + "\n</table>")
    return "\n".join(out)


def _html_row(tag: str, cells) -> str:
    return "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells) + "</tr>"
