"""Gaussian expectations of an activation's derivative: closed form where one is known, else quadrature."""

from functools import lru_cache

import numpy as np
import scipy
from numpy.polynomial import chebyshev

from ...activations import Activation
from . import quadrature
from .closed import known
from .expectations import checked_variances
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
    formula = known(activation).slope
    if formula is not None:
        values, errors = formula(flat)
    else:
        dphi, look = derivative(activation)
        seen = followed(activation, flat)
        values, errors = np.zeros(flat.shape), np.full(flat.shape, np.inf)
        if seen.any():
            values[seen], errors[seen] = _by_quadrature(dphi, activation, look, flat[seen])
            errors[seen] += derivative_error(activation, flat[seen], values[seen])
    return values.reshape(q.shape), errors.reshape(q.shape)


def derivative(activation: Activation):
    """Return phi', by differences where it is not known, and its `Features`, which are then those of phi."""
    if activation.dphi is not None:
        return activation.dphi, features(activation, activation.dphi)
    return numerical_derivative(activation), features(activation)


def followed(activation: Activation, q: np.ndarray) -> np.ndarray:
    """Return for which ``q``, (R,), phi' is known as far out as it counts; where not, it is anyone's guess."""
    reach = REACH * np.sqrt(q)
    if activation.dphi is not None or not len(q):
        return np.ones(q.shape, dtype=bool)
    return reach <= features(activation).follow(reach.max())


def derivative_error(activation: Activation, q: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return what ``values`` of E phi'^2 at ``q``, (R,), owe to differences in place of phi'; 0 where it is known."""
    if activation.dphi is not None:
        return np.zeros(q.shape)
    dphi, look = derivative(activation)
    scale = np.sqrt(np.maximum(q, 1e-300))
    rounding = 4 * _NODES**2 * _EPS * values  # differentiation amplifies it as nodes^2
    apart = 2 * np.sqrt(np.maximum(values, 0.0)) * dphi.off(scale)  # Cauchy and Schwarz
    return rounding + apart + _misplaced(dphi, look, scale)


def _misplaced(dphi, look: Features, scale: np.ndarray) -> np.ndarray:
    """Return what E phi'^2 owes to places where phi' jumps, known to a part in 10^12, or is singular.

    Panels close in on a singular place; what lies between it and the last of them is not seen.
    """
    reach = REACH * scale.max()
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
        self._learn(REACH * scale.max())
        last = 2 * np.abs(self._series[-3:]).sum(axis=0)
        share = np.diff(scipy.special.ndtr(self._breaks / scale[:, None]), axis=1)
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
