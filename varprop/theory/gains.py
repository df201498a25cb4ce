"""Gains: the square root of fan_in Var(W) that keeps the signal, the gradient, or both."""

import math
from dataclasses import dataclass

import numpy as np

from .. import checks
from ..activations import CUSTOM, Activation
from ..activations import activation as as_activation
from ..tables import Tabular
from .edge import CriticalPoint, critical
from .fixed_points import FixedPoint, fixed_point, positive, precise
from .gaussian.derivative_moment import derivative_moment
from .gaussian.expectations import second_moment


def gain(activation, q: float = 1.0) -> float:
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
    Whether q is then stable is another matter. The error is that of a quadrature, about 1e-14.

    Raises
    ------
    TypeError, ValueError
        For an unknown activation, a q that is not positive and finite, or an activation that is 0
        almost everywhere.

    Sources
    -------
    Poole et al., NIPS 2016. This is not torch's ``calculate_gain``, which is a convention for tanh and selu.

    Examples
    --------
    >>> from varprop import theory
    >>> print(f"{theory.gain('relu'):.4f}, {theory.gain('tanh'):.4f}")
    1.4142, 1.5925
    """
    phi = as_activation(activation)
    q = checks.positive(q, "q")
    kept = float(second_moment(phi, np.float64(q))[0])
    if kept == 0:
        raise ValueError(f"E[phi^2] of {phi} is 0 at q = {q!r}; no gain keeps the variance there.")
    return math.sqrt(q / kept)


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
    """

    activation: str
    q: float
    forward: float
    backward: float | None
    critical: float | None
    critical_point: CriticalPoint | None
    torch: float | None
    torch_point: FixedPoint | None

    @property
    def torch_note(self) -> str:
        """Whether and why PyTorch's gain differs, in a sentence."""
        return _torch_note(self)

    def _parts(self) -> list:
        return _parts(self)


def gains(activation, q: float = 1.0) -> Gains:
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
    At infinite width and without biases. Errors are about 1e-13.

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
    forward = gain(phi, q)
    slope = float(derivative_moment(phi, np.float64(q))[0])
    branches = critical(phi, 0.0)
    point = next((p for p in branches if p.stable), branches[0] if len(branches) else None)
    torch = torch_gain(phi)
    return Gains(
        str(phi),
        q,
        forward,
        1 / math.sqrt(slope) if slope else None,
        None if point is None else math.sqrt(point.gain_squared),
        point,
        torch,
        None if torch is None else fixed_point(phi, torch**2, start=q),
    )


def torch_gain(activation: Activation) -> float | None:
    """Return PyTorch's ``calculate_gain`` for an activation of this name; None where it has none."""
    if activation.code == CUSTOM:
        return None
    if activation.name.startswith("leaky_relu"):
        return math.sqrt(2 / (1 + activation.slope**2))
    return {"linear": 1.0, "sigmoid": 1.0, "tanh": 5 / 3, "relu": math.sqrt(2), "selu": 0.75}.get(activation.name)


_CONVENTIONS = {"tanh": "5/3, a convention,", "selu": "3/4, a convention,", "sigmoid": "1, that of a linear layer,"}
_SAME = 1e-9  # relative difference below which two gains are one


def _torch_note(found: Gains) -> str:
    if found.torch is None:
        return f"PyTorch's calculate_gain does not know {found.activation}."
    point = found.torch_point
    same = [
        name
        for name in ("forward", "backward", "critical")
        if getattr(found, name) and math.isclose(found.torch, getattr(found, name), rel_tol=_SAME)
    ]
    if "forward" in same:
        return "PyTorch's calculate_gain is the forward gain."
    fate = f"the variance comes to {point.variance:.6g}" if point.signal == "settles" else f"the signal {point.signal}"
    which = f"the {same[0]} gain" if same else f"none of these: {_CONVENTIONS[found.activation]} is {_place(found)}"
    return (
        f"PyTorch's calculate_gain is {which}; with it {fate}, where each layer "
        f"multiplies the variance of gradients by χ = {point.chi:.6g} ({point.phase})."
    )


def _place(found: Gains) -> str:
    """Return where PyTorch's gain lies among those that keep the signal and the gradient."""
    gains = [gain for gain in (found.forward, found.backward) if gain is not None]
    if found.torch > max(gains):
        return "above those that keep either variance"
    if found.torch < min(gains):
        return "below those that keep either variance"
    return "between those that keep the two variances"


def _parts(found: Gains) -> list:
    rows = [
        _row("forward", found.forward, f"keeps the variance {found.q:g}"),
        _row("backward", found.backward, f"keeps the variance of gradients where the signal's is {found.q:g}"),
        _row("critical", found.critical, _where(found.critical_point)),
        _row("PyTorch", found.torch, "calculate_gain"),
    ]
    headers = ["", "gain", "gain_squared", "multiplier of he", ""]
    return [f"{found.activation}: gains without biases, infinite width", (headers, rows), found.torch_note]


def _where(point: CriticalPoint | None) -> str:
    if point is None:
        return "no edge of chaos without biases"
    if point.every_variance:
        return "keeps both, at every variance"
    return f"keeps both, at variance {point.variance:.6g}, which is {'stable' if point.stable else 'not stable'}"


def _row(name: str, value: float | None, words: str) -> list[str]:
    if value is None:
        return [name, "-", "-", "-", words]
    return [name, precise(value), precise(value**2), precise(value**2 / 2), words]
