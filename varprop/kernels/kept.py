"""Machine code of a user's own functions, found on disk by what they are made of.

Numba's cache looks for a function in the file that defines it, and would not see that a number it reads from elsewhere
has changed. So a function is known here by a fingerprint of all that its machine code depends on: its bytecode, its
constants, what it encloses, and the globals that it reads, functions among them. One that reads what has no fingerprint
is compiled in each process.
"""

import dis
import hashlib
import math
from collections.abc import Callable
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType

import numpy as np
from numba import __version__ as numba_version
from numba import cfunc
from numba.core.caching import FunctionCache
from numba.core.ccallback import CFunc

from .options import source_stamp

MOST = 100  # functions that are kept; then all are forgotten
_KNOWN = (math, np)  # modules whose functions are always the same
_PLAIN = (bool, int, float, complex, str, bytes, type(None), type(Ellipsis))


class _NoFingerprintError(Exception):
    """What a function reads may be anything."""


def fingerprint(function: Callable) -> str | None:
    """Return a hash of all that ``function`` depends on, or None where that cannot be told."""
    try:
        parts = _parts(function, ())
    except _NoFingerprintError:
        return None
    return hashlib.sha256(repr((numba_version, np.__version__, parts)).encode()).hexdigest()


def _parts(value, within: tuple):
    """Return what ``value`` is made of, as tuples of text and bytes; ``within`` are the functions that it is in."""
    if isinstance(value, _PLAIN):
        return type(value).__name__, repr(value)
    if isinstance(value, tuple | frozenset):
        members = value if isinstance(value, tuple) else sorted(value, key=repr)
        return type(value).__name__, *(_parts(x, within) for x in members)
    if isinstance(value, np.ndarray | np.generic) and not value.dtype.hasobject:
        return "array", str(value.dtype), value.shape, value.tobytes()
    if isinstance(value, np.ufunc) and getattr(np, value.__name__, None) is value:
        return "ufunc", value.__name__
    if isinstance(value, BuiltinFunctionType) and isinstance(value.__self__, ModuleType):
        return "builtin", value.__self__.__name__, value.__name__
    if isinstance(value, ModuleType) and value in _KNOWN:
        return "module", value.__name__
    if isinstance(value, CodeType):
        return _of_code(value, within)
    if hasattr(value, "py_func"):  # compiled by the user
        return "compiled", repr(sorted(value.targetoptions.items())), _parts(value.py_func, within)
    if isinstance(value, FunctionType):
        return _of_function(value, within)
    raise _NoFingerprintError


def _of_function(function: FunctionType, within: tuple):
    if function in within:  # it calls itself
        return "again", within.index(function)
    within = (*within, function)
    try:
        enclosed = tuple(cell.cell_contents for cell in function.__closure__ or ())
    except ValueError:  # not yet set
        raise _NoFingerprintError from None
    read = [(name, function.__globals__[name]) for name in _globals(function.__code__) if name in function.__globals__]
    more = enclosed, function.__defaults__, tuple(sorted((function.__kwdefaults__ or {}).items())), tuple(read)
    return "function", _of_code(function.__code__, within), _parts(more, within)


def _of_code(code: CodeType, within: tuple):
    names = code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars
    counts = code.co_argcount, code.co_kwonlyargcount, code.co_posonlyargcount, code.co_flags
    return "code", code.co_code, names, counts, tuple(_parts(x, within) for x in code.co_consts)


def _globals(code: CodeType) -> list[str]:
    """Return the names of globals that are read, in functions within too."""
    found = {step.argval for step in dis.get_instructions(code) if step.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            found.update(_globals(constant))
    return sorted(found)


class _Disk(FunctionCache):
    """Numba's cache of one C function, where a fingerprint is the key and all of kernels/ the stamp."""

    def __init__(self, function: Callable, key: str):
        super().__init__(function)
        self._key, self._cache_file._source_stamp = key, source_stamp()

    def _index_key(self, signature, codegen):
        return signature, codegen.magic_tuple(), self._key

    def load_overload(self, signature, target_context):
        try:
            return super().load_overload(signature, target_context)
        except Exception:  # what the user had compiled came from a module that is gone, or the file is damaged: anew
            return None

    def save_overload(self, signature, data):
        if len(self._cache_file._load_index()) >= MOST:
            self.flush()
        super().save_overload(signature, data)


def c_function(signature, function: Callable, key: str | None) -> CFunc:
    """Return ``function`` compiled as a C function, from disk where its ``key`` is there; None is not kept."""
    if key is not None:
        try:
            found = CFunc(function, (signature.args, signature.return_type), locals={}, options={})
            found._cache = _Disk(function, key)
        except Exception:  # no folder to write to, or another Numba: compile in each process
            key = None
        else:
            found.compile()
    return cfunc(signature)(function) if key is None else found
