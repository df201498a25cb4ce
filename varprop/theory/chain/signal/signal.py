"""What reaches one layer on the way forward: what infinite width and first order have in common.

`infinite` and `first` each have a `Signal` of their own, which says how |a|^2 spreads between networks.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from ....network import ChainLayer, Network
from ....origins import Origin
from ....own_weights import OwnDistribution
from ...gaussian import often
from ...gaussian.expectations import Moments, moments
from ...gaussian.first_moment import FirstMoments, constant_mean, first_moments
from ...scaled import Scaled
from ..first_layer.beyond import beyond_fourth, sixth_cumulant
from ..first_layer.rows import Rows
from ..first_layer.units import Units, units
from .layer import EPS, Preactivation, SquaredNorm, carried, mean_and_weight_share

FLOOR = 0.25  # least 1 + correction: beyond, the expansion has broken down, and q must stay positive


@dataclass(frozen=True, eq=False)
class Signal:
    """What reaches one layer on the way forward, one entry for each row.

    Attributes
    ----------
    layer
        Which layer.
    squared_norm
        The law of |a|^2 of the layer below.
    z
        The fourth moments of z.
    error
        Relative error of z's mean square.
    q, missing
        That mean in plain numbers, and the powers of two that these lack.
    moments
        Of phi at q.
    start
        What the network is fed, in the first layer.
    often
        Whether layers below had much the same q, so that moments are interpolated.
    units
        The law of one unit for the rows where it is known and not Gaussian.
    correction
        1 + e: E phi(z)^2 over the second moment in ``moments``.
    above
        The law of |phi(z)|^2, and the relative error of its mean.
    """

    layer: ChainLayer
    squared_norm: SquaredNorm
    z: Preactivation
    error: np.ndarray
    q: np.ndarray
    missing: np.ndarray
    start: "Start | None" = None
    often: bool = False

    ORIGIN: ClassVar[Origin]

    @classmethod
    def of(cls, layer: ChainLayer, squared_norm: SquaredNorm, error: np.ndarray, start: "Start | None") -> "Signal":
        """Return what |a|^2 of the layer below, its mean known to a relative ``error``, makes of a layer."""
        z = cls.preactivation(layer, squared_norm, start)
        return cls(layer, squared_norm, z, carried(error, z.weight_share) + 4 * EPS, *z.mean.clipped(), start)

    @staticmethod
    def preactivation(layer: ChainLayer, squared_norm: SquaredNorm, start: "Start | None") -> Preactivation:
        """Return the fourth moments of z in this order."""
        raise NotImplementedError

    @property
    def width(self) -> int | None:
        """How many units q-hat is a mean of; None where their number plays no part."""
        raise NotImplementedError

    @property
    def spread(self) -> np.ndarray:
        """Var |phi(z)|^2 / (E |phi(z)|^2)^2."""
        raise NotImplementedError

    def spread_error(self, below: np.ndarray) -> np.ndarray:
        """Return the error of ``spread``, from that of the layer below."""
        raise NotImplementedError

    def logs(self, live: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and variance of ln q-hat for the rows ``live``, whose q is not 0."""
        raise NotImplementedError

    @property
    def units(self) -> Units | None:
        return None if self.start is None else self.start.units

    @cached_property
    def moments(self) -> Moments:  # when it is used: a gradient does not depend on the output's activation
        found = (often.moments if self.often else moments)(self.layer.activation, self.q)
        if self.units is not None:
            exact, few = self.units.moments(self.layer.activation, self.q), self.units.few
            for name in ("second", "fourth", "second_error", "error"):
                getattr(found, name)[few] = getattr(exact, name)
        return found

    @property
    def correction(self) -> np.ndarray:
        found = 1 + self.moments.curvature * first_order_factor(self.layer) * (self.z.kurtosis - 3) / 6
        if self.units is not None:
            found[self.units.few] = 1.0
        return np.maximum(found, FLOOR)

    @property
    def neglected(self) -> np.ndarray:
        """Relative error of E phi(z)^2 in the first layer: of directions, and of expanding about a Gaussian.

        Next after the excess kurtosis K come K^2 E[f He8] / 1152 and, for the weights' laws here, at most
        5 K^2 E[f He6] / 720; Cauchy and Schwarz bound both by 0.4 K^2 (E f^2)^(1/2).
        """
        if self.start is None:
            return np.zeros(1)
        if isinstance(self.layer.distribution, OwnDistribution):
            return self._beyond[0] + self.start.rows.error
        found = 0.4 * (self.z.kurtosis - 3) ** 2 * np.sqrt(self.moments.fourth)
        if self.units is not None:
            found[self.units.few] = 0.0
        return found + self.start.rows.error

    @cached_property
    def _beyond(self) -> np.ndarray:
        """What weights of one's own leave out of E phi(z)^2 and E phi(z) in the first layer."""
        law, start = self.layer.distribution, self.start
        assert isinstance(law, OwnDistribution)
        assert start is not None
        if law.obstacle is not None:
            return np.zeros((2, len(self.q)))
        sixth = sixth_cumulant(self.layer, start.rows, self.z.weight_share)
        return beyond_fourth(self.layer.activation, self.q, self.z.kurtosis - 3, sixth)

    @cached_property
    def first_moments(self) -> FirstMoments:
        return (often.first_moments if self.often else first_moments)(self.layer.activation, self.q)

    @cached_property
    def activation_mean(self) -> tuple[np.ndarray, np.ndarray]:
        """E phi(z) and its error, for each row; where q was clipped it goes on as the power of q that its slope says.

        The fourth cumulant adds what it does to E phi^2.
        """
        phi = self.layer.activation
        found, cumulant = self.first_moments, first_order_factor(self.layer) * (self.z.kurtosis - 3) / 6
        mean, more = found.mean, found.curvature * cumulant
        if phi.slopes is not None:  # a power of q keeps its sign
            more = np.maximum(more / np.where(mean == 0, 1.0, mean), FLOOR - 1) * mean
        error = found.error * (1 + np.abs(cumulant)) + carried(self.error, np.abs(found.slope))
        value = mean + more
        if constant_mean(phi) is None:
            if self.units is not None:
                exact, few = self.units.mean(phi, self.q), self.units.few
                value[few], error[few] = exact[0], exact[1] + carried(self.error[few], np.abs(found.slope[few]))
            neglected = self.neglected
            if self.start is not None and isinstance(self.layer.distribution, OwnDistribution):
                neglected = self._beyond[1] + self.start.rows.error
            error = error + neglected * np.sqrt(self.moments.second)
        power = np.divide(found.slope, found.mean, out=0 * mean, where=found.mean != 0) * self.missing
        with np.errstate(over="ignore", under="ignore"):
            factor = np.exp2(power)
            return value * factor, error * factor

    @cached_property
    def above(self) -> tuple[SquaredNorm, np.ndarray]:
        """Where q had to be clipped by 2^``missing``, E phi^2 goes on as the power of q that its slope says."""
        n, z, f, missing = self.layer.fan_out, self.z, self.moments, self.missing
        size = Scaled.of(f.second).times_power_of_two(missing * f.slope).times(n * self.correction)
        weight = np.abs(first_order_factor(self.layer) * (z.kurtosis - 3)) / 6 + np.log(2) * np.abs(missing)
        error = carried(self.error, np.abs(f.slope)) + (f.second_error + carried(f.error, weight)) + self.neglected
        return SquaredNorm(size, self.spread, f.fourth / n), error


@dataclass(frozen=True, eq=False)
class Start:
    """What the network is fed, and the law of a unit of its first layer where that is not Gaussian."""

    rows: Rows
    units: Units | None

    @classmethod
    def of(cls, network: Network, rows: Rows) -> "Start":
        """Return where the signal starts from, in either order."""
        layer = network.layers[0]
        return cls(rows, units(layer, rows, mean_and_weight_share(layer, Scaled.of(rows.squared_norms))[1]))


def first_order_factor(layer: ChainLayer) -> float:
    """Return the factor from z's exact cumulants to their first order: 1 but for orthogonal weights.

    There cumulants go as 1 / (N + 2), and 1 / N is consistent with the other terms of first order:
    for a phi near linear they cancel, since such a layer keeps the norm exactly.
    """
    if layer.distribution != "orthogonal":
        return 1.0
    larger = max(layer.fan_in, layer.fan_out)
    return (larger + 2) / larger
