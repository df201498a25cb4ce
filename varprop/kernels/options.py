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
def specialise(kernel, phi, dphi, mixed):
    """Return ``kernel`` with the user's ``phi``, and ``dphi`` if it has one, in place of `activations.custom`.

    The same source is compiled once more with other globals, since numba has no cheaper way to
    put a function in a loop. Not kept on disk. Built-in activations are compiled in only where
    ``mixed`` asks for them: they take 10 s. Raises CompilationError if phi does not compile.
    """
    from . import activations, derivatives

    others = (activations.activate, derivatives.derive) if mixed else (activations.linear, derivatives.constant)
    changed = {"activate": njit(**CALLED)(_with(activations.activate_custom, custom=_compiled(phi), linear=others[0]))}
    if dphi is not None:
        derive = _with(derivatives.derive_custom, custom=_compiled(dphi), constant=others[1])
        changed["derive"] = njit(**CALLED)(derive)
    return _rebuilt(kernel, changed)


def _compiled(function):
    compiled = function if hasattr(function, "py_func") else njit(**INLINE)(_plain(function))
    if hasattr(compiled, "compile"):  # not with the compiler off
        compiled.compile((float64,))
    return compiled


def _plain(function):
    """Return ``function`` as a plain one, which njit needs: np.tanh, math.tanh and abs are none."""
    return function if isinstance(function, FunctionType) else lambda z: function(z)


def _rebuilt(kernel, changed):
    """Return ``kernel`` with the functions ``changed`` (name to function) wherever it or what it calls uses them."""
    source = _source(kernel)
    called = {}
    for name in source.__code__.co_names:
        value = source.__globals__.get(name)
        if name in changed:
            called[name] = changed[name]
        elif isinstance(_source(value), FunctionType) and _source(value).__module__.startswith(__package__):
            new = _rebuilt(value, changed)
            if new is not value:
                called[name] = new
    return njit(**CALLED)(_with(kernel, **called)) if called else kernel


def _source(kernel):
    return getattr(kernel, "py_func", kernel)  # with the compiler off a kernel is its own source


def _with(kernel, **changed):
    source = _source(kernel)
    return FunctionType(source.__code__, {**source.__globals__, **changed}, source.__name__)
