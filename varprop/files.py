"""Data from files, one row an input: .npy, .npz, or text such as .csv; and files that are written whole or not at all.

An error names file, line and cure.
"""

import contextlib
import io
import os
import secrets
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from .checks import quote

_DELIMITERS = (";", "\t", ",")


def read_rows(path: Path, say: Callable[[str], None]) -> np.ndarray:
    """Return the numbers in the file at ``path``.

    Parameters
    ----------
    path
        A .npy file, a .npz file of one array, or text: a row a line, split at commas, semicolons, tabs or spaces.
        ``#`` starts a comment. A byte-order mark and quotes are ignored.
    say
        Called with a sentence on what was read in another way than one may think: a header row left out,
        decimal commas, the one array of an .npz.

    Raises
    ------
    ValueError
        If it cannot be read, or holds no numbers, text, missing values or rows of different lengths. The message
        names the file, and the line.
    """
    try:
        if path.suffix.lower() in (".npy", ".npz"):
            with path.open("rb") as file:
                return _array(path, file, say)
        raw = path.read_bytes()
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror or error}.") from None
    return _table(path, _decoded(path, raw), say)


def check_place(path: Path) -> None:
    """Raise ValueError, before the work is done, where no file can be written as ``path``."""
    if os.path.isdir(path):
        raise ValueError(f"cannot write {path}: it is a folder; name a file in it.")
    if not os.path.isdir(path.parent):
        raise ValueError(f"cannot write {path}: there is no folder {path.parent}.")
    try:
        with contextlib.suppress(FileNotFoundError):
            os.lstat(path)  # of a name that is too long
        os.unlink(_beside(path, b""))
    except (OSError, ValueError) as error:
        raise _cannot_write(path, error) from None


def as_path(path) -> Path:
    """Return ``path`` as a `Path`. Raises TypeError for what is no name of a file."""
    try:
        return Path(path)
    except TypeError:
        raise TypeError(f"path is {quote(path)}; give the name of a file.") from None


def write_whole(path: Path, content: bytes | Iterable[bytes]) -> None:
    """Write a file whole or not at all: whoever reads it meanwhile finds what was there before.

    It is on the disk when this returns, so that a machine that fails then has lost nothing. Raises ValueError that
    names it where it cannot be written.
    """
    try:
        place = Path(os.path.realpath(path))  # a link stays one
        temporary = _beside(place, content)
        try:
            os.replace(temporary, place)
        except BaseException:
            os.unlink(temporary)
            raise
        _sync_folder(place.parent)
    except (OSError, ValueError) as error:
        raise _cannot_write(path, error) from None


def _sync_folder(folder: Path) -> None:
    """Have a folder's list of names on the disk, where the system lets folders be opened."""
    with contextlib.suppress(PermissionError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _beside(path: Path, content: bytes | Iterable[bytes]) -> Path:
    """Return a new file with this content in the folder of ``path``."""
    temporary = path.with_name(f".{path.name[:60]}.{secrets.token_hex(8)}")
    with open(temporary, "xb") as file:
        try:
            file.writelines([content] if isinstance(content, bytes) else content)
            file.flush()
            os.fsync(file.fileno())
        except BaseException:
            os.unlink(temporary)
            raise
    return temporary


def _cannot_write(path: Path, error: OSError | ValueError) -> ValueError:
    return ValueError(f"cannot write {path}: {getattr(error, 'strerror', None) or error}.")


def _array(path: Path, file, say) -> np.ndarray:
    cure = "save one with numpy.save"
    try:
        found = np.load(file, allow_pickle=False)
        if isinstance(found, np.ndarray):
            return found
        if len(found.files) == 1:
            say(f"{path}: read its one array, {found.files[0]}.")
            return found[found.files[0]]
    except Exception as error:  # an array of objects, text, a broken zip file
        raise ValueError(f"{path} holds no plain array of numbers ({error}); {cure}.") from None
    raise ValueError(
        f"{path} holds {len(found.files)} arrays ({', '.join(found.files)}); save the one you mean as .npy."
    )


def _decoded(path: Path, raw: bytes) -> str:
    encoding = "utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError:
        text = raw.decode("latin-1")  # letters of a header do not matter; a binary file shows by its control characters
    if "\0" in text:
        raise ValueError(f"{path} is no text; give a .npy or a .csv file of numbers, one row an input.")
    return text


def _table(path: Path, text: str, say) -> np.ndarray:
    lines = [(i, line.split("#")[0].strip()) for i, line in enumerate(text.splitlines(), 1)]
    lines = [(i, line) for i, line in lines if line]
    if not lines:
        raise ValueError(f"{path} is empty; give numbers, one row an input.")
    delimiter = next((d for d in _DELIMITERS if any(d in line for _, line in lines[:2])), None)
    if delimiter == ";" and any("," in line for _, line in lines):
        lines = [(i, line.replace(",", ".")) for i, line in lines]
        say(f"{path}: columns are split at semicolons; commas are read as decimal points.")
    if not any(_number(cell) for cell in _cells(lines[0][1], delimiter)):
        if len(lines) == 1:
            raise ValueError(f"{path} holds no numbers; give some, one row an input.")
        say(f"{path}: left out its header row, {_shown(lines[0][1])}.")
        lines = lines[1:]
    try:
        return np.loadtxt(
            io.StringIO("\n".join(line for _, line in lines)), delimiter=delimiter, quotechar='"', ndmin=2
        )
    except ValueError as error:
        raise ValueError(_fault(path, lines, delimiter) or f"{path} cannot be read: {error}.") from None


def _fault(path: Path, lines, delimiter) -> str | None:
    """Return what is wrong in the first line that is no row of numbers, as long as the first."""
    first = lines[0][0], len(_cells(lines[0][1], delimiter))
    for number, line in lines:
        cells = _cells(line, delimiter)
        for column, cell in enumerate(cells, 1):
            if not cell:
                return f"{path}, line {number}: column {column} is empty; remove or fill missing values first."
            if not _number(cell):
                return f"{path}, line {number}: {_shown(cell)} in column {column} is no number."
        if len(cells) != first[1]:
            return f"{path}, line {number} has {len(cells)} columns, and line {first[0]} has {first[1]}."
    return None


def _cells(line: str, delimiter) -> list[str]:
    return [cell.strip().strip('"').strip() for cell in line.split(delimiter)]


def _number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell  # which Python takes in a number, and NumPy does not


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")
