"""A user's own function, as machine code or Python that any kernel calls by its address, a block at a time.

So a kernel is compiled once for all functions. Numba compiles what it can, in a second or less, and finds it on disk
the next time; the rest is called back in Python, a block of GROUP numbers a call, which a function of arrays hardly
feels.
"""

import ctypes
import functools
import warnings
from collections.abc import Callable
from types import FunctionType

import numpy as np
from numba import config, njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from . import GROUP
from .kept import c_function, fingerprint
from .options import ALLOCATING, INLINE

_C_TYPE = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)
_NUMBERS = ctypes.c_double * GROUP
# Blocks of numbers at which machine code must give what Python does: of growing size for phi and phi'; for weights
# distances from either end of (0, 1), those from 1 negative.
PROBES = tuple(np.linspace(-(10.0**k), 10.0**k, GROUP) for k in range(4))
_DISTANCES = np.geomspace(2.0**-65, 0.4999, GROUP // 2)
SIDES = (np.concatenate([_DISTANCES, -_DISTANCES]),)
BELOW_ONE = 1 - 2.0**-53


class Block:
    """``function`` on blocks of GROUP numbers, for as long as this object lives.

    Parameters
    ----------
    function
        Takes a float64 array and returns one of its shape, as `own.Own` does. What it raises is kept in ``error``.
    source
        The user's function of one number, which is compiled where it can be; None to call ``function`` always.
    probes
        Where machine code must agree with ``function``; of the first block with no exception.

    Attributes
    ----------
    code
        Minus the address, which kernels take for a layer's integer code.
    error
        The first exception that ``function`` ended in; its block is then NaN.
    """

    def __init__(self, function: Callable, source: Callable | None, probes=PROBES):
        self.function, self.error = function, None
        self._kept = None if source is None or config.DISABLE_JIT else _compiled(source)
        if self._kept is None or not self._agrees(self._kept.address, probes):
            self._kept = _C_TYPE(self._call)
            self.code = -ctypes.cast(self._kept, ctypes.c_void_p).value
        else:
            self.code = -self._kept.address

    def _call(self, x, y):
        """Set the GROUP numbers at ``y`` from those at ``x``. Nothing may be raised into machine code."""
        out = np.frombuffer(_NUMBERS.from_address(y))
        try:
            out[:] = self.function(np.frombuffer(_NUMBERS.from_address(x)))
        except BaseException as error:
            self.error = self.error or error
            out[:] = np.nan

    def _agrees(self, address: int, probes) -> bool:
        """Return whether machine code gives what Python does, or a limit where Python gives no number."""
        x, y = np.empty(GROUP), np.empty(GROUP)
        for k, probe in enumerate(probes):
            x[:] = probe
            _from_python(address, x.ctypes.data, y.ctypes.data)
            try:
                wanted = self.function(x)
            except Exception:
                return k > 0
            with np.errstate(all="ignore"):
                if not np.allclose(y, wanted, rtol=1e-6, atol=1e-9, equal_nan=True):
                    return False
        return True


@functools.lru_cache(maxsize=16)
def _compiled(source: Callable):
    """Return ``source`` as a C function of two addresses, or None if Numba cannot compile it.

    Numba gives no machine code back: each function keeps 1.2 MB.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return _machine_code(source)
        except Exception:  # of many kinds, and no fault: it is called in Python
            return None


def _machine_code(source: Callable):
    phi = source if hasattr(source, "py_func") else njit(**INLINE)(_plain(source))

    def run(x, y):
        for b in range(GROUP):
            try:
                y[b] = phi(x[b])
            except Exception:
                y[b] = np.nan

    numbers = types.CPointer(types.float64)
    return c_function(types.void(numbers, numbers), run, fingerprint(source))


def weights_block(quantile: Callable, source: Callable, *, symmetric: bool) -> Block:
    """Return the `Block` that makes weights of distances from either end of (0, 1), those from 1 negative.

    ``quantile`` takes float64 arrays; ``source`` is the user's own, of one number. The upper half of a ``symmetric``
    law mirrors the lower, whose tail has all digits.
    """

    def weights(x):
        far = np.abs(x)
        if symmetric:
            return np.copysign(1.0, x) * quantile(far)
        return quantile(np.where(x > 0, far, np.minimum(1 - far, BELOW_ONE)))

    return Block(weights, _two_sided(source, symmetric), SIDES)


@functools.lru_cache(maxsize=16)
def _two_sided(source: Callable, symmetric: bool) -> Callable:
    """Return ``source``, a quantile function, as one of distances from either end."""
    quantile = source if hasattr(source, "py_func") else njit(**INLINE)(_plain(source))
    if symmetric:
        return njit(**INLINE)(lambda x: quantile(x) if x > 0.0 else -quantile(-x))
    return njit(**INLINE)(lambda x: quantile(x) if x > 0.0 else quantile(min(1.0 + x, BELOW_ONE)))


def _plain(function: Callable) -> Callable:
    """Return ``function`` as a plain one, which njit needs: np.tanh, math.tanh and abs are none.

    It counts as one of this module, which machine code that is found on disk imports: the user's own may be gone by
    then, or do who knows what when it is imported.
    """
    if not isinstance(function, FunctionType):
        return lambda z: function(z)
    code, names, name, defaults = function.__code__, function.__globals__, function.__name__, function.__defaults__
    plain = FunctionType(code, names, name, defaults, function.__closure__)
    plain.__kwdefaults__, plain.__module__ = function.__kwdefaults__, __name__
    return plain


def _from_python(address: int, x: int, y: int) -> None:
    _C_TYPE(int(address))(x, y)


@intrinsic
def _from_machine_code(context, address, x, y):
    def generate(context, builder, signature, arguments):
        from llvmlite import ir

        kind = ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t, cgutils.voidptr_t])
        function, *pointers = (
            builder.inttoptr(value, as_type)
            for value, as_type in zip(arguments, (kind.as_pointer(), *kind.args), strict=True)
        )
        builder.call(function, pointers)
        return context.get_dummy_value()

    return types.void(types.intp, types.intp, types.intp), generate


_call = _from_python if config.DISABLE_JIT else _from_machine_code


@njit(**ALLOCATING)
def call_block(code, x, out):
    """Set ``out`` (GROUP,) to the function with this ``code`` at ``x`` (GROUP,), both float64."""
    _call(-code, x.ctypes.data, out.ctypes.data)


@njit(**ALLOCATING)
def apply(code, scale, z, out):
    """Set ``out`` (GROUP,), float64, to the user's own function with this ``code`` of scale z."""
    x = np.empty(GROUP)
    for b in range(GROUP):
        x[b] = np.float64(scale[b]) * np.float64(z[b])
    _call(-code, x.ctypes.data, out.ctypes.data)
