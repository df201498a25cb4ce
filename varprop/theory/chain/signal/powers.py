"""E z^4, E z^6 and E z^8 at any width, where every hidden layer is linear, ReLU or leaky ReLU.

With normal weights z given the layer below is N(0, Q), and Q' of the next layer is Var(W) Q S + bias_variance, where
S = sum_i phi(Z_i)^2, Z_i ~ N(0, 1), is independent of Q; in the first layer |x|^2 stands for Q S. So the moments of Q
close among themselves, by the binomial theorem, and no term is negative. Orthogonal weights without a bias make z
c |a| u, u on a unit sphere in N dimensions: then each S^j, and each z^2j, has N^j / N (N + 2) ... (N + 2j - 2) beside
it. All is carried as logarithms.
"""

import math

import numpy as np

from ....inputs import Inputs
from ....network import Network
from ....origins import Origin
from ....records import LayerProfile
from .layer import EPS, RADIAL

_MOST = 4  # moments of Q


def known(network: Network) -> bool:
    """Whether `moments` has them: weights are normal, or orthogonal in layers without biases."""
    hidden = all(layer.activation.slopes is not None for layer in network.layers[:-1])
    return hidden and all(
        layer.distribution in RADIAL and not (layer.distribution == "orthogonal" and layer.bias_variance > 0)
        for layer in network.layers
    )


def moments(network: Network, inputs: Inputs, power: int) -> LayerProfile:
    """Return E z^power of every layer, power 4, 6 or 8."""
    k, logs, found = power // 2, np.zeros(_MOST + 1), []  # ln E Q^j, j from 0 on
    with np.errstate(divide="ignore"):
        below = _of_inputs(inputs)
        for layer in network.layers:
            orthogonal = layer.distribution == "orthogonal"
            sphere = orthogonal * _sphere(max(layer.fan_in, layer.fan_out))
            logs = _with_bias(logs + below + np.log(layer.weight_variance) * np.arange(_MOST + 1), layer.bias_variance)
            found.append(logs[k] + sphere[k] + np.log(math.prod(range(1, power, 2))))
            if layer.activation.slopes is not None:
                below = np.log(_of_sum(layer.fan_out, layer.activation.slopes)) + sphere
    depths = np.arange(1, network.depth + 1)
    with np.errstate(over="ignore", invalid="ignore"):
        values = np.exp(found)
        errors = values * EPS * (8 * k * depths + 4 * np.abs(np.where(values > 0, found, 0.0)))
    return LayerProfile(values, errors, Origin.EXACT)


def _of_inputs(inputs: Inputs) -> np.ndarray:
    """Return ln E |x|^2j."""
    j = np.arange(_MOST + 1)
    if inputs.rows is None:
        return np.array([sum(math.log(inputs.width + 2 * i) for i in range(n)) for n in j])
    norms = np.log(inputs.squared_norms[inputs.squared_norms > 0])
    terms = np.multiply.outer(j, norms)
    total = np.logaddexp.reduce(terms, axis=1, initial=-np.inf) - np.log(len(inputs.rows))
    return np.where(j == 0, 0.0, total)


def _sphere(n: int) -> np.ndarray:
    """Return ln of N^j / N (N + 2) ... (N + 2j - 2)."""
    return np.array([sum(math.log(n / (n + 2 * i)) for i in range(j)) for j in range(_MOST + 1)])


def _with_bias(logs: np.ndarray, bias_variance: float) -> np.ndarray:
    """Return ln E (X + bias_variance)^j from ln E X^j."""
    if bias_variance == 0:
        return logs
    bias = np.log(bias_variance)
    return np.array(
        [
            np.logaddexp.reduce([math.log(math.comb(j, i)) + logs[i] + (j - i) * bias for i in range(j + 1)])
            for j in range(_MOST + 1)
        ]
    )


def _of_sum(count: int, slopes: tuple[float, float]) -> np.ndarray:
    """Return E S^j of ``count`` units of these slopes: of halves, and of halves of these."""
    if count == 1:
        one = [math.prod(range(1, 2 * j, 2)) * sum(s ** (2 * j) for s in slopes) / 2 for j in range(_MOST + 1)]
        return np.array(one, dtype=float)
    half = _of_sum(count // 2, slopes)
    total = _of_two(half, half)
    return _of_two(total, _of_sum(1, slopes)) if count % 2 else total


def _of_two(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the moments of a sum of two that are independent."""
    return np.array([sum(math.comb(j, i) * a[i] * b[j - i] for i in range(j + 1)) for j in range(_MOST + 1)])
