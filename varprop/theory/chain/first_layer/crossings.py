"""A gradient that goes back through the first layer's weights, of two or three features: they are not independent of z.

Given the row x, E (sum_j W_ji delta_j)^2 over features i and units j needs, with w one unit's weights,
E phi'(z)^2 |w|^2 and the vector E phi'(z) phi(z) w. Of normal weights these follow from the law of z; here they are
integrals over every weight.
"""

from typing import NamedTuple

import numpy as np

from ....activations import Activation
from ....network import ChainLayer
from ....own_weights import OwnDistribution
from ....variance_scaling import EXTENT, fourth_cumulant
from ...gaussian.derivative_moment import derivative
from ...gaussian.panels import rule
from ...gaussian.quadrature import values
from .densities import DEVIATION

_ORDERS = {2: (32, 48), 3: (12, 18)}  # nodes for each weight, by features
_NORMALS = 6, 9  # nodes for the bias
_CHUNK = 1 << 19


class Crossings(NamedTuple):
    """Of rows of features, each (R,), with zeta = z over its deviation and Var(W) = 1.

    ``across`` is E phi'^2 |w|^2 / (n E phi'^2), ``bent`` E zeta^2 phi'^2 / E phi'^2, ``along``
    |E phi' phi w|^2 / (E zeta phi' phi)^2; ``error`` is of all.
    """

    across: np.ndarray
    bent: np.ndarray
    along: np.ndarray
    error: np.ndarray


def crossings(layer: ChainLayer, activation: Activation, features: np.ndarray) -> Crossings | None:
    """Return what a layer's weights do to a gradient, for rows (R, n) that are not 0; None where nobody integrates."""
    law = layer.distribution
    if isinstance(law, OwnDistribution) or not fourth_cumulant(law) or layer.fan_in not in _ORDERS:
        return None
    coarse, fine = (
        _crossings(layer, activation, features, *orders) for orders in zip(_ORDERS[layer.fan_in], _NORMALS, strict=True)
    )
    across, bent, along = fine
    return Crossings(across, bent, along, np.abs(fine - coarse).max(axis=0))


def _crossings(layer, activation, features, order, normals):
    points, weights = rule(order)
    points = EXTENT[layer.distribution] * points
    if layer.distribution == "truncated_normal":
        weights = weights * np.exp(-0.5 * (points * DEVIATION) ** 2)
    n, dphi = layer.fan_in, derivative(activation)[0]
    w = np.stack(np.meshgrid(*[points] * n, indexing="ij")).reshape(n, -1)
    chances = np.prod(np.meshgrid(*[weights / weights.sum()] * n, indexing="ij"), axis=0).ravel()
    g, own = np.polynomial.hermite_e.hermegauss(normals if layer.bias_variance else 1)
    w, g, chances = np.repeat(w, len(g), axis=1), np.tile(g, w.shape[1]), np.outer(chances, own / own.sum()).ravel()
    found, step = np.empty((3, len(features))), max(1, _CHUNK // w.shape[1])
    for i in range(0, len(features), step):
        mine = slice(i, i + step)
        z = np.sqrt(layer.weight_variance) * features[mine] @ w + np.sqrt(layer.bias_variance) * g
        zeta = z / np.sqrt(z**2 @ chances)[:, None]
        slope, a = (values(f, activation.name, z) for f in (dphi, activation.phi))
        slope, a = (f / np.maximum(np.abs(f).max(axis=1, keepdims=True), 1e-300) for f in (slope, a))
        size, cross = slope**2 @ chances, (slope * a * zeta) @ chances
        found[0, mine] = (slope**2 @ (chances * (w * w).sum(axis=0))) / n / np.where(size > 0, size, 1.0)
        found[1, mine] = (slope**2 * zeta**2) @ chances / np.where(size > 0, size, 1.0)
        vector = (((slope * a) @ (chances * w).T) ** 2).sum(axis=1)
        found[2, mine] = np.divide(vector, cross**2, out=np.ones(len(size)), where=np.abs(cross) > 1e-9)
    return found
