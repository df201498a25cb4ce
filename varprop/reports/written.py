"""A report, and the file that it is written to."""

from dataclasses import dataclass, field
from html import escape
from os import PathLike
from pathlib import Path

from .. import files
from ..checks import quote
from ..tables import Tabular

ENDINGS = (".html", ".htm")


@dataclass(frozen=True, eq=False)
class Report(Tabular):
    """One page of HTML; printed it says its verdicts.

    Attributes
    ----------
    title
        What it is of.
    verdicts
        What it comes to, in lines.
    html
        The whole page.
    """

    title: str
    verdicts: tuple[str, ...]
    html: str = field(repr=False, metadata={"plain": False})

    def save(self, path: str | PathLike[str]) -> None:
        """Write the page whole or not at all. Raises ValueError that names a path where it cannot be written."""
        files.write_whole(checked_place(path), self.html.encode())

    def _parts(self) -> list:
        return list(self.verdicts)

    def _repr_html_(self) -> str:
        frame = 'style="width: 100%; height: 40rem; border: 1px solid #8888"'
        return f'<iframe title="{escape(self.title)}" {frame} srcdoc="{escape(self.html)}"></iframe>'


def checked_place(path) -> Path:
    """Return ``path``, of a page that can be written. Raises ValueError, or TypeError for what names no file."""
    try:
        path = Path(path)
    except TypeError:
        raise TypeError(f"path is {quote(path)}; give the name of a file.") from None
    if path.suffix.lower() not in ENDINGS:
        raise ValueError(f"a report is HTML, but the name is {quote(str(path))}; give one that ends in .html.")
    files.check_place(path)
    return path
