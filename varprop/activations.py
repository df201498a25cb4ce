"""Activation functions: names, kernel codes, and what is known of each in closed form.

To add one, write an entry in ``_BUILTIN`` here, its branch in ``kernels/activations.py`` and in
``kernels/derivatives.py``, and its closed forms, if it has any, in ``theory/gaussian/``.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache

import numpy as np
from scipy import special

from . import checks
from .checks import quote
from .names import choose

CUSTOM = -1

_SELU_SCALE = 1.0507009873554804934193349852946
_SELU_ALPHA = 1.6732632423543772848170429916717


@dataclass(frozen=True)
class Activation:
    """One activation function phi.

    Parameters
    ----------
    name
        What tables and messages call it.
    phi, dphi
        The function and its derivative, on float64 arrays of any shape. ``dphi`` may be None.
    code
        The integer by which kernels choose it; ``CUSTOM`` for a user's own function.
    slope
        Slope on negative numbers of a leaky ReLU; unused elsewhere.
    kinks
        Points where phi or one of its first derivatives jumps; quadrature splits there.
    slopes
        ``(phi'(-1), phi'(+1))`` where phi is positively homogeneous, phi(sz) = s phi(z) for s > 0,
        which makes exact finite-width theory possible; None elsewhere.
    """

    name: str
    phi: Callable[[np.ndarray], np.ndarray]
    dphi: Callable[[np.ndarray], np.ndarray] | None = None
    code: int = CUSTOM
    slope: float = 0.0
    kinks: tuple[float, ...] = ()
    slopes: tuple[float, float] | None = None

    @cached_property
    def vanishes_at_zero(self) -> bool:
        """Whether phi(0) = 0, so that a vanishing signal keeps vanishing."""
        return float(self.phi(np.zeros(1))[0]) == 0.0

    @cached_property
    def unbounded(self) -> bool:
        """Whether phi grows without bound, so that a signal can explode."""
        with np.errstate(over="ignore"):
            return bool(np.max(np.abs(self.phi(np.array([-1e8, 1e8])))) > 1e4)

    def __str__(self) -> str:
        return self.name

    def __reduce__(self):
        """Pickle a built-in by name; a function of one's own as whatever it is."""
        if self.code == CUSTOM:
            fields = (self.name, self.phi, self.dphi, self.code, self.slope, self.kinks, self.slopes)
            return Activation, fields
        return (leaky_relu, (self.slope,)) if self.code == _LEAKY_CODE else (activation, (self.name,))


_LEAKY_CODE = 2


def _sigmoid_slope(z):
    return special.expit(z) * special.expit(-z)


def _gelu_slope(z):
    return special.ndtr(z) + z * np.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)


def _silu_slope(z):
    return special.expit(z) + z * _sigmoid_slope(z)


def _softplus(z):
    return np.logaddexp(0.0, z)


def _mish(z):
    return z * np.tanh(_softplus(z))


def _mish_slope(z):
    t = np.tanh(_softplus(z))
    return t + z * (1 - t * t) * special.expit(z)


def _elu(z):
    return np.where(z > 0, z, np.expm1(np.minimum(z, 0.0)))


def _elu_slope(z):
    return np.where(z > 0, 1.0, np.exp(np.minimum(z, 0.0)))


def _selu(z):
    return _SELU_SCALE * np.where(z > 0, z, _SELU_ALPHA * np.expm1(np.minimum(z, 0.0)))


def _selu_slope(z):
    return _SELU_SCALE * np.where(z > 0, 1.0, _SELU_ALPHA * np.exp(np.minimum(z, 0.0)))


def _sech2(z):
    return 1.0 / np.cosh(np.clip(z, -350.0, 350.0)) ** 2


def leaky_relu(slope: float = 0.01) -> Activation:
    """Return the leaky ReLU: z for z > 0, ``slope`` times z below.

    Raises TypeError if ``slope`` is not a number, ValueError if it is not finite.
    """
    slope = checks.real(slope, "slope of leaky_relu", " such as 0.01")
    if not math.isfinite(slope):
        raise ValueError(f"slope of leaky_relu is {slope!r}; it must be finite.")
    return _leaky_relu(slope)


@cache  # so that equal slopes are equal activations
def _leaky_relu(slope: float) -> Activation:
    return Activation(
        f"leaky_relu({slope:g})",
        lambda z: np.where(z > 0, z, slope * z),
        lambda z: np.where(z > 0, 1.0, slope),
        code=_LEAKY_CODE,
        slope=slope,
        kinks=(0.0,),
        slopes=(slope, 1.0),
    )


_BUILTIN = {
    a.name: a
    for a in (
        Activation("linear", lambda z: z * 1.0, np.ones_like, 0, slopes=(1.0, 1.0)),
        Activation(
            "relu",
            lambda z: np.maximum(z, 0.0),
            lambda z: np.where(z > 0, 1.0, 0.0),
            1,
            kinks=(0.0,),
            slopes=(0.0, 1.0),
        ),
        Activation("tanh", np.tanh, _sech2, 3),
        Activation("sigmoid", special.expit, _sigmoid_slope, 4),
        Activation("erf", special.erf, lambda z: 2 / math.sqrt(math.pi) * np.exp(-z * z), 5),
        Activation("gelu", lambda z: z * special.ndtr(z), _gelu_slope, 6),
        Activation("silu", lambda z: z * special.expit(z), _silu_slope, 7),
        Activation("elu", _elu, _elu_slope, 8, kinks=(0.0,)),
        Activation("selu", _selu, _selu_slope, 9, kinks=(0.0,)),
        Activation("softplus", _softplus, special.expit, 10),
        Activation("sin", np.sin, np.cos, 11),
        Activation("mish", _mish, _mish_slope, 12),
        Activation("softsign", lambda z: z / (1 + np.abs(z)), lambda z: (1 + np.abs(z)) ** -2.0, 13, kinks=(0.0,)),
        Activation(
            "hardtanh",
            lambda z: np.clip(z, -1.0, 1.0),
            lambda z: np.where(np.abs(z) < 1, 1.0, 0.0),
            14,
            kinks=(-1.0, 1.0),
        ),
    )
}

NAMES = (*_BUILTIN, "leaky_relu")

_LEAKY = re.compile(r"leaky_relu(?:\((?P<slope>[^()]*)\))?")


def custom(phi: Callable, dphi: Callable | None = None, *, name: str | None = None, kinks=()) -> Activation:
    """Return an activation from a user's own function.

    Parameters
    ----------
    phi
        A function of one real number, or of an array: your own, or one such as ``np.tanh``. Numba
        must be able to compile it when it is given a number.
    dphi
        Its derivative, where you have it.
    name
        What tables call it; the function's own name by default.
    kinks
        Points where phi or its derivative jumps. Theory is far more accurate when it knows them.

    Raises
    ------
    TypeError
        If ``phi`` or ``dphi`` is not callable.
    ValueError
        If ``phi`` or ``dphi`` returns NaN, or not one number for each number.
    """
    name = str(name or getattr(phi, "__name__", "custom"))
    kinks = np.sort(np.atleast_1d(np.asarray(kinks, dtype=float)))
    if kinks.ndim != 1 or not np.isfinite(kinks).all():
        raise ValueError(f"kinks is {quote(kinks.tolist())}; give the points where phi bends, such as [0, 6].")
    return Activation(
        name,
        _vectorised(phi, "phi"),
        None if dphi is None else _vectorised(dphi, "dphi"),
        kinks=tuple(kinks.tolist()),
    )


def _vectorised(function: Callable, label: str) -> Callable:
    """Return ``function`` as one that takes arrays: itself if it can, else a loop over it."""
    if not callable(function):
        raise TypeError(f"{label} is {quote(function)}; give a function of one number.")
    probe = np.array([-2.0, -0.5, 0.0, 0.5, 2.0])
    try:
        values = np.asarray(function(probe), dtype=float)
        takes_arrays = values.shape == probe.shape
    except Exception:  # whatever a function of numbers says to an array
        takes_arrays = False
    if not takes_arrays:
        loop = _looped(function)
        try:
            function, values = loop, loop(probe)
        except Exception as error:
            raise ValueError(
                f"{label} fails at one of {probe}: {error}. It must be a real number everywhere."
            ) from error
    if np.isnan(values).any():
        raise ValueError(f"{label} gives {values} at {probe}; it must be a number everywhere.")
    return function


@lru_cache(maxsize=32)  # so that one function is one activation, however often it is named
def _looped(function: Callable) -> Callable:
    loop = np.vectorize(function, otypes=[float])
    loop.__wrapped__ = function
    return loop


def activation(spec: "str | Activation | Callable") -> Activation:
    """Return the activation named by ``spec``: a name, an `Activation`, or a function.

    ``"leaky_relu(0.2)"`` is a name too. Raises ValueError for an unknown name, TypeError for
    anything else.
    """
    if isinstance(spec, Activation):
        return spec
    if isinstance(spec, str):
        match = _LEAKY.fullmatch(spec.strip().lower())
        if match:
            return _leaky_from_text(spec, match["slope"])
        return _BUILTIN[choose(spec, NAMES, "unknown activation {}", kind="activation")]
    if callable(spec):
        return custom(spec)
    raise TypeError(f"activation is {quote(spec)}; give a name ({', '.join(NAMES)}), an Activation or a function.")


def known_derivative(activation: Activation) -> Callable:
    """Return phi'. Raises ValueError where the activation came without one."""
    if activation.dphi is None:
        raise ValueError(f"activation {activation} has no derivative; give one: custom_activation(phi, dphi=...).")
    return activation.dphi


def _leaky_from_text(spec: str, slope: str | None) -> Activation:
    if slope is None:
        return leaky_relu()
    try:
        return leaky_relu(float(slope))
    except ValueError:
        raise ValueError(f"slope in {quote(spec)} is not a finite number; write for example leaky_relu(0.2).") from None
