"""The correlation map as a power series, and its stable fixed point.

At a variance q, E phi(U) phi(V) = sum_k h_k^2 c^k with h_k the Hermite coefficients of phi(sqrt(q) Z).
The map R(c) of a layer whose weights carry the ``share`` of V(q) is therefore convex on [0, 1] with
R(1) = 1: it has at most one fixed point below 1, and has one just where its slope at 1 passes 1.
"""

import dataclasses

import numpy as np

from ...activations import Activation
from .correlation_maps import product_moment, product_slope
from .derivative_moment import numerical_derivative
from .features import features
from .panels import REACH, panel_nodes, panels
from .quadrature import values

_TERMS = (64, 256, 1024)
_ORDERS = 16, 32  # on a panel of width 1, exact to rounding for He_k with k up to 256, and to 1024
_WANTED = 1e-10  # error in c beyond which the series is given up
_LAST = 1 - 1e-8  # beyond, 1 - c drowns in rounding
_NEWTON = 100


def fractions(activation: Activation, q: np.ndarray, terms: int) -> np.ndarray:
    """Return h_k^2 / E phi^2 for k < ``terms`` at each q: shape (len(q), terms). Their sum is at most 1."""
    order = _ORDERS[terms > 256]
    rows = np.argsort(q, kind="stable")
    scale, found = np.sqrt(q[rows]), np.empty((len(q), terms))
    for some, edges in panels(features(activation).within, scale, (order,)):
        found[rows[some]] = _fractions(activation, scale[some], *panel_nodes(edges, order), terms)
    return found


def _fractions(activation, scale, z, weights, terms):
    f = values(activation.phi, activation.name, scale[:, None] * z)
    size = np.abs(f).max(axis=1, keepdims=True)
    f = f / np.where(size > 0, size, 1.0)
    whole = (weights * f * f).sum(axis=1)
    found = np.empty((len(scale), terms))
    below, this = np.zeros_like(f), weights * f
    for k in range(terms):
        found[:, k] = this.sum(axis=1) ** 2
        below, this = this, (z * this - np.sqrt(k) * below) / np.sqrt(k + 1)
    return found / np.where(whole > 0, whole, 1.0)[:, None]


def fixed_correlations(activation: Activation, q, share, degree) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return c*, the slope of the correlation map there and c*'s error, where the map's slope at 1 is above 1.

    ``share`` is gain_squared E phi^2 / V and ``degree`` is q E phi'^2 / E phi^2 = sum_k k h_k^2 / E phi^2,
    all of shape (rows,). c* is what a correlation from 0 to 1 comes to. The error is that of this sum or
    quadrature; what c* owes to the errors of what is given is apart.
    """
    c, slope, error = np.empty(q.shape), np.empty(q.shape), np.full(q.shape, np.inf)
    left = np.flatnonzero(REACH * np.sqrt(q) <= features(activation).follow(REACH * np.sqrt(q.max(initial=0.0))))
    for terms in _TERMS:
        c[left], slope[left], error[left] = _by_series(activation, q[left], share[left], degree[left], terms)
        left = left[error[left] > _WANTED]
        if not len(left):
            break
    left = np.flatnonzero(error > _WANTED)
    if len(left):
        c[left], slope[left], error[left] = _by_plane(activation, q[left], share[left])
    return c, slope, error


def _by_series(activation, q, share, degree, terms):
    """R(c) = c is share sum_j T_j c^j = 1 with T_j = sum_{k > j} h_k^2 / E phi^2; sum_j T_j = ``degree``.

    That is increasing and convex, so that Newton's method comes down from 1 to the root. What is left
    out is at most c^terms times the T_j left out.
    """
    p = fractions(activation, q, terms)
    tails = np.maximum(1 - np.cumsum(p, axis=1), 0.0) * share[:, None]
    k = np.arange(terms)
    missing = np.maximum(share * degree - tails.sum(axis=1), 0.0)
    c = np.ones(len(q))
    for _ in range(_NEWTON):
        powers = c[:, None] ** k
        rise = (tails[:, 1:] * k[1:] * powers[:, :-1]).sum(axis=1)
        step = ((tails * powers).sum(axis=1) - 1) / np.where(rise > 0, rise, 1.0)
        c = np.clip(c - step, 0.0, 1.0)
        if (np.abs(step) <= 1e-15).all():
            break
    c[c < 1e-13] = 0.0
    powers = c[:, None] ** k
    slope = share * (p[:, 1:] * k[1:] * powers[:, :-1]).sum(axis=1)
    return c, slope, c**terms * missing / np.where(rise > 0, rise, 1.0) + c ** (terms - 1) * missing


def _by_plane(activation, q, share):
    """The same equation by quadrature in the plane, for kinks or large variances with c near 1."""
    from scipy.optimize import elementwise  # when it is used: it takes 0.1 s to import

    if activation.dphi is None:
        activation = dataclasses.replace(activation, dphi=numerical_derivative(activation))
    whole = product_moment(activation, q, q, 1.0)[0]

    def excess(c, q, share, whole):
        lost = 1 - product_moment(activation, q, q, c)[0] / whole
        return share * lost / (1 - c) - 1

    low, high = np.zeros(len(q)), np.full(len(q), _LAST)
    c = high.copy()
    inside = (excess(high, q, share, whole) > 0) & (excess(low, q, share, whole) < 0)
    args = tuple(a[inside] for a in (q, share, whole))
    c[inside] = elementwise.find_root(
        excess, (low[inside], high[inside]), args=args, tolerances={"xatol": 1e-13, "xrtol": 1e-13}
    ).x
    slope = share * q / whole * product_slope(activation, q, q, c)[0]
    off = share / whole * (product_moment(activation, q, q, c)[1] + product_moment(activation, q, q, 1.0)[1])
    with np.errstate(divide="ignore"):
        return c, slope, np.where(c == _LAST, 1 - _LAST, 0.0) + off / np.abs(1 - slope)
