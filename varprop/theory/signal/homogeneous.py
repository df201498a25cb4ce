"""Exact results at any width, where every hidden layer is linear, ReLU or leaky ReLU.

With phi(sz) = s phi(z) for s > 0 and z symmetric, phi(z)^2 is z^2 times an independent factor that is
either squared slope with probability 1/2. So the moments of z close among themselves.
"""

from dataclasses import dataclass

import numpy as np

from ...inputs import Inputs
from ...network import Layer, Network
from ...records import LayerProfile
from ..first_layer.rows import mixture
from ..first_layer.units import Units, one_term, units
from ..gaussian.expectations import power_means
from ..gaussian.log_moments import layer_log_moments
from ..orders import EXACT
from .layer import (
    EPS,
    Norm,
    Preactivation,
    input_norm,
    mean_and_share,
    orthogonal_log_moments,
    preactivation,
    profiles_of,
    relative_profile,
)
from .scaled import Scaled

_RADIAL = ("normal", "orthogonal")  # laws of W for which the length of W a depends on the length of a alone
_QUADRATURE = 1e-8  # error of a logarithm's moments where they are integrals over z


def signals(network: Network, inputs: Inputs) -> list[tuple[Norm, Preactivation]]:
    """Return for each layer the law of |a|^2 below it and the fourth moments of its z, for each row.

    With R = E|a|^2, a recursion on R, on Var|a|^2 / R^2 and on E sum a^4 / R^2.
    Exact for every weight law and Gaussian biases.
    """
    norm, found = input_norm(network, inputs), []
    for layer in network.layers:
        z = preactivation(layer, norm)
        found.append((norm, z))
        if len(found) < network.depth:
            norm = activation_norm(layer.fan_out, layer.activation.slopes, z)
    return found


def moment_profiles(network: Network, inputs: Inputs) -> dict[str, LayerProfile]:
    """Return variance, fluctuation, kurtosis and, if the output layer allows, second moment. Errors are rounding."""
    layers, second = [], []
    for layer, (_, z) in zip(network.layers, signals(network, inputs), strict=True):
        layers.append((layer.fan_out, z))
        if layer.activation.slopes is not None:
            second.append(z.mean.mean().times(power_means(layer.activation.slopes)[0]).values())
    errors = EPS * (8 + 4 * np.arange(1, network.depth + 1))
    profiles = profiles_of(layers, errors, EXACT)
    if len(second) == network.depth:
        profiles["second_moment"] = relative_profile(np.array(second), errors, EXACT)
    return profiles


def activation_norm(width: int, slopes: tuple[float, float], z: Preactivation) -> Norm:
    """E a_i^2 a_j^2 = p1^2 E z_i^2 z_j^2 and E a_i^4 = p2 E z_i^4: signs are independent of sizes."""
    p1, ratio = power_means(slopes)
    with np.errstate(over="ignore", invalid="ignore"):  # tails pass float64 in deep, narrow networks
        fourth = z.kurtosis * ratio
        spread = z.pair + (fourth - 1 - z.pair) / width
    spread = np.where(np.isinf(fourth), np.inf, spread)
    return Norm(z.mean.times(width * p1), spread, fourth / width)


def log_profiles(network: Network, inputs: Inputs) -> dict[str, LayerProfile]:
    """Return mean and variance of ln q-hat given that it is not 0; {} where it is no sum of known, independent terms.

    q-hat^L = |x|^2 prod_l Var(W^l) prod_(l<L) X_l chi2_(n_L) / n_L with independent factors, where X_l is
    the sum of phi^l(g)^2 over n_l normals g, given that it is not 0. Orthogonal weights put N / chi2_N
    beside each Var(W^l), in the sense of `layer.orthogonal_log_moments`. In the first layer, where the weights' law
    is known and may be any, and there may be biases, and behind a single unit, z takes the place of g.
    """
    first, upper = network.layers[0], network.layers
    if first.bias_variance > 0 or first.distribution not in _RADIAL:
        upper = network.layers[1:]
    if any(layer.bias_variance > 0 or (layer.distribution not in _RADIAL and layer.fan_in > 1) for layer in upper):
        return {}
    means, variances, errors, rough = [], [], [], 0.0
    if upper is network.layers:
        mean, variance = _input_logs(inputs)
    else:
        start = _FirstLayer.of(network, inputs)
        if start is None:
            return {}
        (mean, variance), rough = start.logs((1.0, 1.0)), _QUADRATURE
        means, variances, errors = [mean - np.log(first.fan_out)], [variance], [rough]
        if upper:
            mean, variance = start.logs(first.activation.slopes)
    size = abs(mean) + 1.0  # of all that is summed, for the rounding error
    for layer in upper:
        own = _terms(layer, (1.0, 1.0))
        mean = mean + np.log(layer.weight_variance)
        means.append(mean + own[0] - np.log(layer.fan_out))
        variances.append(np.maximum(variance + own[1], 0.0))
        size += 2 * (abs(np.log(layer.weight_variance)) + abs(own[0])) + 10
        rough += 0.0 if layer.distribution in _RADIAL else _QUADRATURE
        errors.append(4 * EPS * size + rough)
        if layer is not upper[-1]:
            terms = _terms(layer, layer.activation.slopes)
            mean, variance = mean + terms[0], variance + terms[1]
    return {"log_mean": LayerProfile(means, errors, EXACT), "log_variance": LayerProfile(variances, errors, EXACT)}


def _input_logs(inputs: Inputs) -> tuple[float, float]:
    """Return mean and variance of ln |x|^2 where it is not 0."""
    if inputs.rows is None:
        return layer_log_moments(inputs.width, (1.0, 1.0))
    logs = np.log(inputs.squared_norms[inputs.squared_norms > 0])
    return (logs.mean(), logs.var()) if len(logs) else (np.nan, np.nan)


def _terms(layer: Layer, slopes: tuple[float, float]) -> np.ndarray:
    """Return mean and variance of ln |phi(z)|^2 less ln Var(W) |a|^2, phi of these slopes, a the layer below."""
    if layer.distribution in _RADIAL:
        return np.add(layer_log_moments(layer.fan_out, slopes), orthogonal_log_moments(layer))
    return one_term(layer).log_moments(layer.fan_out, slopes)[:, 0]


@dataclass(frozen=True, eq=False)
class _FirstLayer:
    """The first layer's z for each row that gives one, independent units of known law."""

    layer: Layer
    log_variance: np.ndarray
    weights: np.ndarray
    few: np.ndarray
    units: Units | None

    @classmethod
    def of(cls, network: Network, inputs: Inputs) -> "_FirstLayer | None":
        """Return None where the units' law is not known, or they are not independent."""
        layer, rows = network.layers[0], mixture(network, inputs, infinite=False)
        mean, share = mean_and_share(layer, Scaled.of(rows.squares))
        known, few = units(layer, rows, share), np.zeros(len(share), dtype=bool)
        if known is not None:
            few[known.few] = True
        gaussian = (share == 0) | (layer.distribution == "normal")
        shared = inputs.rows is None and rows.features is None and layer.distribution != "normal" and layer.fan_out > 1
        live = mean.mantissa > 0
        if shared or layer.distribution == "orthogonal" or not (gaussian | few)[live].all() or not live.any():
            return None
        return cls(layer, mean.log()[live], rows.weights[live] / rows.weights[live].sum(), few[live], known)

    def logs(self, slopes: tuple[float, float]) -> tuple[float, float]:
        """Return mean and variance of ln sum phi(z)^2, phi of these slopes."""
        terms = np.tile(np.array(layer_log_moments(self.layer.fan_out, slopes))[:, None], len(self.weights))
        if self.units is not None:
            terms[:, self.few] = self.units.log_moments(self.layer.fan_out, slopes)
        logs = self.log_variance + terms[0]
        mean = (self.weights * logs).sum()
        return mean, (self.weights * (terms[1] + (logs - mean) ** 2)).sum()
