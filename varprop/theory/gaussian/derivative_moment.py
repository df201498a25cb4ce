"""Gaussian expectations of an activation's derivative: closed form where one is known, else quadrature."""

from functools import lru_cache

import numpy as np
from numpy.polynomial import chebyshev
from scipy import special

from ...activations import _SELU_ALPHA, _SELU_SCALE, CUSTOM, Activation
from . import quadrature
from .expectations import checked_variances, power_means
from .features import Features, features
from .panels import REACH, doubling

_EPS = np.finfo(float).eps
_NODES = 24  # on one panel


def derivative_moment(activation: Activation, q) -> tuple[np.ndarray, np.ndarray]:
    """Return E phi'(sqrt(q) Z)^2 and a bound on its error, both of the shape of ``q``; Z ~ N(0, 1).

    Parameters
    ----------
    activation
        phi, with ``dphi`` if you have it.
    q
        Variances, zero or positive, of any shape. At 0, where phi' jumps there, the limit from above.

    Notes
    -----
    Errors are rounding, and for quadrature also the difference of two rules. Without ``dphi``, phi is
    differentiated numerically between the places where it bends, and the error counts that too: near 1e-12
    for a smooth phi, infinite where phi waves too fast to be followed. A phi that jumps has no E phi'^2: what
    is counted is its derivative between the jumps.

    Raises
    ------
    ValueError
        If ``q`` is negative or not finite, or phi' gives NaN or infinity.

    Sources
    -------
    relu: Cho and Saul, NIPS 2009. Others: direct integration.
    """
    q = checked_variances(q)
    flat = q.ravel()
    formula = closed_form(activation)
    if formula is not None:
        values, errors = formula(flat)
    elif activation.dphi is not None:
        values, errors = _by_quadrature(activation.dphi, activation, features(activation, activation.dphi), flat)
    else:
        values, errors = _by_differences(activation, flat)
    return values.reshape(q.shape), errors.reshape(q.shape)


def _by_differences(activation: Activation, q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    look = features(activation)
    followed = REACH * np.sqrt(q) <= look.follow(REACH * np.sqrt(q.max(initial=0.0)))
    if not followed.all():  # beyond, phi' is anyone's guess
        values, errors = np.zeros(q.shape), np.full(q.shape, np.inf)
        if followed.any():
            values[followed], errors[followed] = _by_differences(activation, q[followed])
        return values, errors
    dphi, scale = numerical_derivative(activation), np.sqrt(np.maximum(q, 1e-300))
    values, errors = _by_quadrature(dphi, activation, look, q)
    rounding = 4 * _NODES**2 * _EPS * values  # differentiation amplifies it as nodes^2
    apart = 2 * np.sqrt(np.maximum(values, 0.0)) * dphi.off(scale)  # Cauchy and Schwarz
    return values, errors + rounding + apart + _misplaced(dphi, look, scale)


def _misplaced(dphi, look: Features, scale: np.ndarray) -> np.ndarray:
    """Return what E phi'^2 owes to places where phi' jumps, known to a part in 10^12, or is singular.

    Panels close in on a singular place; what lies between it and the last of them is not seen.
    """
    reach = REACH * scale.max(initial=0.0)
    points, breaks = look.points(reach), look.within(reach)
    if not len(points):
        return np.zeros(len(scale))
    gap = np.diff(np.concatenate([[-np.inf], breaks, [np.inf]]))
    at = np.searchsorted(breaks, points)
    gap = np.minimum(gap[at], gap[at + 1])
    known = np.abs(points) * 1e-12
    unseen = np.where(gap < 1e-9 * np.maximum(np.abs(points), 1e-6), gap, known)
    beside = np.maximum(unseen, np.abs(points) * 1e-9)
    jumps = np.abs(dphi(points + beside) ** 2 - dphi(points - beside) ** 2) * unseen
    z = points / scale[:, None]
    with np.errstate(under="ignore"):
        return np.exp(-0.5 * z * z) @ jumps / scale / np.sqrt(2 * np.pi)


def _by_quadrature(dphi, activation: Activation, look: Features, q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    q = np.maximum(q, 1e-300)  # 0 is the limit from above: phi' may jump there
    found, relative = quadrature.moments(dphi, f"{activation.name}'", look, q)
    with np.errstate(over="ignore", under="ignore"):
        return found[0], relative[0] * found[0]


class _Derivative:
    """phi' from values of phi alone, as a function of arrays.

    The line is cut at +-2^k/4 and where phi has its `features`. On the panel that holds x, phi is interpolated at
    Chebyshev points and the polynomial is differentiated: no difference of nearby values.
    """

    def __init__(self, activation: Activation):
        self._activation, self._points = activation, chebyshev.chebpts1(_NODES)
        self._inverse = np.linalg.inv(chebyshev.chebvander(self._points, _NODES - 1))
        self._breaks = np.zeros(1)

    def __call__(self, x):
        self._learn(np.abs(x).max(initial=0.25))
        panel = np.clip(np.searchsorted(self._breaks, x) - 1, 0, len(self._half) - 1)
        return chebyshev.chebval((x - self._centre[panel]) / self._half[panel], self._series[:, panel], tensor=False)

    def off(self, scale: np.ndarray) -> np.ndarray:
        """Return the root mean square over x = scale Z of what is left out, judged by the last terms."""
        self._learn(REACH * scale.max(initial=0.0))
        last = 2 * np.abs(self._series[-3:]).sum(axis=0)
        share = np.diff(special.ndtr(self._breaks / scale[:, None]), axis=1)
        width, z = 2 * self._half / scale[:, None], self._centre / scale[:, None]
        with np.errstate(under="ignore", over="ignore"):
            share = np.maximum(share, np.minimum(width, 1e-3) * np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi))
        return np.sqrt(share @ last**2)

    def _learn(self, reach: float) -> None:
        if reach <= self._breaks[-1]:
            return
        outward = doubling(max(int(np.ceil(np.log2(4 * reach))) + 1, 1))
        breaks = np.unique(np.concatenate([outward, features(self._activation).within(reach)]))
        self._centre, self._half = (breaks[1:] + breaks[:-1]) / 2, np.diff(breaks) / 2
        x = self._centre[:, None] + self._half[:, None] * self._points
        known = quadrature.values(self._activation.phi, self._activation.name, x)
        self._series = chebyshev.chebder(self._inverse @ known.T) / self._half
        self._breaks = breaks


@lru_cache(maxsize=8)
def numerical_derivative(activation: Activation) -> _Derivative:
    """Return phi' as a function of arrays, from values of phi alone."""
    return _Derivative(activation)


def closed_form(activation: Activation):
    """Return the formula of E phi'^2, or None where none is known; it gives values and error bounds."""
    if activation.slopes is not None:
        p1, _ = power_means(activation.slopes)
        return lambda q: (np.full(q.shape, p1), np.full(q.shape, 4 * _EPS * p1))
    formula = None if activation.code == CUSTOM else _CLOSED.get(activation.name)
    if formula is None:
        return None
    return lambda q: (formula(q), 12 * _EPS * formula(q))


def _gelu(q):
    """Four positive terms, so nothing cancels."""
    root = np.sqrt(1 + 2 * q)
    angle = np.arctan(q / root) / (2 * np.pi)  # asin(q / (1 + q))
    return 0.25 + angle + (q / (1 + q) / root + q / (1 + 2 * q) / root / 2) / np.pi


def _elu(q):
    """E phi'^2 below 0 is E[exp(2x); x < 0] = e^{2q} Phi(-2 sqrt q), by the scaled complement erfcx."""
    return 0.5 + 0.5 * special.erfcx(np.sqrt(2 * q))


def _selu(q):
    return _SELU_SCALE**2 * (0.5 + 0.5 * _SELU_ALPHA**2 * special.erfcx(np.sqrt(2 * q)))


def _hardtanh(q):
    return special.erf(1 / np.sqrt(2 * np.maximum(q, 1e-300)))


_CLOSED = {
    "erf": lambda q: 4 / np.pi / np.sqrt(1 + 4 * q),
    "sin": lambda q: (1 + np.exp(-2 * np.minimum(q, 1e3))) / 2,
    "gelu": _gelu,
    "elu": _elu,
    "selu": _selu,
    "hardtanh": _hardtanh,
}
