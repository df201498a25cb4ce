"""The program: it runs a command, and whatever ends it becomes a line on stderr and an exit status."""

import contextlib
import dis
import os
import shlex
import sys
import tempfile
import traceback

from .. import __version__, simulate, spelling
from .commands import app
from .words import say

# Exit statuses beside those of `check` and `audit`; 69 and 70 are EX_UNAVAILABLE and EX_SOFTWARE of sysexits.h.
BAD, UNAVAILABLE, INTERNAL, INTERRUPTED, BROKEN_PIPE = 2, 69, 70, 130, 141
_OURS = __name__.partition(".")[0]


def main() -> None:
    """Run the command line; what goes wrong ends in a line on stderr and an exit status that means one thing."""
    for stream in (sys.stdout, sys.stderr):
        spelling.reassure(stream)
    try:
        app(prog_name="varprop")
    except BaseException as error:
        raise SystemExit(_status(error)) from None


def _status(error: BaseException) -> int:
    """Return the exit status for what ended the program, and say what there is to say."""
    chain = [error]
    while chain[-1].__context__ is not None:
        chain.append(chain[-1].__context__)
    if any(isinstance(cause, BrokenPipeError) for cause in chain):
        with contextlib.suppress(OSError, ValueError):  # or Python says so as it ends
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    if any(isinstance(cause, KeyboardInterrupt) for cause in chain):
        return INTERRUPTED
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else int(bool(error.code))
    if isinstance(error, MemoryError):
        say(f"not enough memory: {error or 'the network is too large'}.")
        return BAD
    if isinstance(error, simulate.ExecutorError):
        say(str(error))
        if error.checkpoint is not None:
            say(f"To go on, there or without --dask here: {shlex.join(['varprop', *sys.argv[1:]])}")
        return UNAVAILABLE
    if isinstance(error, OSError) or is_about_arguments(error):
        say(_words(error))
        return BAD
    say(f"internal error, {type(error).__name__}: {error}")
    say(f"This is a fault of varprop, not yours. Please report it with {_report(error)}.")
    return INTERNAL


def _words(error: BaseException) -> str:
    """Return what an error says; of one of the system's the file, and what is wrong with it."""
    if not (isinstance(error, OSError) and error.strerror):
        return str(error)
    return error.strerror if error.filename is None else f"cannot open {error.filename}: {error.strerror}."


def is_about_arguments(error: BaseException) -> bool:
    """Return whether varprop itself raised this ValueError or TypeError: it does so for what it was given alone.

    One that Python, NumPy or SciPy raised is a fault of varprop, which should have checked.
    """
    last = error.__traceback__
    if not isinstance(error, (ValueError, TypeError)) or last is None:
        return False
    while last.tb_next is not None:
        last = last.tb_next
    code = last.tb_frame.f_code.co_code
    ours = last.tb_frame.f_globals.get("__name__", "").partition(".")[0] == _OURS
    return ours and dis.opname[code[last.tb_lasti]] == "RAISE_VARARGS"


def _report(error: BaseException) -> str:
    """Return the name of a new file that holds the command and the traceback, or the traceback itself."""
    text = "".join([f"varprop {__version__}: {sys.argv}\n", *traceback.format_exception(error)])
    try:
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", errors="replace", prefix="varprop-", suffix=".txt", delete=False
        ) as file:
            file.write(text)
    except OSError:
        return f"this:\n{text}"
    return file.name
