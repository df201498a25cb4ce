"""Activations of PyTorch that are none of `varprop.activations`, by their parameters. Equal ones are one object.

Each is written with NumPy's functions of one number or an array, which Numba compiles too.
"""

import math
from functools import cache, reduce

import numpy as np

from ..activations import Activation, activation, custom, known_derivative
from ..checks import quote

_SQRT_2_PI = math.sqrt(2 / math.pi)
_LONGEST = 40  # characters of a composition's name


@cache
def elu(alpha: float) -> Activation:
    """z for z > 0, else alpha (exp(z) - 1)."""
    if alpha == 1:
        return activation("elu")
    return custom(
        lambda z: np.maximum(z, 0.0) + alpha * np.expm1(np.minimum(z, 0.0)),
        lambda z: (z > 0) + (z <= 0) * alpha * np.exp(np.minimum(z, 0.0)),
        name=f"elu({alpha:g})",
        kinks=[0],
    )


@cache
def celu(alpha: float) -> Activation:
    """z for z > 0, else alpha (exp(z / alpha) - 1)."""
    if alpha == 1:
        return activation("elu")
    return custom(
        lambda z: np.maximum(z, 0.0) + alpha * np.expm1(np.minimum(z, 0.0) / alpha),
        lambda z: np.exp(np.minimum(z, 0.0) / alpha),
        name=f"celu({alpha:g})",
        kinks=[0],
    )


@cache
def gelu_tanh() -> Activation:
    """GELU with approximate="tanh"; up to 5e-4 from the exact one."""

    def phi(z):
        return 0.5 * z * (1 + np.tanh(_SQRT_2_PI * (z + 0.044715 * z * z * z)))

    def dphi(z):
        t = np.tanh(_SQRT_2_PI * (z + 0.044715 * z * z * z))
        return 0.5 * (1 + t) + 0.5 * z * (1 - t * t) * _SQRT_2_PI * (1 + 0.134145 * z * z)

    return custom(phi, dphi, name="gelu_tanh")


@cache
def hardtanh(low: float, high: float) -> Activation:
    """z held between two numbers, which may be infinite."""
    names = {(-1, 1): "hardtanh", (0, math.inf): "relu", (-math.inf, math.inf): "linear"}
    if (low, high) in names:
        return activation(names[low, high])
    return custom(
        lambda z: np.minimum(np.maximum(z, low), high),
        lambda z: (z > low) * (z < high) * 1.0,
        name="relu6" if (low, high) == (0, 6) else f"hardtanh({low:g}, {high:g})",
        kinks=[x for x in (low, high) if math.isfinite(x)],
    )


@cache
def softplus(beta: float) -> Activation:
    """ln(1 + exp(beta z)) / beta."""
    if beta == 1:
        return activation("softplus")
    return custom(
        lambda z: np.logaddexp(0.0, beta * z) / beta,
        lambda z: 0.5 * (1 + np.tanh(0.5 * beta * z)),
        name=f"softplus({beta:g})",
    )


@cache
def softshrink(width: float) -> Activation:
    """z, nearer to 0 by ``width``."""
    return custom(
        lambda z: np.maximum(z - width, 0.0) + np.minimum(z + width, 0.0),
        lambda z: (z > width) + (z < -width) * 1.0,
        name=f"softshrink({width:g})",
        kinks=[-width, width],
    )


@cache
def hardsigmoid() -> Activation:
    """z / 6 + 1/2, held between 0 and 1."""
    return custom(
        lambda z: np.minimum(np.maximum(z / 6 + 0.5, 0.0), 1.0),
        lambda z: (z > -3) * (z < 3) / 6,
        name="hardsigmoid",
        kinks=[-3, 3],
    )


@cache
def hardswish() -> Activation:
    """z times `hardsigmoid`."""
    return custom(
        lambda z: z * np.minimum(np.maximum(z / 6 + 0.5, 0.0), 1.0),
        lambda z: (z >= 3) + (z > -3) * (z < 3) * (z / 3 + 0.5),
        name="hardswish",
        kinks=[-3, 3],
    )


@cache
def logsigmoid() -> Activation:
    """ln of sigmoid."""
    return custom(lambda z: -np.logaddexp(0.0, -z), lambda z: 0.5 * (1 - np.tanh(0.5 * z)), name="logsigmoid")


@cache
def tanhshrink() -> Activation:
    """z - tanh z."""
    return custom(lambda z: z - np.tanh(z), lambda z: np.tanh(z) ** 2, name="tanhshrink")


@cache
def cos() -> Activation:
    """cos z."""
    return custom(lambda z: np.cos(z), lambda z: -np.sin(z), name="cos")


@cache
def arctan() -> Activation:
    """arctan z."""
    return custom(lambda z: np.arctan(z), lambda z: 1 / (1 + z * z), name="arctan")


@cache
def power(exponent: int) -> Activation:
    """z to the power of a whole number from 2 on."""
    return custom(lambda z: z**exponent, lambda z: exponent * z ** (exponent - 1), name=f"power({exponent})")


@cache
def shift(by: float) -> Activation:
    """z plus a number."""
    return custom(lambda z: z + by, lambda z: 0.0 * z + 1.0, name=f"shift({by:g})")


@cache
def scale(by: float) -> Activation:
    """z times a number."""
    return custom(lambda z: by * z, lambda z: 0.0 * z + by, name=f"scale({by:g})")


@cache
def composed(parts: tuple[Activation, ...]) -> Activation:
    """One after the other."""

    def dphi(z):
        slope = 1.0
        for part in parts:
            slope, z = slope * known_derivative(part)(z), part.phi(z)
        return slope

    return _made(" then ".join(map(str, parts)), lambda z: reduce(lambda y, part: part.phi(y), parts, z), dphi)


@cache
def summed(first: Activation, second: Activation) -> Activation:
    """The sum of two, of the same z."""

    def dphi(z):
        return known_derivative(first)(z) + known_derivative(second)(z)

    return _made(f"{first} + {second}", lambda z: first.phi(z) + second.phi(z), dphi)


@cache
def multiplied(first: Activation, second: Activation) -> Activation:
    """The product of two, of the same z: z sigmoid(z) is silu."""
    linear = activation("linear")
    if {first, second} == {linear, activation("sigmoid")}:
        return activation("silu")
    if first == second == linear:
        return power(2)

    def dphi(z):
        return known_derivative(first)(z) * second.phi(z) + first.phi(z) * known_derivative(second)(z)

    return _made(f"{first} * {second}", lambda z: first.phi(z) * second.phi(z), dphi)


def _made(name: str, phi, dphi) -> Activation:
    return custom(phi, dphi, name=name if len(name) <= _LONGEST else quote(name)[1:_LONGEST] + "...")
