"""Moments of z up to the eighth, measured: given the layer below, z is normal, so they are means of powers of Q."""

import math

import numpy as np
from numpy.typing import ArrayLike

from .. import checks
from ..inputs import as_inputs
from ..layer_profile import LayerProfile
from ..network import Network, check_chain
from ..origins import Origin
from ..tails import lognormal_skewness, mean_skewness
from .sample import sample

HIGHEST = 8


def moments(
    network: Network,
    inputs: ArrayLike | None = None,
    *,
    networks: int,
    highest: int = HIGHEST,
    seed: int = 0,
    first: int = 0,
    method: str = "auto",
    threads: int | None = None,
    block_size: int | None = None,
) -> dict[int, LayerProfile]:
    """Return E[z^4], E[z^6] and E[z^8] of every layer of random networks, measured, with their standard errors.

    Odd moments are 0. Given the layer below, z is N(0, Q) with Q = Var(W) \\|a\\|^2 + bias_variance, so that
    E[z^2k] = (2k - 1)!! E[Q^k]: what `simulate.forward` draws gives them with less noise than powers of z.

    Parameters
    ----------
    network
        A chain with normal weights.
    inputs, networks, seed, first, method, threads, block_size
        As in `simulate.sample`; at least 2 networks.
    highest
        4, 6 or 8: up to which.

    Returns
    -------
    dict
        By 4, 6 and 8, a `LayerProfile`. The first layer's Q is that of the inputs, so its entries are exact.

    Raises
    ------
    TypeError, ValueError
        As `simulate.sample`, and for a network that is no chain or has other weights.

    Examples
    --------
    >>> from varprop import Network, simulate
    >>> found = simulate.moments(Network([64, 64, 64, 10], "relu", "he"), networks=10_000)
    >>> {power: profile.values.round(0).tolist() for power, profile in found.items()}
    {4: [12.0, 13.0, 14.0], 6: [131.0, 167.0, 206.0], 8: [2013.0, 3164.0, 4803.0]}
    """
    check_chain(network, "simulate.moments")
    for l, layer in enumerate(network.layers, 1):
        if layer.distribution != "normal":
            raise ValueError(
                f"simulate.moments needs normal weights, but layer {l} has {layer.distribution} ones; "
                "simulate.forward has the fourth moment of z, as kurtosis."
            )
    highest = checks.whole(highest, "highest", 4, HIGHEST)
    networks = checks.whole(networks, "networks", 2, 10**12)
    powers = range(2, highest // 2 + 1)
    known = [_first_layer(network, as_inputs(inputs, network.widths[0]), k) for k in powers]
    options = {"seed": seed, "first": first, "method": method, "threads": threads, "block_size": block_size}
    pivot, sums = None, np.zeros((len(powers), 4, network.depth - 1))
    with np.errstate(all="ignore"):  # exploding layers end as inf
        for block in sample(network, inputs, networks=networks, **options):
            logs = _log2_q(network, block.log2_second_moment[:, :-1])
            if pivot is None:
                pivot = np.round(np.ma.masked_invalid(logs).mean(axis=0).filled(0.0))
            x = np.exp2(logs - pivot)
            for i, k in enumerate(powers):
                sums[i] += [(x ** (k * j)).sum(axis=0) for j in (1, 2, 3, 4)]
        found = (_profile(*given, pivot, networks) for given in zip(powers, known, sums, strict=True))
        return {2 * k: profile for k, profile in zip(powers, found, strict=True)}


def _log2_q(network: Network, log2_second: np.ndarray) -> np.ndarray:
    """Return log2 Q of all layers but the first, from the mean of a^2 of the layer below."""
    weights = np.array([layer.gain_squared for layer in network.layers[1:]])
    biases = np.array([layer.bias_variance for layer in network.layers[1:]])
    return np.logaddexp2(log2_second + np.log2(weights), np.log2(biases))


def _first_layer(network: Network, inputs, k: int) -> float:
    """Return E Q^k in the first layer."""
    layer = network.layers[0]
    if inputs.rows is not None:
        with np.errstate(over="ignore"):
            return float(((layer.weight_variance * inputs.squared_norms + layer.bias_variance) ** k).mean())
    chi_square = [math.prod(layer.fan_in + 2 * i for i in range(j)) for j in range(k + 1)]
    terms = (math.comb(k, j) * layer.bias_variance ** (k - j) * layer.weight_variance**j for j in range(k + 1))
    return float(sum(term * moment for term, moment in zip(terms, chi_square, strict=True)))


def _profile(k: int, known: float, sums: np.ndarray, pivot: np.ndarray, n: int) -> LayerProfile:
    """Return E z^2k of every layer, from the sums of the first four powers of (Q / 2^pivot)^k."""
    m1, m2, m3, m4 = sums / n
    variance = np.maximum(m2 - m1**2, 0.0) * n / (n - 1)
    third, fourth = m3 - 3 * m1 * m2 + 2 * m1**3, m4 - 4 * m1 * m3 + 6 * m1**2 * m2 - 3 * m1**4
    skewness = mean_skewness(m1, variance, third, fourth, n, lognormal_skewness(variance / m1**2))
    gaussian, size = math.prod(range(1, 2 * k, 2)), np.exp2(k * pivot)
    return LayerProfile(
        gaussian * np.concatenate([[known], size * m1]),
        gaussian * np.concatenate([[0.0], size * np.sqrt(variance / n)]),
        Origin.SIMULATION,
        skewness=np.concatenate([np.zeros((2, 1)), np.atleast_2d(skewness)], axis=1),
    )
