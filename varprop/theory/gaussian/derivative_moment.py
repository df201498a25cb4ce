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
_NODES = (24, 20)  # on one panel


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
    differentiated numerically on panels between its kinks, and the error counts that too: near 1e-12
    for a smooth phi, large where a kink was not told. A phi that jumps has no E phi'^2: what is
    counted is its derivative between the jumps.

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
    fine, coarse = (numerical_derivative(activation, nodes) for nodes in _NODES)
    values, errors = _by_quadrature(fine, activation, look, q)
    apart, _ = _by_quadrature(lambda x: fine(x) - coarse(x), activation, look, q)
    rounding = 4 * _NODES[0] ** 2 * _EPS * values  # differentiation amplifies it as nodes^2
    errors = errors + rounding + 2 * np.sqrt(values * apart)  # Cauchy and Schwarz: signs cannot cancel
    errors += _misplaced(fine, look, np.sqrt(np.maximum(q, 1e-300)))
    return values, np.where(REACH * np.sqrt(q) > look.seen, np.inf, errors)


def _misplaced(dphi, look: Features, scale: np.ndarray) -> np.ndarray:
    """Return what E phi'^2 owes to the places where phi' jumps, which are known to a part in 10^12."""
    points = look.points(REACH * scale.max(initial=0.0))
    near = np.maximum(np.abs(points), 1e-9) * 1e-9
    jumps = np.abs(dphi(points + near) ** 2 - dphi(points - near) ** 2) if len(points) else points
    z = points / scale[:, None]
    with np.errstate(under="ignore"):
        return (np.exp(-0.5 * z * z) * np.abs(z)) @ jumps * 1e-12 / np.sqrt(2 * np.pi)


def _by_quadrature(dphi, activation: Activation, look: Features, q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    q = np.maximum(q, 1e-300)  # 0 is the limit from above: phi' may jump there
    found, relative = quadrature.moments(dphi, f"{activation.name}'", look, q)
    with np.errstate(over="ignore", under="ignore"):
        return found[0], relative[0] * found[0]


@lru_cache(maxsize=8)
def numerical_derivative(activation: Activation, nodes: int):
    """Return phi' as a function of arrays, from values of phi alone.

    The line is cut at +-2^k/4 and where phi has its `features`. On the panel that holds x, phi is interpolated at
    ``nodes`` Chebyshev points and the polynomial is differentiated: no difference of nearby values.
    """
    look, points = features(activation), chebyshev.chebpts1(nodes)
    inverse = np.linalg.inv(chebyshev.chebvander(points, nodes - 1))
    known = {"reach": 0.0}

    def learn(reach):
        breaks = np.unique(np.concatenate([doubling(max(int(np.ceil(np.log2(4 * reach))) + 1, 1)), look.within(reach)]))
        centre, half = (breaks[1:] + breaks[:-1]) / 2, np.diff(breaks) / 2
        f = quadrature.values(activation.phi, activation.name, centre[:, None] + half[:, None] * points)
        series = chebyshev.chebder(inverse @ f.T) / half
        known.update(reach=breaks[-1], breaks=breaks, centre=centre, half=half, series=series)

    def dphi(x):
        reach = np.abs(x).max(initial=0.25)
        if reach > known["reach"]:
            learn(reach)
        panel = np.clip(np.searchsorted(known["breaks"], x) - 1, 0, len(known["half"]) - 1)
        t = (x - known["centre"][panel]) / known["half"][panel]
        return chebyshev.chebval(t, known["series"][:, panel], tensor=False)

    return dphi


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
