"""Figures in files."""

import io
import json
from pathlib import Path

from matplotlib.figure import Figure

from ..files import write_whole
from ..names import choose
from ..tables import plain
from .look import style

# Of a figure, with what its file must not say, so that equal figures give equal bytes: when it was made.
FORMATS = {"svg": {"Date": None}, "png": {}, "pdf": {"CreationDate": None}}


def save(figure: Figure, path: Path, numbers: dict, format: str = "svg") -> None:
    """Write ``path``.svg, and ``numbers`` beside it as ``path``.json; equal figures give equal bytes.

    Each file is written whole or not at all. Numbers have seven figures; those that are not finite become null.
    ``format`` may also be ``"png"`` or ``"pdf"``. Raises ValueError for any other.
    """
    format = choose(format, FORMATS, "no figure is saved as {}", kind="format")
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(plain(numbers, digits=7), indent=1, allow_nan=False, ensure_ascii=False) + "\n"
    drawing, beside = (path.with_name(path.name + end) for end in (f".{format}", ".json"))  # the name may hold a point
    drawn = io.BytesIO()
    with style():
        figure.savefig(drawn, format=format, metadata=FORMATS[format])
    write_whole(drawing, drawn.getvalue())
    write_whole(beside, text.encode())
