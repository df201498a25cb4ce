"""Arrays of numbers and a JSON header in one file, which is written whole or not at all and believed in nothing.

The file is a zip file without compression, of ``varprop.json`` and a .npy file an array; docs/file_format.md says what
stands where. A reader needs no part of zip that can mean two things: the header says how long the file is and what is
in it, and all else must be as `write` would write it. So a changed bit anywhere is an error, memory is bounded by the
file's own size, nothing is inflated, and nothing is run.
"""

import hashlib
import json
import math
import os
import re
import stat
import struct
import zlib
from collections.abc import Callable, Mapping
from io import BufferedReader
from typing import NamedTuple, NoReturn

import numpy as np

from . import strict_json
from .checks import quote
from .files import as_path, write_whole

FORMAT, VERSION = "varprop", 1
HEADER = "varprop.json"
MOST = 2**32 - 1  # bytes of a file: its places are of 32 bits
MOST_HEADER = 2**22  # bytes of its JSON, of which Python makes some 100 MB at worst
MOST_ARRAYS = 2**14  # which a zip file counts in 16 bits
_MOST_DIMENSIONS = 8
_DTYPES = ("<f8", "<f4", "<i8", "|u1", "|b1")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_KEYS = {"format", "version", "header", "arrays"}
_LOCAL, _CENTRAL, _END = struct.Struct("<4s5H3I2H"), struct.Struct("<4s6H3I5H2I"), struct.Struct("<4s4H2IH")
_NEEDED, _DAY = 20, 0x21  # version 2.0 of zip; the first of January 1980, so that equal content gives equal bytes


class Claim(NamedTuple):
    """What a file says of an array before that is read.

    Attributes
    ----------
    dtype
        Such as ``"<f8"``.
    shape
        Of it.
    sha256
        Of its bytes, in hexadecimal digits.
    """

    dtype: str
    shape: tuple[int, ...]
    sha256: str

    @property
    def size(self) -> int:
        """Bytes of its numbers."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize

    def start(self) -> bytes:
        """Return the beginning of its .npy file, version 1.0: all that is before the numbers."""
        words = f"{{'descr': {self.dtype!r}, 'fortran_order': False, 'shape': {self.shape!r}, }}"
        words += " " * (-(len(words) + 11) % 64) + "\n"
        return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(words)) + words.encode("ascii")


class _Member(NamedTuple):
    name: bytes
    crc: int
    size: int
    place: int

    def local(self) -> bytes:
        """Return what stands before its content."""
        numbers = (_NEEDED, 0, 0, 0, _DAY, self.crc, self.size, self.size, len(self.name), 0)
        return _LOCAL.pack(b"PK\3\4", *numbers) + self.name

    def central(self) -> bytes:
        """Return its entry in the list at the end."""
        numbers = (_NEEDED, _NEEDED, 0, 0, 0, _DAY, self.crc, self.size, self.size, len(self.name), 0, 0, 0, 0, 0)
        return _CENTRAL.pack(b"PK\1\2", *numbers, self.place) + self.name


def write(path, header: Mapping, arrays: Mapping[str, np.ndarray]) -> None:
    """Write a file: equal content gives equal bytes.

    Parameters
    ----------
    path
        Its name. What was there before stays until all is on the disk.
    header
        What JSON can hold, without NaN and infinity.
    arrays
        By name: letters, digits, ``_``, ``.``, ``-``. Of float64, float32, int64, uint8 or bool; in any order of memory
        and bytes.

    Raises
    ------
    TypeError, ValueError
        For what a file cannot hold, and where it cannot be written.
    """
    path = as_path(path)
    contents = {name: _bytes(name, array) for name, array in arrays.items()}
    claims = {
        name: Claim(content.dtype.str, content.shape, hashlib.sha256(content).hexdigest())
        for name, content in contents.items()
    }
    found = {
        "format": FORMAT,
        "version": VERSION,
        "header": header,
        "arrays": [{"name": name, **claim._asdict()} for name, claim in claims.items()],
    }
    text = json.dumps(found, allow_nan=False).encode("ascii")
    strict_json.parsed(text.decode())  # keys that are one as text
    size = _length(len(text), claims)
    if len(text) > MOST_HEADER or size > MOST or len(claims) > MOST_ARRAYS:
        raise ValueError(
            f"{path} would have {size:,} bytes, {len(text):,} in its header, and {len(claims):,} arrays; "
            f"a file holds up to {MOST:,}, {MOST_HEADER:,} and {MOST_ARRAYS:,}."
        )
    write_whole(path, _parts(text, claims, contents))


def _bytes(name: str, array) -> np.ndarray:
    """Return an array as it stands in a file."""
    if not (isinstance(name, str) and _NAME.fullmatch(name)):
        raise ValueError(f"an array has the name {quote(name)}; give letters, digits, _ . and -, a hundred at most.")
    array = np.asarray(array)
    dtype = array.dtype.newbyteorder("<")
    if dtype.str not in _DTYPES or array.ndim > _MOST_DIMENSIONS:
        raise TypeError(
            f"array {name!r} is of {array.dtype} and shape {array.shape}; a file holds {', '.join(_DTYPES)}."
        )
    return np.array(array, dtype, order="C", copy=None)


def _parts(text: bytes, claims: Mapping[str, Claim], contents: Mapping[str, np.ndarray]):
    """Yield the bytes of a file."""
    members = [_Member(HEADER.encode(), zlib.crc32(text), len(text), 0)]
    yield members[0].local()
    yield text
    for name, claim in claims.items():
        start, content = claim.start(), contents[name]
        members.append(_next(members[-1], name, claim, zlib.crc32(content, zlib.crc32(start))))
        yield members[-1].local()
        yield start
        yield content.tobytes()
    yield _tail(members)


def _next(before: _Member, name: str, claim: Claim, crc: int) -> _Member:
    place = before.place + len(before.local()) + before.size
    return _Member(f"{name}.npy".encode(), crc, len(claim.start()) + claim.size, place)


def _tail(members: list[_Member]) -> bytes:
    """Return the list of members with which a zip file ends."""
    listed, last = b"".join(member.central() for member in members), members[-1]
    place = last.place + len(last.local()) + last.size
    return listed + _END.pack(b"PK\5\6", 0, 0, len(members), len(members), len(listed), place, 0)


def _length(text: int, claims: Mapping[str, Claim]) -> int:
    """Return how many bytes a file has."""
    names = [len(HEADER), *(len(name) + len(".npy") for name in claims)]
    content = text + sum(len(claim.start()) + claim.size for claim in claims.values())
    return content + _END.size + sum(_LOCAL.size + _CENTRAL.size + 2 * name for name in names)


def read(path, check: Callable[[dict, dict[str, Claim]], None] | None = None) -> tuple[dict, dict[str, np.ndarray]]:
    """Return the header of a file and its arrays by name, which cannot be written to.

    Parameters
    ----------
    path
        Its name.
    check
        Called as ``check(header, claims)`` before arrays are read, with a `Claim` each by name. It raises ValueError
        for what its caller does not expect.

    Raises
    ------
    ValueError
        For what `write` has not written, with the file's name and what is wrong: another file, another version of the
        format, one that is cut short or changed, or what ``check`` refuses.
    OSError
        Where there is no file, or it cannot be opened, in the system's own words.
    """
    path = as_path(path)
    if not stat.S_ISREG(path.stat().st_mode) and not path.is_dir():  # a folder says itself what it is
        raise ValueError(f"{path} is no regular file.")
    with path.open("rb") as file:
        try:
            return _read(file, os.fstat(file.fileno()).st_size, check)
        except ValueError as error:
            raise ValueError(f"{path} cannot be read: {error}") from None


def _read(file: BufferedReader, size: int, check) -> tuple[dict, dict[str, np.ndarray]]:
    member, text = _header(file)
    header, claims = _claims(text, size)
    if check is not None:
        check(header, claims)
    members, arrays = [member], {}
    for name, claim in claims.items():
        start = claim.start()
        local = file.read(_LOCAL.size + len(name) + len(".npy"))
        if file.read(len(start)) != start:
            _changed(f"before array {name!r}")
        array = np.empty(claim.shape, claim.dtype)
        flat = array.reshape(-1).view(np.uint8)
        if file.readinto(flat) != claim.size or hashlib.sha256(flat).hexdigest() != claim.sha256:
            _changed(f"in array {name!r}")
        members.append(_next(members[-1], name, claim, zlib.crc32(flat, zlib.crc32(start))))
        if local != members[-1].local():
            _changed(f"before array {name!r}")
        if claim.dtype == "|b1" and (flat > 1).any():
            raise ValueError(f"array {name!r} is of truth values, and holds others.")
        array.flags.writeable = False
        arrays[name] = array
    tail = _tail(members)
    if file.read(len(tail) + 1) != tail:
        _changed("at its end")
    return header, arrays


def _changed(where: str) -> NoReturn:
    raise ValueError(f"it was changed {where} after it was written.")


def _header(file: BufferedReader) -> tuple[_Member, bytes]:
    """Return the first member, and its content as it was written."""
    start = file.read(_LOCAL.size)
    if not start:
        raise ValueError("it is empty.")
    if not start.startswith(b"PK\3\4"):
        raise ValueError("it is no file of varprop's, nor a zip file.")
    if len(start) < _LOCAL.size:
        raise ValueError("it is cut short.")
    method, stored, length, name = (_LOCAL.unpack(start)[i] for i in (3, 7, 8, 9))
    name = file.read(min(name, 200))
    if name != HEADER.encode():
        raise ValueError(f"it is another zip file: it begins with {quote(name.decode('ascii', 'replace'))}.")
    if method or stored != length:
        raise ValueError(f"its {HEADER} is compressed, which varprop does not do.")
    if length > MOST_HEADER:
        raise ValueError(f"its {HEADER} would have {length:,} bytes; the most is {MOST_HEADER:,}.")
    text = file.read(length)
    if len(text) < length:
        raise ValueError("it is cut short.")
    member = _Member(name, zlib.crc32(text), length, 0)
    if start + name != member.local():
        _changed("in its header")
    return member, text


def _claims(text: bytes, size: int) -> tuple[dict, dict[str, Claim]]:
    """Return the caller's header, and what it says of arrays, which fill a file of ``size`` bytes."""
    try:
        found = strict_json.parsed(text.decode("ascii"))
    except ValueError as error:
        raise ValueError(f"of its {HEADER}, {error}") from None
    if not isinstance(found, dict):
        raise ValueError(f"its {HEADER} is of another format.")
    version = found.get("version")
    if found.get("format") != FORMAT or type(version) is not int:
        raise ValueError(f"its {HEADER} is of another format.")
    if version != VERSION:
        raise ValueError(f"it is of version {quote(version)} of the format; this varprop reads version {VERSION}.")
    if set(found) != _KEYS or not isinstance(found["header"], dict) or not isinstance(found["arrays"], list):
        raise ValueError(f"its {HEADER} has no header and arrays, or more than these.")
    if len(found["arrays"]) > MOST_ARRAYS:
        raise ValueError(f"it has {len(found['arrays']):,} arrays; the most is {MOST_ARRAYS:,}.")
    claims = {}
    for entry in found["arrays"]:
        name, claim = _claim(entry)
        if name in claims:
            raise ValueError(f"it has two arrays {name!r}.")
        claims[name] = claim
    length = _length(len(text), claims)
    if length != size:
        what = "is cut short, or claims what it does not hold" if size < length else "has more than it should"
        raise ValueError(f"it {what}: {size:,} bytes, not {length:,}.")
    return found["header"], claims


def _claim(entry) -> tuple[str, Claim]:
    """Return the name of an array and what is said of it."""
    if not isinstance(entry, dict) or set(entry) != {"name", *Claim._fields}:
        raise ValueError(f"it says {quote(entry)} of an array.")
    name, dtype, shape, digest = (entry[key] for key in ("name", *Claim._fields))
    fits = isinstance(name, str) and _NAME.fullmatch(name) and isinstance(digest, str)
    fits = fits and dtype in _DTYPES and isinstance(shape, list) and len(shape) <= _MOST_DIMENSIONS
    if not fits or any(type(n) is not int or not 0 <= n <= MOST for n in shape):
        raise ValueError(f"it says {quote(entry)} of an array.")
    return name, Claim(dtype, tuple(shape), digest)
