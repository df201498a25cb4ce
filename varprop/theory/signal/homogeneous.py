"""Exact results at any width, where every hidden layer is linear, ReLU or leaky ReLU.

With phi(sz) = s phi(z) for s > 0 and z symmetric, phi(z)^2 is z^2 times an independent factor that is
either squared slope with probability 1/2. So the moments of z close among themselves.
"""

import numpy as np

from ...inputs import Inputs
from ...network import Network
from ...records import LayerProfile
from ..gaussian.expectations import power_means
from ..gaussian.log_moments import chi2_log_moments, layer_log_moments
from ..orders import EXACT
from .layer import (
    EPS,
    Norm,
    Preactivation,
    input_norm,
    orthogonal_log_moments,
    preactivation,
    profiles_of,
    relative_profile,
)


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


def has_exact_logarithms(network: Network) -> bool:
    """Whether ln q-hat is a sum of independent terms of known law."""
    return all(layer.bias_variance == 0 and layer.distribution in ("normal", "orthogonal") for layer in network.layers)


def log_profiles(network: Network, inputs: Inputs) -> dict[str, LayerProfile]:
    """Return mean and variance of ln q-hat given that it is not 0.

    q-hat^L = |x|^2 prod_l Var(W^l) prod_(l<L) X_l chi2_(n_L) / n_L with independent factors, where X_l is
    the sum of phi^l(g)^2 over n_l normals g, given that it is not 0. Orthogonal weights put N / chi2_N
    beside each Var(W^l), in the sense of `layer.orthogonal_log_moments`.
    """
    if inputs.rows is None:
        mean, variance = layer_log_moments(inputs.width, (1.0, 1.0))
    else:
        logs = np.log(inputs.squared_norms[inputs.squared_norms > 0])
        mean, variance = (logs.mean(), logs.var()) if len(logs) else (np.nan, np.nan)
    size = abs(mean) + 1.0  # of all that is summed, for the rounding error
    means, variances, errors = [], [], []
    for l, layer in enumerate(network.layers):
        sphere = orthogonal_log_moments(layer)
        mean, variance = mean + sphere[0] + np.log(layer.weight_variance), variance + sphere[1]
        own = chi2_log_moments(layer.fan_out)
        means.append(mean + own[0] - np.log(layer.fan_out))
        variances.append(np.maximum(variance + own[1], 0.0))
        size += 2 * (abs(sphere[0]) + abs(np.log(layer.weight_variance)) + abs(own[0])) + 10
        errors.append(4 * EPS * size)
        if l + 1 < network.depth:
            terms = layer_log_moments(layer.fan_out, layer.activation.slopes)
            mean, variance = mean + terms[0], variance + terms[1]
    return {"log_mean": LayerProfile(means, errors, EXACT), "log_variance": LayerProfile(variances, errors, EXACT)}
