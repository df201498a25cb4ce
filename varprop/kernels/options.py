"""Compiler options shared by the kernels, and how a kernel takes a user's own function."""

import functools
import hashlib
from pathlib import Path
from types import FunctionType

from numba import float64, njit
from numba.core.errors import NumbaError as CompilationError

__all__ = ["CALLED", "INLINE", "SUMMING", "CompilationError", "cached", "specialise"]

# contract lets the compiler fuse a*b + c; nothing here may assume that inf or NaN cannot occur.
_OPTIONS = {"nogil": True, "error_model": "numpy", "fastmath": {"contract"}}

# Without forceinline LLVM keeps calls in the loops over lanes, which then stay scalar.
INLINE = {**_OPTIONS, "forceinline": True}

# For functions that hold such a loop: one copy of each, called once a block, halves compilation.
CALLED = _OPTIONS

# For sums over lanes, which a vector unit can only take in an order of its own: the same on one machine.
SUMMING = {**_OPTIONS, "fastmath": {"contract", "reassoc"}}


def cached(function):
    """Compile ``function``, kept in numba's disk cache where there is a place to write one.

    Numba looks only at the file that holds the function, and would go on using machine code with
    an old version of a helper from another file inlined. So all kernels' sources are its stamp.
    """
    try:
        dispatcher = njit(**_OPTIONS, cache=True)(function)
    except RuntimeError:  # numba found no writable cache folder: compile in each process instead
        return njit(**_OPTIONS)(function)
    if hasattr(dispatcher, "_cache"):  # not with the compiler off
        dispatcher._cache._cache_file._source_stamp = source_stamp()
    return dispatcher


@functools.cache
def source_stamp() -> str:
    """Return a hash of every file in kernels/."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


@functools.lru_cache(maxsize=32)
def specialise(kernel, phi, mixed):
    """Return ``kernel`` with the user's ``phi`` in place of `activations.custom`.

    The same source is compiled once more with other globals, since numba has no cheaper way to
    put a function in a loop. Not kept on disk. Built-in activations are compiled in only where
    ``mixed`` asks for them: they take 10 s. Raises CompilationError if phi does not compile.
    """
    from . import activations

    compiled = phi if hasattr(phi, "py_func") else njit(**INLINE)(_plain(phi))
    if hasattr(compiled, "compile"):  # not with the compiler off
        compiled.compile((float64,))
    others = activations.activate if mixed else activations.linear
    activate = njit(**CALLED)(_with_globals(activations.activate_custom, custom=compiled, linear=others))
    return njit(**_OPTIONS)(_with_globals(kernel, activate=activate))


def _plain(phi):
    """Return ``phi`` as a plain function, which njit needs: np.tanh, math.tanh and abs are none."""
    return phi if isinstance(phi, FunctionType) else lambda z: phi(z)


def _with_globals(kernel, **changed):
    source = getattr(kernel, "py_func", kernel)  # with the compiler off a kernel is its own source
    return FunctionType(source.__code__, {**source.__globals__, **changed}, source.__name__)
