"""Compiler options shared by the kernels, and their disk cache."""

import functools
import hashlib
from pathlib import Path

from numba import config, njit

# contract lets the compiler fuse a*b + c; nothing here may assume that inf or NaN cannot occur.
_OPTIONS = {"nogil": True, "error_model": "numpy", "fastmath": {"contract"}}

# What kernels alone call has no way in from Python, which takes long to compile: a call from there would crash.
_INNER = {**_OPTIONS, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}

# Without forceinline LLVM keeps calls in the loops over lanes, which then stay scalar.
INLINE = {**_OPTIONS, "forceinline": True}

# For what has one or two callers: Numba copies the body, which is then optimised once and not once a level.
COPIED = {**_INNER, "inline": "always"}

# For functions that hold such a loop: one copy of each, called once a block, halves compilation. They allocate nothing,
# so that nobody counts references to their arrays: atomically, at each call, a third of the time of some kernels.
CALLED = {**_INNER, "_nrt": False}

# The same, for what allocates.
ALLOCATING = {**_INNER, "_nrt": True}

# The same, for what Python calls too.
OPEN = {**_OPTIONS, "_nrt": False}

# For sums over lanes, which a vector unit can only take in an order of its own: the same on one machine.
SUMMING = {**_OPTIONS, "fastmath": {"contract", "reassoc"}}


def cached(function, **options):
    """Compile ``function``, kept in numba's disk cache where there is a place to write one.

    Numba looks only at the file that holds the function, and would go on using machine code with
    an old version of a helper from another file inlined. So all kernels' sources are its stamp.
    """
    try:
        dispatcher = njit(**_OPTIONS, **options, no_cfunc_wrapper=True, cache=True)(function)
    except RuntimeError:  # numba found no writable cache folder: compile in each process instead
        return njit(**_OPTIONS, **options)(function)
    if hasattr(dispatcher, "_cache"):  # not with the compiler off
        dispatcher._cache._cache_file._source_stamp = source_stamp()
    return dispatcher


def sampler(function):
    """Compile a kernel as `cached` does; it allocates nothing, and works in the room that it is given."""
    return cached(function, _nrt=False)


class Direct:
    """A cached kernel that Python calls thousands of times: numba looks at the types of its arguments once.

    That look takes 3 µs a block of signals and 25 a record, where a kernel may take 10. Arrays in one place must always
    be contiguous, of one dtype and as many dimensions.
    """

    def __init__(self, function):
        self.kernel, self._entries = cached(function), {}
        functools.update_wrapper(self, function)

    def __call__(self, *arguments):
        kinds = tuple(map(type, arguments))
        call = self._entries.get(kinds)
        if call is None:
            self.kernel(*arguments)
            call = self.kernel
            if not config.DISABLE_JIT:
                signature = tuple(map(self.kernel.typeof_pyval, arguments))
                call = self.kernel.overloads[signature].entry_point
            self._entries[kinds] = call
        else:
            call(*arguments)


@functools.cache
def source_stamp() -> str:
    """Return a hash of every file in kernels/."""
    files = sorted(Path(__file__).parent.rglob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
