"""A user's own function, at the border: numbers in, numbers out, or one error that names it and the point."""

import functools
import math
import pickle
import types
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import scipy

from .checks import one_line, quote

_FAR = np.geomspace(1e-3, 1e8, 2000)


@dataclass(frozen=True)
class Own:
    """A function of one's own, which takes float64 arrays of any shape and returns float64 arrays of that shape.

    Parameters
    ----------
    function
        What the user gave: a function of one number, or of an array.
    label
        ``"phi"`` or ``"dphi"``.
    name
        What tables call the activation.
    """

    OF: ClassVar[str] = "activation"
    EVERYWHERE: ClassVar[str] = "everywhere"
    PROBE: ClassVar[np.ndarray] = np.array([-2.0, -0.5, 0.0, 0.5, 2.0])
    SEARCHED: ClassVar[np.ndarray] = np.concatenate([[0.0], np.outer(_FAR, [1, -1]).ravel()])  # for no number
    CURE: ClassVar[str] = "it must be a finite number wherever the signal goes. Bound it there, or use smaller weights."

    function: Callable
    label: str
    name: str

    def __post_init__(self):
        if not callable(self.function):
            raise TypeError(f"{self.label} is {quote(self.function)}; give a function of one number.")
        values = self(self.PROBE)
        if np.isnan(values).any():
            raise ValueError(f"{self.label} gives {values} at {self.PROBE}; it must be a number {self.EVERYWHERE}.")

    def __call__(self, z) -> np.ndarray:
        """Return the values at ``z``. Raises ValueError if the function fails, or gives no real number for a number."""
        z = np.asarray(z, dtype=np.float64)
        with np.errstate(all="ignore"):
            try:
                return self._values(z, self._way)
            except Exception:  # it fails somewhere: see where
                return np.array([self._at(x) for x in z.ravel()]).reshape(z.shape)

    @functools.cached_property
    def _way(self) -> str:
        """How arrays go through the function: ``"whole"``, ``"whole, by NumPy"`` for `math`, or ``"one by one"``."""
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                alone = self._values(self.PROBE, "one by one")
            except Exception:  # it may take nothing but arrays
                alone = None
            for way in ("whole", "whole, by NumPy"):
                try:
                    values = self._values(self.PROBE, way)
                except Exception:  # whatever a function of numbers says to an array
                    continue
                if alone is None or np.allclose(values, alone, rtol=1e-12, atol=1e-15, equal_nan=True):
                    return way
        return "one by one"

    def _values(self, z: Any, way: str) -> Any:
        if way == "one by one":
            return _numbers([self.function(x) for x in z.ravel()], (z.size,)).reshape(z.shape)
        return _numbers((self.function if way == "whole" else _by_numpy(self.function))(z.copy()), z.shape)

    def _at(self, x: float) -> float:
        """Return the value at ``x``; where `math` overflows, what NumPy makes of infinity."""
        try:
            if self._way != "one by one":
                return self._values(np.array([x]), self._way)[0]
            try:
                return self._values(x, self._way)
            except OverflowError:
                return float(_numbers(_by_numpy(self.function)(x), ()))
        except Exception as error:
            if "Tensor" in str(error):
                cure = "takes PyTorch's tensors alone; give the name of one of ours, or a function of numbers."
                raise ValueError(f"{self} {cure}") from error
            point = f"fails at {x:g}: {one_line(error)}; it must be a real number {self.EVERYWHERE}."
            raise ValueError(f"{self} {point}") from error

    def __str__(self) -> str:
        return f"{self.label} of {self.OF} {quote(self.name)}"

    def __hash__(self) -> int:
        try:
            return hash((self.function, self.label, self.name))
        except TypeError:  # a callable object without a hash
            return hash((type(self.function), self.label, self.name))

    def __deepcopy__(self, memo):
        return self

    def __reduce__(self):
        return type(self), (_portable(self.function, f"{self.OF} {self.name!r}"), self.label, self.name)


class OwnQuantile(Own):
    """A quantile function of one's own: u between 0 and 1 to the weight below which a share u of all weights lie."""

    OF = "weight law"
    EVERYWHERE = "for every u between 0 and 1"
    PROBE = np.array([1e-9, 0.1, 0.375, 0.5, 0.9])
    SEARCHED = np.concatenate([np.geomspace(2.0**-65, 0.5, 2000), 1 - np.geomspace(2.0**-53, 0.5, 2000)])
    CURE = "it must be a finite number for every u between 0 and 1."


def _numbers(values, shape: tuple[int, ...]) -> np.ndarray:
    """Return ``values`` as float64. Raises TypeError unless they are real, ValueError unless there is one for each."""
    values = np.asarray(values)
    if values.dtype.kind not in "biuf":
        raise TypeError(f"it gives {values.dtype} numbers")
    if values.shape != shape:
        raise ValueError(f"it turns shape {shape} into {values.shape}")
    return values.astype(np.float64, copy=False)


def _by_numpy(function: Callable) -> Callable:
    """Return a plain function with NumPy's functions in place of those of `math`. Raises TypeError for another."""
    if not isinstance(function, types.FunctionType):
        raise TypeError("no plain function")
    space = types.SimpleNamespace(**{name: _swapped(value) for name, value in vars(math).items()})

    def seen(value):
        return space if value is math else _swapped(value)

    known = {name: seen(value) for name, value in function.__globals__.items()}
    closure = tuple(types.CellType(seen(cell.cell_contents)) for cell in function.__closure__ or ()) or None
    new = types.FunctionType(function.__code__, known, function.__name__, function.__defaults__, closure)
    new.__kwdefaults__ = function.__kwdefaults__
    return new


def _swapped(value):
    return _in_numpy().get(value, value) if isinstance(value, types.BuiltinFunctionType) else value


@functools.cache
def _in_numpy() -> dict[Callable, Callable]:
    """What `math` has and NumPy has too, for arrays, and with infinity where `math` raises OverflowError."""
    shared = [name for name in dir(math) if isinstance(getattr(np, name, None), np.ufunc)]
    others = {math.erf: scipy.special.erf, math.erfc: scipy.special.erfc, math.pow: np.power}
    return {getattr(math, name): getattr(np, name) for name in shared} | others


class _ByValue:
    """A function that has no name to be found by, pickled as what it is."""

    def __init__(self, function: Callable):
        self.function = function

    def __reduce__(self):
        import cloudpickle

        return pickle.loads, (cloudpickle.dumps(self.function),)


def _portable(function: Callable, whose: str):
    """Return what pickles to ``function``: itself where it can be found by its name, else its code by cloudpickle."""
    try:
        pickle.dumps(function)
    except Exception:
        try:
            import cloudpickle  # noqa: F401
        except ImportError:
            raise pickle.PicklingError(
                f"{whose} has no name that pickle could find it by; "
                "define its function at the top of a module, or install cloudpickle."
            ) from None
        return _ByValue(function)
    return function


def check_derivative(phi: Own, dphi: Own) -> None:
    """Raise ValueError where ``dphi`` is not the slope of ``phi``, at points where differences of phi settle."""
    z = np.array([-19.3, -7.7, *np.linspace(-4.13, 4.17, 43), 8.9, 17.1])
    slopes = []
    with np.errstate(all="ignore"):
        for h in (1e-4, np.sqrt(0.1) * 1e-4, 1e-5 / np.sqrt(3.0)):  # no wave is a whole number of turns in all of them
            above, here, below = phi(z + h), phi(z), phi(z - h)
            slopes += [(above - here) / h, (here - below) / h, (above - below) / (2 * h)]
        low, high = np.min(slopes, axis=0), np.max(slopes, axis=0)
        given, best = dphi(z), slopes[-1]
        spread = high - low  # far from 0 at a kink, a jump, a step, or where phi is steep
        if (here == here.astype(np.float32)).all():  # it counts in float32
            spread += np.spacing(np.abs(here).astype(np.float32)) / h
        size = np.maximum(np.abs(best), 1e-3 * np.nanmax(np.abs(best)))
        wrong = (spread < 0.05 * size) & ~(np.abs(given - best) <= 1e-3 * size + 2 * spread)
    if wrong.any():
        first = np.flatnonzero(wrong)[np.argmin(np.abs(z[wrong]))]
        raise ValueError(
            f"dphi is {given[first]:.6g} at {z[first]:.4g}, where the slope of {phi.name} is {best[first]:.6g}; "
            "give its derivative, or none."
        )


def name_of(function: Callable) -> str:
    """Return what a function of one's own is called: its name, that of what it wraps, or its class's."""
    while isinstance(function, functools.partial):
        function = function.func
    return str(getattr(function, "__name__", None) or type(function).__name__)
