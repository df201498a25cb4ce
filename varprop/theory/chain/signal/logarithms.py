"""Mean and variance of ln q-hat where every hidden layer is linear, ReLU or leaky ReLU, and layers from the second on
have no biases.

    q-hat^L = |x|^2 prod_l Var(W^l) prod_(l<L) X_l X_L' / n_L

with X_l = |phi(z)|^2 over Var(W^l) |a|^2, given that it is not 0. For normal weights z is normal given a, and X_l is
independent of all below. Orthogonal weights put N / chi2_N beside each Var(W^l), in the sense of
`layer.orthogonal_log_moments`. In the first layer the rows are given, and z has the law of its weights. Other
weights see the direction of a. Behind normal weights that is a random direction among the units that are alive, apart
from |a|, so that all is exact still where these are up to three, or feed one unit; elsewhere ln X_l is taken as
independent too, which is right to first order in 1/width and close in the narrowest layers.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
import scipy

from ....initializers import EXCESS_KURTOSIS
from ....inputs import Inputs
from ....network import ChainLayer, Network
from ....own_weights import OwnDistribution
from ....records import LayerProfile
from ...gaussian.expectations import power_means
from ...gaussian.log_moments import layer_log_moments
from ...orders import EXACT, FIRST, cumulant, doubted
from ...scaled import Scaled
from ..first_layer.averages import averaged
from ..first_layer.densities import independent
from ..first_layer.logarithms import log_moments
from ..first_layer.rows import directions, mixture
from ..first_layer.units import NEARLY, Units, units
from .layer import EPS, RADIAL, mean_and_weight_share, orthogonal_log_moments

QUADRATURE = 1e-8  # error of moments that are integrals over z
_LEFT_OUT = 0.15  # over fan_in, of a layer's logarithms: measured in layers of two and three units
_COUNTED = 16  # units of which each number that may be alive is counted
_EITHER = (1.0, 1.0)  # slopes of the identity


def log_profiles(network: Network, inputs: Inputs) -> dict[str, LayerProfile]:
    """Return mean and variance of ln q-hat given that it is not 0, exact or to first order; {} where that is not known.

    Hidden layers must be positively homogeneous.
    """
    first, upper = network.layers[0], network.layers
    if any(isinstance(layer.distribution, OwnDistribution) for layer in network.layers):
        return {}
    if first.bias_variance > 0 or first.distribution not in RADIAL:
        upper = network.layers[1:]
    if any(layer.bias_variance > 0 for layer in upper):
        return {}
    rough, exact = 0.0, True
    means: list[float] = []
    variances: list[float] = []
    errors: list[float] = []
    if upper is network.layers:
        mean, variance = _input_logs(inputs)
    else:
        start = _FirstLayer.of(network, inputs)
        if start is None:
            return {}
        (mean, variance), rough, exact = start.logs(_EITHER), QUADRATURE, start.exact
        means, variances, errors = [mean - np.log(first.fan_out)], [variance], [rough]
        if upper:
            mean, variance = start.logs(first.activation.both_slopes)
    size = abs(mean) + 1.0  # of all that is summed, for the rounding error
    below = None if upper is network.layers else first
    rest = [0.0] * len(means)
    for layer in upper:
        known = below is None or is_exact(layer, below.activation.both_slopes, below.distribution in RADIAL)
        exact = exact and known
        rest.append(sum(rest[-1:]) + (0.0 if known else _LEFT_OUT / layer.fan_in))
        own = _terms(layer, below, _EITHER)
        mean = mean + np.log(layer.weight_variance)
        means.append(mean + own[0] - np.log(layer.fan_out))
        variances.append(np.maximum(variance + own[1], 0.0))
        size += 2 * (abs(np.log(layer.weight_variance)) + abs(own[0])) + 10
        rough += 0.0 if layer.distribution in RADIAL else QUADRATURE
        errors.append(4 * EPS * size + rough)
        if layer is not upper[-1]:
            terms = _terms(layer, below, layer.activation.both_slopes)
            mean, variance = mean + terms[0], variance + terms[1]
        below = layer
    origin, off = EXACT if exact else FIRST, np.array(errors)
    found = {
        name: LayerProfile(np.array(values), off, origin)
        for name, values in (("log_mean", means), ("log_variance", variances))
    }
    return found if exact else doubted(found, dict.fromkeys(found, np.array(rest)))


def _input_logs(inputs: Inputs) -> tuple[float, float]:
    """Return mean and variance of ln |x|^2 where it is not 0."""
    if inputs.rows is None:
        return layer_log_moments(inputs.width, _EITHER)
    logs = np.log(inputs.squared_norms[inputs.squared_norms > 0])
    return (logs.mean(), logs.var()) if len(logs) else (np.nan, np.nan)


def is_exact(layer: ChainLayer, slopes: tuple[float, float], random: bool) -> bool:
    """Whether ln |phi(W a)|^2 / |a|^2 is `directed`, and apart from what is below, for a of these slopes.

    ``random`` is whether a's direction is random but for them, and apart from |a|.
    """
    if layer.distribution in RADIAL or layer.fan_in == 1:
        return True
    plain = len({abs(s) for s in slopes} | {0.0}) == 2
    return random and plain and layer.fan_in <= _COUNTED and (layer.fan_in <= 3 or layer.fan_out == 1)


def _terms(layer: ChainLayer, below: ChainLayer | None, slopes: tuple[float, float]) -> np.ndarray:
    """Return mean and variance of ln |phi(z)|^2 less ln Var(W) |a|^2, phi of these slopes, a the layer below."""
    if layer.distribution in RADIAL:
        return np.add(layer_log_moments(layer.fan_out, slopes), orthogonal_log_moments(layer))
    assert below is not None
    assert isinstance(layer.distribution, str)
    return directed(layer.distribution, layer.fan_in, layer.fan_out, below.activation.both_slopes, slopes)


def by_cumulant(law, fourth: float, fan_out: int, slopes: tuple[float, float]) -> np.ndarray:
    """Return to first order mean and variance of ln |phi(W u)|^2, where E sum_j u_j^4 is ``fourth``."""
    more = power_means(slopes)[1] * cumulant(law) * fourth / fan_out
    return np.add(layer_log_moments(fan_out, slopes), more * np.array([-0.5, 1.0]))


@cache
def directed(law: str, fan_in: int, fan_out: int, below: tuple[float, float], slopes: tuple[float, float]):
    """Return mean and variance of ln |phi(W u)|^2 over W of variance 1 and over directions u."""
    parts = []
    for alive, chance in zip(*_alive(fan_in, below), strict=True):
        if alive <= 3:
            points, chances = directions(alive)
            found = independent(law, points, np.zeros(len(points)), EXCESS_KURTOSIS[law])
        else:
            chances, found = np.ones(1), averaged(law, int(alive), np.ones(1), np.zeros(1))
        for rows, density in found:
            parts.append(np.stack([chance * chances[rows], *log_moments(density, fan_out, slopes)]))
    weight, mean, variance = np.concatenate(parts, axis=1)
    weight = weight / weight.sum()
    total = (weight * mean).sum()
    return total, (weight * (variance + (mean - total) ** 2)).sum()


def along(law: str, direction: np.ndarray, fan_out: int, slopes: tuple[float, float]) -> np.ndarray:
    """Return mean and variance of ln |phi(W u)|^2 over W of variance 1 for one given unit vector u."""
    ((_, density),) = independent(law, -np.sort(-np.abs(direction[None])), np.zeros(1), EXCESS_KURTOSIS[law])
    return np.concatenate(log_moments(density, fan_out, slopes))


def _alive(width: int, slopes: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Return how many units a direction has, given one, and their probabilities; for slopes between, about."""
    smallest, largest = sorted(abs(s) for s in slopes)
    if smallest > 0.5 * largest or width == 1:  # alike, or nearly
        return np.array([width]), np.ones(1)
    counts = np.arange(1, width + 1)
    if width > _COUNTED:
        middle, spread = width / 2, np.sqrt(3 * width) / 2
        return np.round([middle - spread, middle, middle + spread]).astype(int), np.array([1, 4, 1]) / 6
    chances = scipy.special.comb(width, counts) * 0.5**width
    if smallest > 0:
        chances[-1] += 0.5**width  # all of them small
    return counts, chances / chances.sum()


@dataclass(frozen=True, eq=False)
class _FirstLayer:
    """The first layer's z for each row that gives one: units that are alike, and independent where ``exact``.

    ``excess`` is the excess kurtosis of z, for rows whose law is not among ``units``.
    """

    layer: ChainLayer
    log_variance: np.ndarray
    weights: np.ndarray
    few: np.ndarray
    units: Units | None
    excess: np.ndarray
    exact: bool

    @classmethod
    def of(cls, network: Network, inputs: Inputs) -> "_FirstLayer | None":
        """Return None where no row gives a signal, or the units' law is not known."""
        layer, rows = network.layers[0], mixture(network, inputs)
        if layer.distribution == "orthogonal":
            return None
        mean, weight_share = mean_and_weight_share(layer, Scaled.of(rows.squared_norms))
        known, few = units(layer, rows, weight_share), np.zeros(len(weight_share), dtype=bool)
        if known is not None:
            few[known.few] = True
        live, normal = mean.mantissa > 0, layer.distribution == "normal"
        if not live.any():
            return None
        shared = inputs.rows is None and rows.features is None and not normal and layer.fan_out > 1
        excess = cumulant(layer.distribution) * weight_share**2 * rows.fourth
        exact = not shared and bool(((weight_share == 0) | normal | few | (np.abs(excess) <= NEARLY))[live].all())
        weights = rows.weights[live] / rows.weights[live].sum()
        return cls(layer, mean.log()[live], weights, few[live], known, excess[live], exact)

    def logs(self, slopes: tuple[float, float]) -> tuple[float, float]:
        """Return mean and variance of ln sum phi(z)^2, phi of these slopes."""
        terms = np.tile(np.array(layer_log_moments(self.layer.fan_out, slopes))[:, None], len(self.weights))
        more = power_means(slopes)[1] * self.excess / self.layer.fan_out
        terms += more * np.array([[-0.5], [1.0]])
        if self.units is not None:
            terms[:, self.few] = self.units.log_moments(self.layer.fan_out, slopes)
        logs = self.log_variance + terms[0]
        mean = (self.weights * logs).sum()
        return mean, (self.weights * (terms[1] + (logs - mean) ** 2)).sum()
