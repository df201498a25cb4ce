"""Exact results at any width, where every hidden layer is linear, ReLU or leaky ReLU.

With phi(sz) = s phi(z) for s > 0 and z symmetric, phi(z)^2 is z^2 times an independent factor that is
either squared slope with probability 1/2. So the moments of z close among themselves.
"""

import numpy as np

from ....inputs import Inputs
from ....network import Network
from ....records import LayerProfile
from ...gaussian.expectations import power_means
from ...orders import EXACT
from .layer import (
    EPS,
    Norm,
    Preactivation,
    input_norm,
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
