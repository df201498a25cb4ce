"""The phase diagram: where networks are ordered and where chaotic, over a grid of weights and biases."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ...activations import ActivationLike
from ...activations import activation as as_activation
from ...exported import Exported
from ...tables import phase_diagram_text
from .fixed_points import ERRORS, NUMBERS, positive, settle
from .rates import depth, phases


@dataclass(frozen=True, eq=False)
class PhaseDiagram(Exported):
    """`fixed_point` over a grid: every array but the two axes has shape (gains_squared, bias_variances).

    Attributes
    ----------
    activation, start
        What was asked.
    gains_squared, bias_variances
        The axes.
    variance, chi, chi_variance, stable, correlation, correlation_slope
        As in `FixedPoint`.
    variance_depth, correlation_depth, gradient_depth
        As in `FixedPoint`, in layers.
    variance_error, chi_error, chi_variance_error, correlation_error, correlation_slope_error
        Bounds on the errors of what they name.
    """

    activation: str
    start: float
    gains_squared: np.ndarray
    bias_variances: np.ndarray
    variance: np.ndarray
    chi: np.ndarray
    chi_variance: np.ndarray
    stable: np.ndarray
    correlation: np.ndarray
    correlation_slope: np.ndarray
    variance_depth: np.ndarray
    correlation_depth: np.ndarray
    gradient_depth: np.ndarray
    variance_error: np.ndarray
    chi_error: np.ndarray
    chi_variance_error: np.ndarray
    correlation_error: np.ndarray
    correlation_slope_error: np.ndarray

    @property
    def phase(self) -> np.ndarray:
        """``"ordered"``, ``"critical"`` or ``"chaotic"``, by chi; ``"unknown"`` where its error hides which."""
        return np.array(phases(self.chi, self.chi_error))

    def __str__(self) -> str:
        return phase_diagram_text(self)

    def _fields(self) -> dict:
        return {**super()._fields(), "phase": self.phase}

    def _columns(self) -> dict:
        gains, biases = np.meshgrid(self.gains_squared, self.bias_variances, indexing="ij")
        axes = {"gain_squared": gains.ravel(), "bias_variance": biases.ravel()}
        grids = {name: value for name, value in self._fields().items() if np.shape(value) == gains.shape}
        return {**axes, **{name: value.ravel() for name, value in grids.items()}}


def phase_diagram(
    activation: ActivationLike, gains_squared: ArrayLike, bias_variances: ArrayLike, *, start: float = 1.0
) -> PhaseDiagram:
    """Return `fixed_point` at every pair of a gain_squared and a bias_variance.

    Parameters
    ----------
    activation
        A name, an `Activation`, or a function.
    gains_squared
        fan_in Var(W), positive; shape (G,).
    bias_variances
        Variances of the biases, zero or positive; shape (B,).
    start
        Variance of the first preactivation; 1 by default.

    Notes
    -----
    Each number has its error, as in `fixed_point`.

    Raises
    ------
    TypeError, ValueError
        As `fixed_point`, or for an axis that is empty or not one-dimensional.

    Sources
    -------
    Poole et al., NIPS 2016.
    """
    phi = as_activation(activation)
    s, b = _axis(gains_squared, "gains_squared"), _axis(bias_variances, "bias_variances", zero=True)
    start = positive(start, "start")
    at = settle(phi, np.repeat(s, len(b)), np.tile(b, len(s)), start)
    found = {name: at[name].reshape(len(s), len(b)) for name in ("stable", *NUMBERS, *ERRORS)}
    for name, slope in (("variance", "chi_variance"), ("correlation", "correlation_slope"), ("gradient", "chi")):
        found[f"{name}_depth"] = depth(found[slope])
    for array in (s, b, *found.values()):
        array.flags.writeable = False
    return PhaseDiagram(str(phi), start, s, b, **found)


def _axis(values, name: str, *, zero: bool = False) -> np.ndarray:
    values = np.asarray(values)
    if values.ndim != 1 or not len(values):
        raise ValueError(f"{name} has shape {values.shape}; give a list of numbers.")
    return np.array([positive(v, f"an entry of {name}", zero=zero) for v in values.tolist()])
