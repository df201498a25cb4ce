"""Infinite width, and first order in 1/width, for any activation.

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

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from ....inputs import Inputs
from ....network import Layer, Network
from ....records import LayerProfile
from ...gaussian.expectations import Moments, moments
from ...gaussian.first_moment import FirstMoments, constant_mean, first_moments
from ...gaussian.log_moments import chi2_log_moments
from ...orders import FIRST, INFINITE, doubted, with_known
from ...scaled import Scaled
from ..first_layer.rows import Rows, mixture
from ..first_layer.units import Units, units
from .layer import (
    EPS,
    Norm,
    Preactivation,
    carried,
    mean_and_share,
    orthogonal_log_moments,
    preactivation,
    profiles_of,
    relative_profile,
)
from .left_out import left_out

FLOOR = 0.25  # least 1 + correction: beyond, the expansion has broken down, and q must stay positive


@dataclass
class _Record:
    """What the layers leave behind, one entry a layer; ``weights`` are the rows' probabilities."""

    weights: np.ndarray
    layers: list = field(default_factory=list)
    second: list = field(default_factory=list)
    means: list = field(default_factory=list)
    log_mean: list = field(default_factory=list)
    log_variance: list = field(default_factory=list)
    errors: list = field(default_factory=list)
    second_errors: list = field(default_factory=list)
    mean_errors: list = field(default_factory=list)
    spread_errors: list = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class Signal:
    """What reaches one layer on the way forward, one entry for each row.

    Attributes
    ----------
    layer, infinite
        Which layer, and whether at infinite width.
    norm
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
    units
        The law of one unit for the rows where it is known and not Gaussian.
    correction
        1 + e: E phi(z)^2 over the second moment in ``moments``.
    above
        The law of |phi(z)|^2, and the relative error of its mean.
    """

    layer: Layer
    infinite: bool
    norm: Norm
    z: Preactivation
    error: np.ndarray
    q: np.ndarray
    missing: np.ndarray
    start: "Start | None" = None

    @property
    def units(self) -> Units | None:
        return None if self.start is None else self.start.units

    @cached_property
    def moments(self) -> Moments:  # when it is used: a gradient does not depend on the output's activation
        found = moments(self.layer.activation, self.q)
        if self.units is not None:
            exact, few = self.units.moments(self.layer.activation, self.q), self.units.few
            for name in ("second", "fourth", "second_error", "error"):
                getattr(found, name)[few] = getattr(exact, name)
        return found

    @property
    def correction(self) -> np.ndarray:
        found = 1 + self.moments.curvature * _first_order(self.layer) * (self.z.kurtosis - 3) / 6
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
        found = 0.4 * (self.z.kurtosis - 3) ** 2 * np.sqrt(self.moments.fourth)
        if self.units is not None:
            found[self.units.few] = 0.0
        return found + self.start.rows.error

    @cached_property
    def first_moments(self) -> FirstMoments:
        return first_moments(self.layer.activation, self.q)

    @cached_property
    def activation_mean(self) -> tuple[np.ndarray, np.ndarray]:
        """E phi(z) and its error, for each row; where q was clipped it goes on as the power of q that its slope says.

        The fourth cumulant adds what it does to E phi^2.
        """
        phi = self.layer.activation
        found, cumulant = self.first_moments, _first_order(self.layer) * (self.z.kurtosis - 3) / 6
        mean, more = found.mean, found.curvature * cumulant
        if phi.slopes is not None:  # a power of q keeps its sign
            more = np.maximum(more / np.where(mean == 0, 1.0, mean), FLOOR - 1) * mean
        error = found.error * (1 + np.abs(cumulant)) + carried(self.error, np.abs(found.slope))
        value = mean + more
        if constant_mean(phi) is None:
            if self.units is not None:
                exact, few = self.units.mean(phi, self.q), self.units.few
                value[few], error[few] = exact[0], exact[1] + carried(self.error[few], np.abs(found.slope[few]))
            error = error + self.neglected * np.sqrt(self.moments.second)
        power = np.divide(found.slope, found.mean, out=0 * mean, where=found.mean != 0) * self.missing
        with np.errstate(over="ignore", under="ignore"):
            factor = np.exp2(power)
            return value * factor, error * factor

    @cached_property
    def above(self) -> tuple[Norm, np.ndarray]:
        return _above(self)


@dataclass(frozen=True, eq=False)
class Start:
    """What the network is fed, and the law of a unit of its first layer where that is not Gaussian."""

    rows: Rows
    units: Units | None

    @classmethod
    def of(cls, network: Network, rows: Rows) -> "Start":
        """Return where the signal starts from; for order "first" or "infinite" alike."""
        layer = network.layers[0]
        return cls(rows, units(layer, rows, mean_and_share(layer, Scaled.of(rows.squares))[1]))


def signals(network: Network, start: Start, *, infinite: bool) -> Iterator[Signal]:
    """Yield the `Signal` of every layer, at infinite width or to first order in 1/width."""
    rows = start.rows
    norm, error = Norm(Scaled.of(rows.squares), 0 * rows.squares, rows.fourth), np.full(1, 4 * EPS)
    for l, layer in enumerate(network.layers, 1):
        z = preactivation(layer, norm)
        if infinite:  # where the first layer's weights still show if they are not normal
            z = replace(z, pair=0 * z.share, kurtosis=z.kurtosis - 3 * z.pair if l == 1 else 3 + 0 * z.share)
        error = carried(error, z.share) + 4 * EPS
        signal = Signal(layer, infinite, norm, z, error, *z.mean.clipped(), start if l == 1 else None)
        yield signal
        if l < network.depth:
            norm, error = signal.above


def start(network: Network, inputs: Inputs, *, infinite: bool) -> Start:
    """Return where the signal of this order starts from."""
    found = Start.of(network, mixture(network, inputs, infinite=infinite))
    if infinite and network.layers[0].distribution == "orthogonal":  # of which a wide layer sees a Gaussian part
        return replace(found, units=None)
    return found


def infinite_variance(network: Network, start: Start) -> np.ndarray:
    """Return E[z^2] in every layer at infinite width, shape (L,), and nothing else."""
    found = signals(network, start, infinite=True)
    return np.array([float(signal.z.mean.mean(start.rows.weights).values()) for signal in found])


def first_order_left_out(network: Network, start: Start) -> dict[str, np.ndarray]:
    """Return what first order leaves out of each profile, shape (L,), and nothing else."""
    return left_out(list(signals(network, start, infinite=False)), start.rows.weights)


def profiles(network: Network, start: Start, *, infinite: bool) -> dict[str, LayerProfile]:
    """Return every profile but dead, at infinite width or to first order in 1/width.

    Errors bound the rounding and quadrature errors carried through the layers, not the order's truncation.
    """
    rows, spread_error = start.rows, np.zeros(1)
    record = _Record(rows.weights)
    passed = list(signals(network, start, infinite=infinite))
    for signal in passed:
        z, f, width = signal.z, signal.moments, signal.layer.fan_out
        _note_logs(record, signal)
        record.layers.append((None if infinite else width, z))
        record.errors.append(_mixture_error(z.mean, signal.error, rows.weights))
        record.spread_errors.append(carried(spread_error, z.share**2).max())
        if not infinite:
            spread_error = carried(spread_error, (f.slope * z.share) ** 2)
            spread_error = spread_error + f.error * (2 * np.abs(f.slope * z.pair) + 1 / width)
            if signal.units is not None:
                spread_error[signal.units.few] += signal.units.pairs(signal.layer.activation, signal.q)[1]
        norm, error = signal.above
        second = norm.size.times(1 / width)
        record.second.append(second.mean(rows.weights).values())
        record.second_errors.append(_mixture_error(second, error, rows.weights))
        mean, error = signal.activation_mean
        record.means.append((rows.weights * mean).sum())
        record.mean_errors.append((np.abs(rows.weights) * error).sum())
    found = _profiles_of(record, INFINITE if infinite else FIRST)
    if infinite:
        return found
    found = doubted(found, left_out(passed, rows.weights))
    constant = [constant_mean(layer.activation) for layer in network.layers]
    constant = np.array([np.nan if mean is None else mean for mean in constant])
    found["activation_mean"] = with_known(found["activation_mean"], constant, np.zeros(network.depth))
    return found


def _above(signal: Signal) -> tuple[Norm, np.ndarray]:
    """Return the law of |phi(z)|^2 and the relative error of its mean.

    Where q had to be clipped by 2^``missing``, g goes on as the power of q that its slope says.
    """
    n, z, f, missing = signal.layer.fan_out, signal.z, signal.moments, signal.missing
    cumulant = _first_order(signal.layer)
    size = Scaled.of(f.second).times_power_of_two(missing * f.slope).times(n * signal.correction)
    spread = 0 * z.pair
    if not signal.infinite:
        spread = np.maximum(f.slope**2 * cumulant * z.pair + (f.fourth - 1) / n, 0.0)
        if signal.units is not None:
            few, (pair, _) = signal.units.few, signal.units.pairs(signal.layer.activation, signal.q)
            spread[few] = np.maximum(((f.fourth - 1)[few] + (n - 1) * pair) / n, 0.0)
    weight = np.abs(cumulant * (z.kurtosis - 3)) / 6 + np.log(2) * np.abs(missing)
    error = carried(signal.error, np.abs(f.slope)) + (f.second_error + carried(f.error, weight)) + signal.neglected
    return Norm(size, spread, f.fourth / n), error


def _first_order(layer: Layer) -> float:
    """Return the factor from z's exact cumulants to their first order: 1 but for orthogonal weights.

    There cumulants go as 1 / (N + 2), and 1 / N is consistent with the other terms of first order:
    for a phi near linear they cancel, since such a layer keeps the norm exactly.
    """
    if layer.distribution != "orthogonal":
        return 1.0
    larger = max(layer.fan_in, layer.fan_out)
    return (larger + 2) / larger


def _note_logs(record: _Record, signal: Signal) -> None:
    """Mean and variance of ln q-hat over the rows whose q is not 0.

    ln Q has mean ln m - v / 2m^2 and variance v / m^2. Given Q, ln(n q-hat / Q) is a chi-square's for normal
    weights; orthogonal ones take off their share squared of chi2_N's, others their fourth cumulant over n.
    """
    layer, z = signal.layer, signal.z
    live = z.mean.mantissa > 0
    mean, variance = z.mean.log()[live], np.zeros(live.sum())
    if not signal.infinite:
        spread, weight = (z.share**2 * signal.norm.spread)[live], z.share[live] ** 2
        own, sphere = chi2_log_moments(layer.fan_out), orthogonal_log_moments(layer)
        cumulant = 0 * spread
        if layer.distribution != "orthogonal":
            cumulant = (z.kurtosis - 3 * (1 + z.pair))[live] / layer.fan_out
        mean = mean - spread / 2 + own[0] - np.log(layer.fan_out) + weight * sphere[0] - cumulant / 2
        variance = np.maximum(spread + own[1] + weight * sphere[1] + cumulant, 0.0)
        if signal.units is not None and signal.units.sphere is None:
            mean, variance = _known_logs(signal, live, mean, variance)
    total = np.nan
    if live.any():
        share = record.weights[live] / record.weights[live].sum()
        total = (share * mean).sum()
    record.log_mean.append(total)
    record.log_variance.append((share * (variance + (mean - total) ** 2)).sum() if live.any() else np.nan)


def _known_logs(signal: Signal, live, mean, variance) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and variance of ln q-hat of the rows ``live``, exact where the law of a unit is known."""
    few, width = signal.units.few, signal.layer.fan_out
    place = np.cumsum(live)[few] - 1
    found = signal.units.log_moments(width, (1.0, 1.0))
    mean[place] = signal.z.mean.log()[few] + found[0] - np.log(width)
    variance[place] = found[1]
    return mean, variance


def _mixture_error(mean: Scaled, error: np.ndarray, weights: np.ndarray) -> float:
    """Return the relative error of a mean over rows."""
    total = mean.mean(weights)
    if total.mantissa == 0:
        return 0.0
    return float((weights * mean.over(total) * error).sum()) + 2 * EPS


def _profiles_of(record: _Record, origin: str) -> dict[str, LayerProfile]:
    errors = np.array(record.errors)
    found = profiles_of(record.layers, errors, origin, record.weights)
    found["second_moment"] = relative_profile(np.array(record.second), np.array(record.second_errors), origin)
    found["activation_mean"] = LayerProfile(record.means, record.mean_errors, origin)
    spread_errors = np.array(record.spread_errors)
    for name in ("log_mean", "log_variance"):
        values = np.array(getattr(record, name))
        found[name] = LayerProfile(values, errors + spread_errors + 4 * EPS * np.abs(values), origin)
    kurtosis = found["kurtosis"].values
    for name in ("fluctuation", "kurtosis"):
        found[name] = LayerProfile(found[name].values, found[name].errors + kurtosis * spread_errors, origin)
    return found
