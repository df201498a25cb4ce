"""Activation functions: names, kernel codes, and what is known of each in closed form.

To add one, write a `Kind` and an entry in ``_BUILTIN`` here, a function and its block in ``kernels/activations.py`` and
in ``kernels/derivatives.py``, and its closed forms, if it has any, as a file of ``theory/gaussian/closed/``.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from functools import cache, cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from . import checks, formulas
from .checks import quote
from .names import choose
from .own import Own, check_derivative, name_of


class Kind(IntEnum):
    """Which activation: the code by which kernels choose it, and theory its closed forms."""

    CUSTOM = -1
    LINEAR = 0
    RELU = 1
    LEAKY_RELU = 2
    TANH = 3
    SIGMOID = 4
    ERF = 5
    GELU = 6
    SILU = 7
    ELU = 8
    SELU = 9
    SOFTPLUS = 10
    SIN = 11
    MISH = 12
    SOFTSIGN = 13
    HARDTANH = 14


CUSTOM = int(Kind.CUSTOM)


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
        The integer by which kernels choose it, a `Kind`; ``CUSTOM`` for a user's own function.
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
    kinks: tuple[float, ...] = ()
    slopes: tuple[float, float] | None = None

    def __post_init__(self):
        object.__setattr__(self, "code", int(self.code))  # which kernels take, and compile for
        if self.code == CUSTOM:  # made without `custom`
            for label in ("phi", "dphi"):
                function = getattr(self, label)
                if not (isinstance(function, Own) or (label == "dphi" and function is None)):
                    object.__setattr__(self, label, Own(function, label, self.name))

    @property
    def kind(self) -> Kind:
        """Which one it is; ``Kind.CUSTOM`` for a user's own function."""
        return Kind(self.code)

    @property
    def both_slopes(self) -> tuple[float, float]:
        """``slopes``, of a phi that is known to be positively homogeneous."""
        assert self.slopes is not None
        return self.slopes

    @property
    def slope(self) -> float:
        """The slope on negative numbers, where phi is positively homogeneous; else 0, which nobody reads."""
        return 0.0 if self.slopes is None else self.slopes[0]

    @cached_property
    def vanishes_at_zero(self) -> bool:
        """Whether phi(0) = 0, so that a vanishing signal keeps vanishing."""
        return float(self.phi(np.zeros(1))[0]) == 0.0

    @cached_property
    def unbounded(self) -> bool:
        """Whether phi grows without bound, so that a signal can explode."""
        try:
            with np.errstate(all="ignore"):
                return not bool(np.max(np.abs(self.phi(np.array([-1e8, 1e8])))) <= 1e4)
        except ValueError:  # a function of one's own that fails so far out
            return True

    def __str__(self) -> str:
        return self.name

    def __deepcopy__(self, memo):
        return self

    def __reduce__(self):
        """Pickle a built-in by name; a function of one's own as whatever it is."""
        if self.code == CUSTOM:
            fields = (self.name, self.phi, self.dphi, self.code, self.kinks, self.slopes)
            return Activation, fields
        return (leaky_relu, (self.slope,)) if self.kind is Kind.LEAKY_RELU else (activation, (self.name,))


ActivationLike = str | Activation | Callable[[Any], Any]  # what `activation` takes
_LEAST_SLOPE = 1e-12


def leaky_relu(slope: float = 0.01) -> Activation:
    """Return the leaky ReLU: z for z > 0, ``slope`` times z below.

    Raises TypeError if ``slope`` is not a number, ValueError unless it is 0 or from 1e-12 to 1e12 in size: what
    float32 can square beside 1.
    """
    slope = checks.real(slope, "slope of leaky_relu", " such as 0.01")
    if not (slope == 0 or _LEAST_SLOPE <= abs(slope) <= 1 / _LEAST_SLOPE):
        raise ValueError(f"slope of leaky_relu is {slope!r}; it must be 0, or from 1e-12 to 1e12 in size.")
    return _leaky_relu(slope)


@cache  # so that equal slopes are equal activations
def _leaky_relu(slope: float) -> Activation:
    return Activation(
        f"leaky_relu({slope:g})",
        lambda z: np.where(z > 0, z, slope * z),
        lambda z: np.where(z > 0, 1.0, slope),
        Kind.LEAKY_RELU,
        kinks=(0.0,),
        slopes=(slope, 1.0),
    )


_BUILTIN = {
    a.name: a
    for a in (
        Activation("linear", lambda z: z * 1.0, np.ones_like, Kind.LINEAR, slopes=(1.0, 1.0)),
        Activation(
            "relu",
            lambda z: np.maximum(z, 0.0),
            lambda z: np.where(z > 0, 1.0, 0.0),
            Kind.RELU,
            kinks=(0.0,),
            slopes=(0.0, 1.0),
        ),
        Activation("tanh", np.tanh, formulas.sech2, Kind.TANH),
        Activation("sigmoid", formulas.sigmoid, formulas.sigmoid_slope, Kind.SIGMOID),
        Activation("erf", formulas.erf, lambda z: 2 / math.sqrt(math.pi) * np.exp(-z * z), Kind.ERF),
        Activation("gelu", formulas.gelu, formulas.gelu_slope, Kind.GELU),
        Activation("silu", formulas.silu, formulas.silu_slope, Kind.SILU),
        Activation("elu", formulas.elu, formulas.elu_slope, Kind.ELU, kinks=(0.0,)),
        Activation("selu", formulas.selu, formulas.selu_slope, Kind.SELU, kinks=(0.0,)),
        Activation("softplus", formulas.softplus, formulas.sigmoid, Kind.SOFTPLUS),
        Activation("sin", np.sin, np.cos, Kind.SIN),
        Activation("mish", formulas.mish, formulas.mish_slope, Kind.MISH),
        Activation(
            "softsign", lambda z: z / (1 + np.abs(z)), lambda z: (1 + np.abs(z)) ** -2.0, Kind.SOFTSIGN, kinks=(0.0,)
        ),
        Activation(
            "hardtanh",
            lambda z: np.clip(z, -1.0, 1.0),
            lambda z: np.where(np.abs(z) < 1, 1.0, 0.0),
            Kind.HARDTANH,
            kinks=(-1.0, 1.0),
        ),
    )
}

NAMES = (*_BUILTIN, "leaky_relu")

_MOST_KINKS, _FARTHEST_KINK = 1000, 1e100

LEAKY = re.compile(r"leaky_relu(?:\((?P<slope>[^()]*)\))?")


def custom(
    phi: Callable[[Any], Any],
    dphi: Callable[[Any], Any] | None = None,
    *,
    name: str | None = None,
    kinks: ArrayLike = (),
) -> Activation:
    """Return an activation from a user's own function.

    Parameters
    ----------
    phi
        A function of one real number, or of an array: your own, or one such as ``np.tanh``. Simulation is
        fastest where Numba can compile it; any other it calls as it is.
    dphi
        Its derivative, where you have it. It is held against differences of ``phi``.
    name
        What tables call it; the function's own name by default.
    kinks
        Points where phi or its derivative jumps. Theory finds them, sooner when it is told.

    Raises
    ------
    TypeError
        If ``phi`` or ``dphi`` is not callable, or ``kinks`` are no real numbers.
    ValueError
        If ``phi`` or ``dphi`` returns NaN, or not one number for each number, or ``dphi`` is not the slope of
        ``phi``. The message quotes the point.
    """
    name = str(name or name_of(phi))
    own = Own(phi, "phi", name)
    slope = None if dphi is None else Own(dphi, "dphi", name)
    if slope is not None:
        check_derivative(own, slope)
    return Activation(name, own, slope, kinks=_checked_kinks(kinks))


def _checked_kinks(kinks) -> tuple[float, ...]:
    given = np.atleast_1d(np.asarray(kinks))
    words = f"kinks is {quote(given.tolist())}; give the points where phi bends, such as [0, 6]"
    if given.size and given.dtype.kind not in "iuf":
        raise TypeError(f"{words}.")
    if given.ndim != 1 or len(given) > _MOST_KINKS or not (np.abs(given) <= _FARTHEST_KINK).all():
        raise ValueError(f"{words}: at most {_MOST_KINKS:,}, none beyond {_FARTHEST_KINK:g}.")
    return tuple(np.unique(given.astype(np.float64)).tolist())


def activation(spec: ActivationLike) -> Activation:
    """Return the activation named by ``spec``: a name, an `Activation`, or a function.

    ``"leaky_relu(0.2)"`` is a name too. Raises ValueError for an unknown name, TypeError for
    anything else.
    """
    if isinstance(spec, Activation):
        return spec
    if isinstance(spec, str):
        match = LEAKY.fullmatch(spec.strip().lower())
        if match:
            return _leaky_from_text(spec, match["slope"])
        return _BUILTIN[choose(spec, NAMES, "unknown activation {}", kind="activation")]
    if hasattr(spec, "named_parameters"):
        raise TypeError(
            f"activation is {quote(spec)}, a module of PyTorch; give the name of one of ours, or a function."
        )
    if callable(spec) and not isinstance(spec, type):
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
        number = float(slope)
    except ValueError:
        number = math.nan
    if math.isfinite(number):
        return leaky_relu(number)
    raise ValueError(f"slope in {quote(spec)} is not a finite number; write for example leaky_relu(0.2).")
