"""The forward signal to first order in 1/width, for any activation.

Let Q be the variance of one preactivation given the layer below, m its mean and v its variance over
networks, and V(q) = gain_squared E phi(sqrt(q) Z)^2 + bias_variance. For normal weights

    m' = V(m) + V''(m) v / 2,    v' = V'(m)^2 v + gain_squared^2 Var[phi(sqrt(m) Z)^2] / n.

In relative terms, with g = E phi^2 at m, its slope d = m g'/g and curvature c = m^2 g''/g,
k = E phi^4 / g^2, and w the weights' share of m':

    m' = gain_squared g (1 + e) + bias_variance,    e = c v / 2m^2,
    v' / m'^2 = w^2 (d^2 v / m^2 + (k - 1) / n),

where the last would be over (1 + e)^2 if v' were divided by the square of m' rather than of V(m).
The difference is of second order, and without it a tanh net's mean at width 16 is 5 times better.

Other weights make z not Gaussian given the layer below, at the same order. A fourth cumulant K m^2 of
z_i (Edgeworth) changes E f(z_i) by K E[f He4] / 24, for f = phi^2 by K c g / 6; since the kurtosis of z
is 3 + 3 v/m^2 + K, both corrections to m' are c g (kurtosis - 3) / 6. A cumulant C m^2 of the pair
z_i, z_i, z_j, z_j gives f(z_i), f(z_j) the covariance C E[f He2]^2 / 4 = C d^2 g^2, so v / m^2 in v'
becomes E z_i^2 z_j^2 / m^2 - 1. `preactivation` knows both for each weight law.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ....inputs import Inputs
from ....network import ChainLayer, Network
from ....origins import Origin
from ....records import LayerProfile
from ...gaussian.first_moment import constant_mean
from ...gaussian.log_moments import chi2_log_moments
from ...orders import doubted, with_known
from ..first_layer.rows import mixture
from . import walk
from .layer import Preactivation, SquaredNorm, carried, orthogonal_log_moments, preactivation
from .left_out import left_out
from .signal import Signal, Start, first_order_factor


@dataclass(frozen=True, eq=False)
class First(Signal):
    """A `Signal` that is blurred by the layers below, to first order in 1/width."""

    ORIGIN: ClassVar[Origin] = Origin.FIRST

    @staticmethod
    def preactivation(layer: ChainLayer, squared_norm: SquaredNorm, start: Start | None) -> Preactivation:
        return preactivation(layer, squared_norm)

    @property
    def width(self) -> int:
        return self.layer.fan_out

    @property
    def spread(self) -> np.ndarray:
        n, f = self.layer.fan_out, self.moments
        found = np.maximum(f.slope**2 * first_order_factor(self.layer) * self.z.pair + (f.fourth - 1) / n, 0.0)
        if self.units is not None:
            few, (pair, _) = self.units.few, self.units.pairs(self.layer.activation, self.q)
            found[few] = np.maximum(((f.fourth - 1)[few] + (n - 1) * pair) / n, 0.0)
        return found

    def spread_error(self, below: np.ndarray) -> np.ndarray:
        f, z = self.moments, self.z
        found = carried(below, (f.slope * z.weight_share) ** 2)
        found = found + f.error * (2 * np.abs(f.slope * z.pair) + 1 / self.layer.fan_out)
        if self.units is not None:
            found[self.units.few] += self.units.pairs(self.layer.activation, self.q)[1]
        return found

    def logs(self, live: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """ln Q has mean ln m - v / 2m^2 and variance v / m^2. Given Q, ln(n q-hat / Q) is a chi-square's for normal
        weights; orthogonal ones take off their share squared of chi2_N's, others their fourth cumulant over n.
        """
        layer, z = self.layer, self.z
        spread, weight = (z.weight_share**2 * self.squared_norm.spread)[live], z.weight_share[live] ** 2
        own, sphere = chi2_log_moments(layer.fan_out), orthogonal_log_moments(layer)
        cumulant = 0 * spread
        if layer.distribution != "orthogonal":
            cumulant = (z.kurtosis - 3 * (1 + z.pair))[live] / layer.fan_out
        mean = z.mean.log()[live]
        mean = mean - spread / 2 + own[0] - np.log(layer.fan_out) + weight * sphere[0] - cumulant / 2
        variance = np.maximum(spread + own[1] + weight * sphere[1] + cumulant, 0.0)
        if self.units is not None and self.units.sphere is None:  # where the law of a unit is known, exactly
            few, width = self.units.few, layer.fan_out
            place = np.cumsum(live)[few] - 1
            found = self.units.log_moments(width, (1.0, 1.0))
            mean[place] = z.mean.log()[few] + found[0] - np.log(width)
            variance[place] = found[1]
        return mean, variance


def start(network: Network, inputs: Inputs) -> Start:
    """Return where the signal starts from."""
    return Start.of(network, mixture(network, inputs))


def profiles(network: Network, start: Start) -> dict[str, LayerProfile]:
    """Return every profile but dead, to first order in 1/width, with what that leaves out."""
    passed, weights = list(walk.signals(network, start, First)), start.rows.weights
    found = doubted(walk.profiles(passed, weights), left_out(passed, weights))
    means = [constant_mean(layer.activation) for layer in network.layers]
    constant = np.array([np.nan if mean is None else mean for mean in means])
    found["activation_mean"] = with_known(found["activation_mean"], constant, np.zeros(network.depth))
    return found
