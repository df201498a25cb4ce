"""Where a deep network's variance and correlation settle, how fast, and what its gradients do there."""

import math
from dataclasses import dataclass, fields

import numpy as np

from ... import checks
from ...activations import Activation, ActivationLike
from ...activations import activation as as_activation
from ...tables import Tabular, fixed_point_parts
from ..gaussian import hermite
from ..gaussian.derivative_moment import derivative_moment
from ..gaussian.expectations import second_moment
from .rates import Rated, depth, phases
from .scan import LARGEST, SMALLEST, curve
from .variance_map import SAME, chi_at, fixed_points, reached


@dataclass(frozen=True)
class VariancePoint:
    """One fixed point of the variance map.

    Attributes
    ----------
    variance
        q*; 0 and infinity where the signal vanishes or explodes.
    chi
        gain_squared E phi'(sqrt(q*) Z)^2: what the variance of gradients is multiplied by in a layer.
    chi_variance
        Slope of the variance map.
    stable, half_stable
        Whether it attracts variances from both sides, or from one only.
    variance_error, chi_error, chi_variance_error
        Bounds on the errors of the three.
    """

    variance: float
    chi: float
    chi_variance: float
    stable: bool
    half_stable: bool = False
    variance_error: float = 0.0
    chi_error: float = 0.0
    chi_variance_error: float = 0.0


@dataclass(frozen=True)
class FixedPoint(Rated, Tabular):
    """Where iteration from ``start`` settles.

    The papers' letters: sigma_w^2 is gain_squared, sigma_b^2 bias_variance, q* variance, c* correlation,
    chi_1 chi, xi_q variance_depth, xi_c correlation_depth. A depth xi says that a deviation behaves as
    exp(-layers / xi): infinity is no exponential, a negative depth is growth.

    Attributes
    ----------
    activation, gain_squared, bias_variance, start
        What was asked.
    variance
        q*, which is 0 for a vanishing and infinity for an exploding signal.
    chi
        gain_squared E phi'^2 at q*: what the variance of gradients is multiplied by in a layer.
    chi_variance
        Slope of the variance map at q*.
    stable
        Whether q* attracts variances from both sides.
    phase
        ``"ordered"``, ``"critical"`` or ``"chaotic"``: chi below, at or above 1, to 1e-10; ``"unknown"`` where its
        error hides that.
    correlation
        c*, the stable fixed point of the correlation map: what the correlation of two inputs comes to
        from 0 to 1. NaN where each correlation is kept, as where phi is linear on the scale of q*.
    correlation_slope
        Slope of the correlation map there; chi where c* is 1 and q* is neither 0 nor infinity.
    variance_depth, correlation_depth, gradient_depth
        In layers, -1 / ln of chi_variance, correlation_slope and chi.
    every_variance
        Whether every variance is a fixed point, as for relu at gain_squared 2; then ``variance`` is ``start``.
    points
        Every fixed point of the variance map, in ascending order; infinity among them where it attracts.
    variance_error, chi_error, chi_variance_error, correlation_error, correlation_slope_error
        Bounds on the errors of what they name: of the quadrature behind them, and of q*'s own error.
    """

    activation: str
    gain_squared: float
    bias_variance: float
    start: float
    variance: float
    chi: float
    chi_variance: float
    stable: bool
    phase: str
    correlation: float
    correlation_slope: float
    variance_depth: float
    correlation_depth: float
    gradient_depth: float
    every_variance: bool
    points: tuple[VariancePoint, ...]
    variance_error: float = 0.0
    chi_error: float = 0.0
    chi_variance_error: float = 0.0
    correlation_error: float = 0.0
    correlation_slope_error: float = 0.0

    @property
    def others(self) -> tuple[VariancePoint, ...]:
        """The fixed points that were not reached."""
        return tuple(p for p in self.points if p.variance != self.variance)

    @property
    def signal(self) -> str:
        """``"settles"``, ``"vanishes"``, ``"explodes"`` or, where every variance is a fixed point, ``"is kept"``."""
        if self.every_variance:
            return "is kept"
        return {0.0: "vanishes", math.inf: "explodes"}.get(self.variance, "settles")

    def _parts(self) -> list:
        return fixed_point_parts(self)

    def _fields(self) -> dict:
        return {**super()._fields(), "signal": self.signal}


def fixed_point(
    activation: ActivationLike, gain_squared: float, bias_variance: float = 0.0, *, start: float = 1.0
) -> FixedPoint:
    """Return where variance and correlation settle in a deep network of infinite width.

    The variance map is V(q) = gain_squared E[phi(sqrt(q) Z)^2] + bias_variance; q* is what V, V(V), ...
    comes to from ``start``.

    Parameters
    ----------
    activation
        A name, an `Activation`, or a function.
    gain_squared
        fan_in Var(W), positive: 2 for He, 1 for LeCun.
    bias_variance
        Variance of the biases, zero or positive.
    start
        Variance of the first preactivation; 1 by default.

    Notes
    -----
    Each number has its error. For built-in activations these are about 1e-13, and 1e-10 for c*; where a slope
    is within e of 1 they are multiplied by 1 / e. Nothing is said of finite width. A fixed point is missed only
    if two are less than 1% apart.
    Where the signal vanishes or explodes, chi and the slopes are their limits. Between two given
    inputs whose variances are not yet at q*, the correlation behaves otherwise until they are.

    Raises
    ------
    TypeError, ValueError
        For an unknown activation, a gain_squared or start that is not positive, a negative
        bias_variance, or any beyond 1e-30 to 1e25.

    Sources
    -------
    Poole et al., NIPS 2016; Schoenholz et al., ICLR 2017.

    Examples
    --------
    >>> from varprop import theory
    >>> point = theory.fixed_point("tanh", gain_squared=(5 / 3) ** 2)
    >>> print(f"{point.phase}, q* = {point.variance:.4f}, chi = {point.chi:.4f}")
    chaotic, q* = 1.1785, chi = 1.2098
    """
    phi = as_activation(activation)
    s = positive(gain_squared, "gain_squared")
    b = positive(bias_variance, "bias_variance", zero=True)
    q = positive(start, "start")
    at = settle(phi, np.array([s]), np.array([b]), q)
    points = at["points"]
    listed = tuple(
        VariancePoint(**{f.name: getattr(points, f.name)[i].item() for f in fields(VariancePoint)})
        for i in range(len(points.variance))
    )
    values = {name: float(at[name][0]) for name in (*NUMBERS, *ERRORS)}
    return FixedPoint(
        str(phi), s, b, q, **values, stable=bool(at["stable"][0]), phase=phases(at["chi"], at["chi_error"])[0],
        variance_depth=float(depth(at["chi_variance"])[0]),
        correlation_depth=float(depth(at["correlation_slope"])[0]),
        gradient_depth=float(depth(at["chi"])[0]),
        every_variance=bool(at["every_variance"][0]), points=listed,
    )  # fmt: skip


def settle(activation: Activation, gain_squared: np.ndarray, bias_variance: np.ndarray, start: float) -> dict:
    """Return what `fixed_point` says for several maps at once: arrays (rows,), and all ``points``."""
    points, found = fixed_points(activation, gain_squared, bias_variance)
    index = reached(activation, points, found, gain_squared, bias_variance, start)
    known = index >= 0
    variance = np.full(len(index), start)
    variance[known] = points.variance[index[known]]
    at = {"points": points, "variance": variance, "every_variance": found.first == 0}
    at["stable"] = np.zeros(len(index), bool)
    grid = curve(activation).q
    q = np.clip(variance, grid[0], grid[-1])
    at["chi"], at["chi_error"] = chi_at(activation, q, gain_squared)
    at["chi_variance"], at["chi_variance_error"], at["variance_error"] = (
        np.full(len(index), x) for x in (1.0, 0.0, 0.0)
    )
    for name in ("stable", "chi", "chi_variance", "variance_error", "chi_error", "chi_variance_error"):
        at[name][known] = getattr(points, name)[index[known]]
    shift = at["variance_error"] / q
    found = _correlations(activation, q, gain_squared, bias_variance, shift)
    at.update(zip((*NUMBERS[3:], *ERRORS[3:]), found, strict=True))
    return at


NUMBERS = ("variance", "chi", "chi_variance", "correlation", "correlation_slope")
ERRORS = tuple(f"{name}_error" for name in NUMBERS)


def _correlations(activation, q, gain_squared, bias_variance, shift):
    """Return c*, the slope there, and their errors. By convexity c* is 1 where the slope at 1 is at most 1."""
    (second, second_error), (derivative, derivative_error) = (
        f(activation, q) for f in (second_moment, derivative_moment)
    )
    signal = gain_squared * second
    total = signal + bias_variance
    share = signal / np.where(total > 0, total, 1.0)
    degree = derivative * q / np.where(second > 0, second, 1.0)
    slope = share * degree
    relative = np.divide(second_error, second, out=np.zeros(len(q)), where=second > 0)
    off = 2 * (1 + slope) * shift + 4 * relative  # of R(c), for any c
    with np.errstate(invalid="ignore"):
        slope_error = share * q / np.where(second > 0, second, 1.0) * derivative_error + slope * off
    c, error = np.ones(len(q)), np.zeros(len(q))
    near = np.abs(slope - 1) <= np.maximum(slope_error, SAME)
    error[near] = 4 * np.maximum(slope_error, SAME)[near]
    chaotic = slope > 1 + SAME
    if chaotic.any():
        steepest = slope[chaotic]
        found = hermite.fixed_correlations(activation, q[chaotic], share[chaotic], degree[chaotic])
        c[chaotic], slope[chaotic], own = found
        with np.errstate(divide="ignore", invalid="ignore"):
            error[chaotic] = own + off[chaotic] / np.abs(1 - slope[chaotic])
            bend = (steepest - slope[chaotic]) / np.maximum(1 - c[chaotic], SAME)  # at most: the slope is convex
            slope_error[chaotic] += bend * error[chaotic]
    flat = np.flatnonzero(near)
    if len(flat):  # R(0) = 0 and R'(1) = 1 leave only R(c) = c
        mean = hermite.fractions(activation, q[flat], 1)[:, 0]
        c[flat[1 - share[flat] * (1 - mean) <= SAME]] = np.nan
    return c, slope, np.where(np.isnan(c), np.nan, np.minimum(error, 1.0)), slope_error


def positive(value, name: str, *, zero: bool = False) -> float:
    """Return ``value`` as a float; raise unless it is a positive number (or ``zero``) that can be mapped."""
    value = checks.positive(value, name, zero=zero)
    if value and not SMALLEST <= value <= LARGEST * 1e-5:
        raise ValueError(f"{name} is {value!r}; this is worked out between {SMALLEST:g} and {LARGEST * 1e-5:g} only.")
    return value
