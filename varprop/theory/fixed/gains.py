"""Gains: the square root of fan_in Var(W) that keeps the signal, the gradient, or both."""

import math
from dataclasses import dataclass

import numpy as np

from ... import checks
from ...activations import CUSTOM, Activation, ActivationLike, Kind
from ...activations import activation as as_activation
from ...frameworks import calculate_gain
from ...tables import Tabular, gains_columns, gains_parts, torch_note
from ..gaussian.derivative_moment import derivative_moment
from ..gaussian.expectations import second_moment
from .edge import CriticalPoint, critical
from .fixed_points import FixedPoint, fixed_point, positive

_EPS = np.finfo(float).eps


def gain(activation: ActivationLike, q: float = 1.0) -> float:
    """Return the gain that keeps the variance of a preactivation at ``q``.

    gain^2 E[phi(sqrt(q) Z)^2] = q: weights of variance gain^2 / fan_in and no bias, at infinite width.

    Parameters
    ----------
    activation
        A name, an `Activation`, or a function.
    q
        The variance to keep; 1 by default.

    Notes
    -----
    Whether q is then stable is another matter. The error, about 1e-14 for built-in activations, is in `gains`.

    Raises
    ------
    TypeError, ValueError
        For an unknown activation, a q that is not positive and finite, or an activation that is 0
        almost everywhere, or whose E phi^2 has an error as large as itself.

    Sources
    -------
    Poole et al., NIPS 2016. This is not torch's ``calculate_gain``, which is a convention for tanh and selu.

    Examples
    --------
    >>> from varprop import theory
    >>> print(f"{theory.gain('relu'):.4f}, {theory.gain('tanh'):.4f}")
    1.4142, 1.5925
    """
    return _forward(as_activation(activation), checks.positive(q, "q"))[0]


def _forward(phi: Activation, q: float) -> tuple[float, float]:
    """Return the gain that keeps the variance, and its error."""
    kept, error = (float(x) for x in second_moment(phi, np.float64(q)))
    if kept == 0:
        raise ValueError(f"E[phi^2] of {phi} is 0 at q = {q!r}; no gain keeps the variance there.")
    if error >= kept:
        raise ValueError(
            f"E[phi^2] of {phi} at q = {q!r} is {kept:.3g} with an error of {error:.2g}: the gain is not known."
        )
    return _gain(kept / q, error / q)


def _gain(moment: float, error: float) -> tuple[float, float]:
    """Return 1 / sqrt(moment) and its error."""
    gain = math.sqrt(1 / moment)
    return gain, gain * (error / moment / 2 + 2 * _EPS)


@dataclass(frozen=True)
class Gains(Tabular):
    """The gains of one activation; each is the square root of fan_in Var(W), without biases.

    Attributes
    ----------
    activation, q
        What was asked.
    forward
        Keeps the variance at ``q``.
    backward
        Keeps the variance of gradients where the preactivations' is ``q``: gain^2 E phi'^2 = 1. None
        where phi' is 0.
    critical
        The gain of the edge of chaos without biases: both at once, at a variance of its own. The
        first stable point, else the first; None where there is none.
    critical_point
        That point, with its variance and whether it is stable.
    torch
        PyTorch's ``calculate_gain`` for this name, None where it has none.
    torch_point
        Where that gain leads.
    forward_error, backward_error, critical_error
        Bounds on the errors of the three; infinite where ``backward`` is None since it cannot be told.
    """

    activation: str
    q: float
    forward: float
    backward: float | None
    critical: float | None
    critical_point: CriticalPoint | None
    torch: float | None
    torch_point: FixedPoint | None
    forward_error: float = 0.0
    backward_error: float = 0.0
    critical_error: float = 0.0

    @property
    def torch_note(self) -> str:
        """Whether and why PyTorch's gain differs, in a sentence."""
        return torch_note(self)

    def _parts(self) -> list:
        return gains_parts(self)

    def _fields(self) -> dict:
        return {**super()._fields(), "torch_note": self.torch_note}

    def _columns(self) -> dict:
        return gains_columns(self)


def gains(activation: ActivationLike, q: float = 1.0) -> Gains:
    """Return the gains that keep the signal, the gradient, or both, and PyTorch's beside them.

    Forward: gain^2 E phi^2 = q. Backward: gain^2 E phi'^2 = 1. Critical: both, at a variance of its own.

    Parameters
    ----------
    activation
        A name, an `Activation`, or a function.
    q
        The variance at which forward and backward are asked; 1 by default.

    Notes
    -----
    At infinite width and without biases. Errors are about 1e-13 for built-in activations.

    Raises
    ------
    TypeError, ValueError
        As `gain`, and for a q beyond 1e-30 to 1e25.

    Sources
    -------
    PyTorch: torch.nn.init.calculate_gain. Critical: Poole et al., NIPS 2016.
    """
    phi = as_activation(activation)
    q = positive(q, "q")
    forward, forward_error = _forward(phi, q)
    slope, error = (float(x) for x in derivative_moment(phi, np.float64(q)))
    backward, backward_error = _gain(slope, error) if slope > error else (None, math.inf if error else 0.0)
    branches = critical(phi, 0.0)
    point = next((p for p in branches if p.stable), branches[0] if len(branches) else None)
    torch = torch_gain(phi)
    return Gains(
        str(phi),
        q,
        forward,
        backward,
        None if point is None else point.gain,
        point,
        torch,
        None if torch is None else fixed_point(phi, torch**2, start=q),
        forward_error,
        backward_error,
        0.0 if point is None else point.gain_error,
    )


def torch_gain(activation: Activation) -> float | None:
    """Return PyTorch's ``calculate_gain`` for an activation of this name; None where it has none."""
    if activation.kind is Kind.LEAKY_RELU:
        return calculate_gain("leaky_relu", activation.slope)
    return None if activation.code == CUSTOM else calculate_gain(activation.name)
