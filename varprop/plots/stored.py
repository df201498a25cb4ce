"""Figures in files."""

import json
import os
import tempfile
from pathlib import Path

from matplotlib.figure import Figure

from ..tables import plain
from .look import style


def save(figure: Figure, path: Path, numbers: dict) -> None:
    """Write ``path``.svg, and ``numbers`` beside it as ``path``.json; equal figures give equal bytes.

    Each file is written whole or not at all. Numbers have seven figures; those that are not finite become null.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(plain(numbers, digits=7), indent=1, allow_nan=False, ensure_ascii=False) + "\n"
    drawing, beside = (path.with_name(path.name + end) for end in (".svg", ".json"))  # the name may hold a point
    with style():
        _replace(drawing, lambda file: figure.savefig(file, format="svg", metadata={"Date": None}))
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
