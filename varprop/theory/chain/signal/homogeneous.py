"""Exact results at any width, where every hidden layer is linear, ReLU or leaky ReLU.

With phi(sz) = s phi(z) for s > 0 and z symmetric, phi(z)^2 is z^2 times an independent factor that is
either squared slope with probability 1/2. So the moments of z close among themselves.
"""

import numpy as np

from ....inputs import Inputs
from ....network import ChainLayer, Network
from ....records import LayerProfile
from ...gaussian.expectations import power_means
from ...gaussian.first_moment import constant_mean
from ...gaussian.log_moments import chi_mean, root_by_laplace, root_mean
from ...orders import EXACT
from .layer import (
    EPS,
    RADIAL,
    Preactivation,
    SquaredNorm,
    input_squared_norm,
    preactivation,
    profiles_of,
    relative_profile,
)


def signals(network: Network, inputs: Inputs) -> list[tuple[SquaredNorm, Preactivation]]:
    """Return for each layer the law of |a|^2 below it and the fourth moments of its z, for each row.

    With R = E|a|^2, a recursion on R, on Var|a|^2 / R^2 and on E sum a^4 / R^2.
    Exact for every weight law and Gaussian biases.
    """
    squared_norm, found = input_squared_norm(network, inputs), []
    for layer in network.layers:
        z = preactivation(layer, squared_norm)
        found.append((squared_norm, z))
        if len(found) < network.depth:
            squared_norm = activation_squared_norm(layer.fan_out, layer.activation.both_slopes, z)
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


def activation_means(network: Network, inputs: Inputs) -> tuple[np.ndarray, np.ndarray]:
    """Return E a of a unit in every layer and its error, NaN where that is not known.

    Where phi is odd but for a constant, it is that. Else E phi(z) is (s_+ - s_-) / 2 E|z|, and for normal and
    orthogonal weights E|z| is E|a| of the layer below times what one unit makes of a unit vector; E|a| is a product
    over layers as long as none but the first has a bias.
    """
    values, errors, size = np.empty(network.depth), np.empty(network.depth), 0.0
    for l, layer in enumerate(network.layers):
        one, all_units = _roots(layer)
        if l == 0:
            size = _first_size(layer, inputs)
        elif layer.bias_variance > 0 or layer.distribution not in RADIAL:
            size = np.nan
        else:
            size += 0.5 * np.log(layer.weight_variance)
        constant, slopes = constant_mean(layer.activation), layer.activation.slopes
        values[l], errors[l] = (np.nan, np.nan) if constant is None else (constant, 0.0)
        if constant is None and slopes is not None:
            with np.errstate(over="ignore", under="ignore"):
                values[l] = (slopes[1] - slopes[0]) / 2 * np.exp(size + np.log(one))
            errors[l] = EPS * (16 + 4 * l + np.abs(np.nan_to_num(size, neginf=0.0))) * np.abs(values[l])
        with np.errstate(divide="ignore"):
            size += np.log(all_units)
    return values, errors


def _roots(layer: ChainLayer) -> tuple[float, float]:
    """Return E|z_i| and E|phi(z)| where |a| and Var(W) are 1 and there is no bias, for normal or orthogonal weights."""
    slopes = layer.activation.slopes
    n = max(layer.fan_in, layer.fan_out)
    sphere = np.sqrt(n) / chi_mean(n) if layer.distribution == "orthogonal" else 1.0
    return sphere * np.sqrt(2 / np.pi), sphere * (root_mean(layer.fan_out, slopes) if slopes else np.nan)


def _first_size(layer: ChainLayer, inputs: Inputs) -> float:
    """Return ln E sqrt(Var(W) |x|^2 + bias_variance); NaN where z^1 is not that times a normal, or on a sphere."""
    v, b, n = layer.weight_variance, layer.bias_variance, inputs.width
    if layer.distribution not in RADIAL or (b > 0 and layer.distribution == "orthogonal"):
        return np.nan
    with np.errstate(divide="ignore"):
        if inputs.rows is not None:
            return float(np.log(np.sqrt(v * inputs.squared_norms + b).mean()))
        if b == 0:
            return float(np.log(chi_mean(n)) + 0.5 * np.log(v))
    bias_share = b / (b + n * v)  # of the bias: of X over its mean

    def log_laplace(y):
        return -bias_share * np.exp(y) - 0.5 * n * np.log1p(2 * (1 - bias_share) / n * np.exp(y))

    return float(np.log(root_by_laplace(log_laplace, 1.0)) + 0.5 * np.log(b + n * v))


def activation_squared_norm(width: int, slopes: tuple[float, float], z: Preactivation) -> SquaredNorm:
    """E a_i^2 a_j^2 = p1^2 E z_i^2 z_j^2 and E a_i^4 = p2 E z_i^4: signs are independent of sizes."""
    p1, ratio = power_means(slopes)
    with np.errstate(over="ignore", invalid="ignore"):  # tails pass float64 in deep, narrow networks
        fourth = z.kurtosis * ratio
        spread = z.pair + (fourth - 1 - z.pair) / width
    spread = np.where(np.isinf(fourth), np.inf, spread)
    return SquaredNorm(z.mean.times(width * p1), spread, fourth / width)
