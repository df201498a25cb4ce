"""Figures in files."""

import json
import os
import tempfile
from pathlib import Path

from matplotlib.figure import Figure

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
    with style():
        _replace(drawing, lambda file: figure.savefig(file, format=format, metadata=FORMATS[format]))
    _replace(beside, lambda file: file.write(text.encode()))


def _replace(path: Path, write) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
