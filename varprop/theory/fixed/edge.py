"""The edge of chaos: weights and biases at which gradients neither vanish nor explode."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ...activations import CUSTOM, Activation, ActivationLike
from ...activations import activation as as_activation
from ...exported import columns_of
from ...tables import Tabular, critical_parts, no_edge, no_edge_of_homogeneous, no_edge_of_zero, no_edge_without_slope
from ..gaussian.derivative_moment import derivative_moment
from ..gaussian.expectations import power_means, second_moment
from .fixed_points import positive
from .rates import Rated, depth
from .scan import SMALLEST, Curve, curve, roots
from .variance_map import SAME, moved, root_error, slope_at

_EPS = np.finfo(float).eps


@dataclass(frozen=True)
class CriticalPoint(Rated):
    """One point where chi is 1 at a fixed point of the variance.

    Attributes
    ----------
    gain_squared
        fan_in Var(W).
    variance
        The fixed point q*; 0 where it is the limit of small signals, NaN for ``every_variance``.
    chi_variance
        Slope of the variance map there: below 1 the variance settles, above 1 it leaves.
    variance_depth
        -1 / ln chi_variance, in layers.
    stable
        Whether q* attracts variances from both sides.
    every_variance
        Whether every variance is a fixed point.
    gain_squared_error, variance_error, chi_variance_error
        Bounds on the errors of what they name.
    """

    gain_squared: float
    variance: float
    chi_variance: float
    variance_depth: float
    stable: bool
    every_variance: bool = False
    gain_squared_error: float = 0.0
    variance_error: float = 0.0
    chi_variance_error: float = 0.0

    @property
    def gain(self) -> float:
        """The square root of gain_squared."""
        return math.sqrt(self.gain_squared)

    @property
    def gain_error(self) -> float:
        """Bound on the error of the gain."""
        return self.gain_squared_error / self.gain / 2


@dataclass(frozen=True)
class Critical(Tabular):
    """The edge of chaos at one variance of the biases: a sequence of `CriticalPoint`, by ascending q*.

    Attributes
    ----------
    activation, bias_variance
        What was asked.
    points
        Every branch; empty where there is none.
    reason
        Why there is none, in words; empty where there is one.
    """

    activation: str
    bias_variance: float
    points: tuple[CriticalPoint, ...]
    reason: str = ""

    def __len__(self) -> int:
        return len(self.points)

    def __iter__(self) -> Iterator[CriticalPoint]:
        return iter(self.points)

    def __getitem__(self, index) -> CriticalPoint:
        return self.points[index]

    def _parts(self) -> list:
        return critical_parts(self)

    def _columns(self) -> dict:
        return {
            **columns_of(self.points, CriticalPoint),
            **{name: [getattr(point, name) for point in self.points] for name in ("gain", "gain_error")},
        }


def critical(activation: ActivationLike, bias_variance: float = 0.0) -> Critical:
    """Return every point of the edge of chaos at one variance of the biases.

    gain_squared E phi'^2 = 1 at a fixed point q = gain_squared E phi^2 + bias_variance: for each q
    gain_squared = 1 / E phi'^2 and bias_variance = q - E phi^2 / E phi'^2, solved for q.

    Parameters
    ----------
    activation
        A name, an `Activation`, or a function.
    bias_variance
        Variance of the biases, zero or positive.

    Notes
    -----
    Looked for between q = 1e-30 and 1e30, and at q = 0. Each number has its error: about 1e-12 for built-in
    activations, or the square root of that where two branches meet. Whether ``fixed_point`` comes to q* from where you
    start is another matter: at a point that is not stable it does not.

    Raises
    ------
    TypeError, ValueError
        For an unknown activation, or a bias_variance that is negative or beyond 1e-30 to 1e25.

    Sources
    -------
    Poole et al., NIPS 2016; Schoenholz et al., ICLR 2017. The half-stable points of gelu and silu:
    Roberts, Yaida and Hanin, The Principles of Deep Learning Theory, 2022, chapter 5.

    Examples
    --------
    >>> from varprop import theory
    >>> (point,) = theory.critical("tanh", bias_variance=0.05)
    >>> print(f"gain_squared {point.gain_squared:.4f}, q* = {point.variance:.4f}")
    gain_squared 1.7610, q* = 0.5700
    """
    phi = as_activation(activation)
    b = positive(bias_variance, "bias_variance", zero=True)
    if phi.slopes is not None:
        return _homogeneous(phi, b)
    known = curve(phi)
    derivative, error = known.derivative
    live = np.isfinite(error)
    if not live.any():
        return Critical(str(phi), b, (), no_edge_without_slope(phi, unknown=known.derivative[0].max() > 0))
    q = known.q[live]
    values = _excess(q, known.second[live], derivative[live], b)
    noise = _noise(known.second_error[live] + error[live], values, b / q)

    def excess(t, b):
        q = np.exp(t)
        return _excess(q, second_moment(phi, q)[0], derivative_moment(phi, q)[0], b)

    found = roots(excess, np.log(q), values[None], noise[None], (np.array([b]),))
    points = _at_zero(phi, known) if b == 0 and _starts(phi) else []
    points += [_point(phi, t, excess, b) for t in found.t]
    return Critical(str(phi), b, tuple(points), "" if points else _reason(phi, known, live, b))


def _noise(relative, excess, biases):
    """Return the error of an excess, from the relative error of the quotient in it; ``biases`` is b/q."""
    return 2 * relative * np.abs(1 - excess - biases) + 32 * _EPS * (1 + np.abs(1 - excess))


def _excess(q, second, derivative, b):
    """1 - (E phi^2 + b E phi'^2) / (q E phi'^2): what q leaves for the biases beyond b, relative to q."""
    return np.maximum(1 - second / derivative / q - b / q, -1e6)


def _homogeneous(phi: Activation, b: float) -> Critical:
    """chi is the same at every variance, and the signal keeps its variance where chi is 1."""
    p1, _ = power_means(phi.both_slopes)
    if p1 == 0:
        return Critical(str(phi), b, (), no_edge_of_zero(phi))
    if b == 0:
        return Critical(str(phi), b, (CriticalPoint(1 / p1, np.nan, 1.0, np.inf, False, True),))
    return Critical(str(phi), b, (), no_edge_of_homogeneous(p1))


def _starts(phi: Activation) -> bool:
    return float(second_moment(phi, 0.0)[0]) == 0


def _at_zero(phi: Activation, known: Curve) -> list[CriticalPoint]:
    """The limit of small signals, where phi is as good as linear on either side of 0."""
    slope, error = (float(x) for x in derivative_moment(phi, SMALLEST))
    if abs(known.slope[0] - 1) > 1e-6 + known.slope_error[0] or slope <= error:
        return []
    growth = known.second / slope / known.q - 1
    seen = growth[np.abs(growth) > 4 * known.second_error + 64 * _EPS]
    stable = bool(len(seen) and seen[0] < 0)
    return [CriticalPoint(1 / slope, 0.0, 1.0, np.inf, stable, gain_squared_error=error / slope**2)]


def _point(phi: Activation, t: float, excess, b: float) -> CriticalPoint:
    q, step = np.exp([t]), 1e-5
    (second, second_error), (derivative, error) = (f(phi, q) for f in (second_moment, derivative_moment))
    noise = _noise(second_error / second + error / derivative, excess(t, b), b / q)
    steepness = (excess(t + step, b) - excess(t - step, b)) / (2 * step)
    shift = root_error(noise, steepness)

    def gain_squared(q):
        value, error = derivative_moment(phi, q)
        return 1 / value, error / value**2

    def chi_variance(q):
        return slope_at(phi, q, gain_squared(q)[0])

    (gain, gain_error), (slope, slope_error) = (moved(of, q, shift) for of in (gain_squared, chi_variance))
    chi, chi_error = float(slope[0]), float(slope_error[0] + abs(slope[0]) * gain_error[0] / gain[0])
    return CriticalPoint(
        float(gain[0]), float(q[0]), chi, float(depth(chi)), -1 < chi < 1 - SAME,
        gain_squared_error=float(gain_error[0]), variance_error=float(q[0] * np.expm1(shift[0])),
        chi_variance_error=chi_error,
    )  # fmt: skip


def _reason(phi: Activation, known: Curve, live, b: float) -> str:
    derivative, error = known.derivative
    q = known.q[live]
    biases = q - known.second[live] / derivative[live]
    biases[np.abs(biases) <= 4 * (known.second_error + error)[live] * q] = 0.0
    reach = None if known.complete else q[-1]
    blind = phi.code == CUSTOM and known.complete  # of a built-in one the limits at both ends are known
    return no_edge(phi, biases.min(), biases.max(), b, reach=reach, searched=(q[0], q[-1]) if blind else None)
