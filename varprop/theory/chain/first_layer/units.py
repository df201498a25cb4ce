"""One unit of the first layer, whose law is known: expectations of phi(z) and phi'(z) for each row, exactly.

Rows with many features are left to `signal.first`, which expands about a Gaussian.
"""

from dataclasses import dataclass, field

import numpy as np

from ....activations import Activation
from ....network import ChainLayer
from ....own_weights import OwnDistribution
from ....variance_scaling import fourth_cumulant
from ...gaussian.derivative_moment import derivative
from ...gaussian.features import features
from ...gaussian.quadrature import values
from ...gaussian.slope_moments import SlopeMoments
from .averages import averaged
from .densities import REACH, independent
from .integrals import integrals
from .logarithms import log_moments
from .rows import Rows
from .spheres import pairs, spherical

MANY = 64  # features of equal size, by |x|^4 / sum x^4: their sum is Gaussian to 1e-4; an eighth of orthogonal weights'
NEARLY = 1e-6  # excess kurtosis of z below which it is expanded about a Gaussian, for an error of 1e-12
_MOST_BREAKS = 64
_PRODUCTS = [(i, j) for i in range(5) for j in range(i, 5)]


@dataclass(frozen=True, eq=False)
class UnitMoments:
    """E f and E f^2 / (E f)^2 of f = phi(z)^2 with bounds on their errors, the first relative; each (few,)."""

    second: np.ndarray
    fourth: np.ndarray
    second_error: np.ndarray
    error: np.ndarray


@dataclass(frozen=True, eq=False)
class Units:
    """The law of a unit for those rows, numbers ``few`` of R, whose weights' law shows.

    ``densities`` are of z over its deviation, with the places in ``few`` that they serve; ``sphere`` holds what
    `pairs` needs, for orthogonal weights, where units are not independent; ``known`` is a memory.
    """

    few: np.ndarray
    densities: list
    sphere: tuple | None = None
    known: dict = field(default_factory=dict)

    def moments(self, activation: Activation, q: np.ndarray) -> UnitMoments:
        """Return the `UnitMoments` where z has variance ``q``, shape (R,), which is the same in every call."""
        if activation not in self.known:
            self.known[activation] = self._moments(activation, q)
        return self.known[activation]

    def _moments(self, activation: Activation, q: np.ndarray) -> UnitMoments:
        scale = np.sqrt(q[self.few])
        size = np.maximum(self._sizes(activation.phi, activation, scale), 1e-300)

        def squares(rows, z):
            f = (values(activation.phi, activation.name, scale[rows, None] * z) / size[rows, None]) ** 2
            return np.stack([f, f * f])

        (second, fourth), (second_error, fourth_error) = self._integrals(_breaks(activation, scale), scale, squares)
        safe = np.where(second > 0, second, 1.0)
        relative = second_error / safe
        ratio = np.where(second > 0, fourth / safe**2, 1.0)
        with np.errstate(over="ignore"):
            return UnitMoments(second * size * size, ratio, relative, fourth_error / safe**2 + 2 * ratio * relative)

    def mean(self, activation: Activation, q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return E phi(z) and its error, both (few,), where z has variance ``q``, shape (R,)."""
        scale = np.sqrt(q[self.few])

        def itself(rows, z):
            return values(activation.phi, activation.name, scale[rows, None] * z)[None]

        found, errors = self._integrals(_breaks(activation, scale), scale, itself)
        return found[0], errors[0]

    def pairs(self, activation: Activation, q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return Cov f / (E f)^2 of two units and its error, both (few,)."""
        if self.sphere is None or self.sphere[0] == 1:
            return np.zeros(len(self.few)), np.zeros(len(self.few))
        if (activation, "pairs") not in self.known:
            self.known[activation, "pairs"] = self._pairs(self.sphere, activation, q)
        return self.known[activation, "pairs"]

    def _pairs(self, sphere: tuple, activation: Activation, q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        n, weights, bias = sphere
        scale, exact = np.sqrt(q[self.few]), self.moments(activation, q)
        size = np.where(exact.second > 0, np.sqrt(exact.second), 1.0)

        def squares(rows, z):
            return (values(activation.phi, activation.name, scale[rows, None] * z) / size[rows, None]) ** 2

        return pairs(n, weights, bias, squares, _breaks(activation, scale), scale)

    def log_moments(self, width: int, slopes: tuple[float, float]) -> np.ndarray:
        """Return the mean and the variance of ln sum phi(z)^2 over ``width`` units, given that it is not 0, (2, few).

        phi is positively homogeneous with these slopes; z has variance 1. Units are independent given the row.
        """
        found = np.empty((2, len(self.few)))
        for rows, density in self.densities:
            found[:, rows] = log_moments(density, width, slopes)
        return found

    def slope_moments(self, activation: Activation, q: np.ndarray) -> SlopeMoments:
        """Return the `SlopeMoments`, without derivatives by q, where z has variance ``q``, shape (R,)."""
        scale, dphi = np.sqrt(q[self.few]), derivative(activation)[0]
        sizes = [np.maximum(self._sizes(f, activation, scale), 1e-300) for f in (dphi, activation.phi)]

        def products(rows, z):
            x = scale[rows, None] * z
            slope, a = (
                values(f, activation.name, x) / size[rows, None]
                for f, size in zip((dphi, activation.phi), sizes, strict=True)
            )
            s2, a2 = slope * slope, a * a
            units = s2, s2 * a2, a2, z * z * s2, z * slope * a
            return np.stack([*units, *(units[i] * units[j] for i, j in _PRODUCTS)])

        found, errors = self._integrals(_breaks(activation, scale, dphi), scale, products)
        slope2, a2 = (np.where(found[i] > 0, found[i], 1.0) for i in (0, 2))
        unit = np.stack([slope2, slope2 * a2, a2, slope2, np.sqrt(slope2 * a2)])
        product = np.empty((5, 5, len(scale)))
        for (i, j), row in zip(_PRODUCTS, found[5:], strict=True):
            product[i, j] = product[j, i] = row / (unit[i] * unit[j])
        mean = found[:5] / unit
        error = (errors[:5] / unit).max(axis=0) + (errors[5] / slope2**2)
        with np.errstate(over="ignore"):
            return SlopeMoments(found[0] * sizes[0] ** 2, mean, 0 * mean, 0 * mean, product, error, errors[0] / slope2)

    def _sizes(self, f, activation, scale):
        """Return about the largest |f| for each row."""
        found = np.empty(len(scale))
        for rows, density in self.densities:
            z = density.support[:, None] * np.linspace(-1, 1, 65)
            found[rows] = np.abs(values(f, activation.name, scale[rows, None] * z)).max(axis=1)
        return found

    def _integrals(self, breaks, scale, integrand):
        found = None
        for rows, density in self.densities:
            ends = density.ends(breaks, scale[rows])
            some = integrals(density, ends, lambda mine, z, rows=rows: integrand(rows[mine], z))
            if found is None:
                found = np.empty((2, len(some[0]), len(scale)))
            found[0][:, rows] = some[0]
            found[1][:, rows] = some[1] + density.error * np.abs(some[0])
        return found


def _breaks(activation: Activation, scale: np.ndarray, dphi=None) -> np.ndarray:
    """Return where phi, and phi' if it is given, bend, jump or are steep; waves are left to shorter panels."""
    reach, found = REACH * scale.max(), []
    for function in (None, dphi) if dphi is not None else (None,):
        look = features(activation, function)
        near = look.within(reach)
        found.append(near if len(near) <= _MOST_BREAKS else look.points(reach))
    return np.unique(np.concatenate(found))


def units(layer: ChainLayer, rows: Rows, weight_share: np.ndarray) -> Units | None:
    """Return the law of a unit of the first layer; None where it is Gaussian, or nearly so, for every row.

    ``weight_share`` (R,) is the weights' part of E z^2.
    """
    if isinstance(layer.distribution, OwnDistribution):  # of which moments are known
        return None
    excess = fourth_cumulant(layer.distribution)
    dimensions = max(layer.fan_in, layer.fan_out)
    if layer.distribution == "orthogonal":
        few = np.flatnonzero((weight_share > 0) & (dimensions < 8 * MANY))
    else:
        few = np.flatnonzero((rows.fourth * MANY > 1) & (np.abs(excess) * weight_share**2 * rows.fourth > NEARLY))
    if not len(few):
        return None
    weights, bias = (
        np.sqrt(weight_share[few]),
        np.sqrt(np.maximum(1 - weight_share[few], 0.0) * (layer.bias_variance > 0)),
    )
    if layer.distribution == "orthogonal":
        return Units(few, spherical(dimensions, weights, bias), (dimensions, weights, bias))
    if rows.features is None and layer.fan_in > 1:
        return Units(few, averaged(layer.distribution, layer.fan_in, weights, bias))
    features = np.ones((len(rows.squared_norms), 1)) if rows.features is None else rows.features  # one has no direction
    terms = -np.sort(-np.abs(features[few]), axis=1)
    terms = terms[:, : max(int((terms > 0).sum(axis=1).max()), 1)]
    terms = terms / np.linalg.norm(terms, axis=1, keepdims=True) * weights[:, None]
    return Units(few, independent(layer.distribution, terms, bias, excess))
