"""One writer of a file at a time, by locks that end with the process that holds them, however that ends."""

import contextlib
import errno
import hashlib
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

from . import asides

_ours: set[Path] = set()  # what this process writes to: a system's lock keeps other processes out, not its own threads
_guard = threading.Lock()
_TRIES = 100
_BUSY = (errno.EACCES, errno.EAGAIN)


@contextlib.contextmanager
def only_writer(path: Path) -> Iterator[None]:
    """Be the only one who writes to ``path`` in what follows, in this process or another.

    A file beside it, ``.NAME.DIGITS.lock``, is locked meanwhile, and taken away at the end. What a killed process left
    of it is no lock, and serves again. Where there are no locks (some file systems, Windows) that is said on stderr.

    Raises
    ------
    ValueError
        That names who else writes to it.
    """
    place = Path(os.path.realpath(path))
    with _guard:
        if place in _ours:
            raise _in_use(path, "another call in this process")
        _ours.add(place)
    try:
        beside = place.with_name(f".{place.name[:60]}.{hashlib.sha256(os.fsencode(place.name)).hexdigest()[:8]}.lock")
        file = _locked(beside, path)
        try:
            yield
        finally:
            if file is not None:
                with contextlib.suppress(OSError):
                    os.unlink(beside)  # while it is locked, or it might be another's
                os.close(file)
    finally:
        with _guard:
            _ours.remove(place)


def _locked(beside: Path, path: Path) -> int | None:
    """Return a locked file, or None where there are no locks, or no file can be: then writing will say why."""
    try:
        import fcntl
    except ImportError:  # Windows
        _say_none(path)
        return None
    for _ in range(_TRIES):
        try:
            file = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        except OSError:
            return None
        kept = False
        try:
            # Of a process, unlike flock's: workers that were forked off it, and outlive it, do not hold it.
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is(file, beside):  # whoever had it before may have taken it away
                kept = True
                with contextlib.suppress(OSError):  # a full disk
                    os.ftruncate(file, 0)
                    os.write(file, f"process {os.getpid()} on {socket.gethostname()}".encode())
                return file
        except OSError as error:
            if error.errno in _BUSY:
                raise _in_use(path, os.read(file, 300).decode(errors="replace") or "another process") from None
            with contextlib.suppress(OSError):
                os.unlink(beside)
            _say_none(path)
            return None
        finally:
            if not kept:
                os.close(file)
    return None


def _is(file: int, path: Path) -> bool:
    """Whether an open file is still the one of this name."""
    try:
        return os.path.samestat(os.fstat(file), os.stat(path))
    except FileNotFoundError:
        return False


def _say_none(path: Path) -> None:
    asides.say(f"varprop: there are no locks where {path} stands; see to it that no other run writes to it meanwhile.")


def _in_use(path: Path, who: str) -> ValueError:
    return ValueError(f"{path} is being written by {who}; wait until it has ended, or name another file.")
