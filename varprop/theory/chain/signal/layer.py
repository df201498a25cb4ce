"""What every order shares: the input, one layer given its conditional variance, and the mixture over rows.

Each row of the data is one entry of an array; x ~ N(0, I) is one entry with a spread of its own.
"""

from dataclasses import dataclass

import numpy as np

from ....inputs import Inputs
from ....network import ChainLayer, Network
from ....records import LayerProfile
from ...gaussian.log_moments import chi2_log_moments
from ...orders import cumulant
from ...scaled import Scaled

EPS = np.finfo(float).eps
RADIAL = ("normal", "orthogonal")  # laws of W for which the length of W a depends on the length of a alone


@dataclass(frozen=True, eq=False)
class SquaredNorm:
    """The law of |a|^2 for the activations that feed a layer, one entry for each row.

    Attributes
    ----------
    size
        E |a|^2.
    spread
        Var |a|^2 / (E |a|^2)^2.
    fourth
        E sum_j a_j^4 / (E |a|^2)^2, which matters for weights that are not normal.
    """

    size: Scaled
    spread: np.ndarray
    fourth: np.ndarray


def input_squared_norm(network: Network, inputs: Inputs) -> SquaredNorm:
    """Return the law of |x|^2."""
    n = inputs.width
    if inputs.rows is None:
        return SquaredNorm(Scaled.of([float(n)]), np.array([2 / n]), np.array([3 / n]))
    squares = inputs.squared_norms
    fourth = np.zeros(len(squares))
    if cumulant(network.layers[0].distribution):  # else not needed, and slow for large data
        np.divide(inputs.fourth_powers, squares, out=fourth, where=squares > 0)
        np.divide(fourth, squares, out=fourth, where=squares > 0)
    return SquaredNorm(Scaled.of(squares), np.zeros(len(squares)), fourth)


@dataclass(frozen=True, eq=False)
class Preactivation:
    """The fourth moments of z, one entry for each row.

    Attributes
    ----------
    mean
        Q = E z_i^2.
    weight_share
        The weights' part of Q, the rest being the bias.
    pair
        E z_i^2 z_j^2 / Q^2 - 1 for two units.
    kurtosis
        E z_i^4 / Q^2.
    """

    mean: Scaled
    weight_share: np.ndarray
    pair: np.ndarray
    kurtosis: np.ndarray


def mean_and_weight_share(layer: ChainLayer, size: Scaled) -> tuple[Scaled, np.ndarray]:
    """Return Q = Var(W) E|a|^2 + bias_variance, and the weights' share of it; ``size`` is E|a|^2."""
    signal = size.times(layer.weight_variance)
    mean = signal.plus(layer.bias_variance)
    return mean, signal.over(mean)


def preactivation(layer: ChainLayer, squared_norm: SquaredNorm) -> Preactivation:
    """Return the fourth moments of z = W a + b, exactly, from those of a.

    Given a, the variance of z_i is V |a|^2 + b^2, with V = Var(W) and b^2 the variance of the bias;
    w is the weights' share of its mean, so its relative variance is w^2 spread.
    Independent weights of excess kurtosis gamma add the fourth cumulant gamma V^2 sum_j a_j^4 to each
    z_i and nothing to a pair. Orthogonal weights give W a = c |a| u, with u the first fan_out
    coordinates of a uniform point on the unit sphere in N = max(fan_in, fan_out) dimensions and
    c^2 = N V. There E u_i^4 = 3 E u_i^2 u_j^2 = 3 / (N (N + 2)): against normal weights both fourth
    moments of W a shrink by N / (N + 2).
    """
    mean, weight_share = mean_and_weight_share(layer, squared_norm.size)
    weight = weight_share**2
    with np.errstate(over="ignore", invalid="ignore"):  # tails pass float64 in deep, narrow networks
        if layer.distribution == "orthogonal":
            n = max(layer.fan_in, layer.fan_out)
            pair = weight * (squared_norm.spread * (n / (n + 2)) - 2 / (n + 2))
            kurtosis = 3 * (1 + pair)
        else:
            pair = weight * squared_norm.spread
            kurtosis = 3 * (1 + pair) + cumulant(layer.distribution) * weight * squared_norm.fourth
    beyond = np.isinf(squared_norm.spread)
    if beyond.any():
        pair, kurtosis = np.where(beyond, np.inf, pair), np.where(beyond, np.inf, kurtosis)
    return Preactivation(mean, weight_share, pair, kurtosis)


def profiles_of(
    layers: list[tuple[int, Preactivation]], errors: np.ndarray, origin: str, weights: np.ndarray | None = None
) -> dict[str, LayerProfile]:
    """Return variance, fluctuation and kurtosis over the mixture of rows.

    ``layers`` holds (width, `Preactivation`), width None for infinite; ``errors`` are relative, shape (L,);
    ``weights`` are the rows' probabilities, None where they are equal.
    """
    variance, fluctuation, kurtosis = (np.empty(len(layers)) for _ in range(3))
    for l, (width, z) in enumerate(layers):
        mean = z.mean.mean(weights)
        variance[l] = mean.values()
        if mean.mantissa == 0:
            fluctuation[l] = kurtosis[l] = np.nan
            continue
        u = z.mean.over(mean)
        chances = np.full(len(u), 1 / len(u)) if weights is None else weights
        if np.isinf(z.kurtosis[u > 0]).any():
            fluctuation[l] = kurtosis[l] = np.inf
            continue
        with np.errstate(over="ignore", invalid="ignore"):
            pair = (chances * (u - 1) ** 2).sum() + (chances * u**2 * z.pair)[u > 0].sum()
            kurtosis[l] = (chances * u**2 * z.kurtosis)[u > 0].sum()
        fluctuation[l] = pair if width is None else max(pair + (kurtosis[l] - 1 - pair) / width, 0.0)
    # the other two are quotients by the squared variance, the fluctuation less 1
    with np.errstate(over="ignore"):
        return {
            "variance": relative_profile(variance, errors, origin),
            "fluctuation": LayerProfile(fluctuation, 4 * errors * (1 + np.abs(fluctuation)), origin),
            "kurtosis": relative_profile(kurtosis, 4 * errors, origin),
        }


def carried(error, factor) -> np.ndarray:
    """Return the error times ``factor``, which is positive; 0 where the factor is 0, though the error be infinite."""
    return np.where(factor > 0, error, 0.0) * factor


def relative_profile(values, errors, origin: str) -> LayerProfile:
    """Return a profile whose errors are given relative to its values."""
    with np.errstate(over="ignore", invalid="ignore"):
        return LayerProfile(values, np.abs(values) * errors, origin)


def orthogonal_log_moments(layer: ChainLayer) -> tuple[float, float]:
    """Return what orthogonal weights add to the mean and variance of ln |phi(W a)|^2; 0 for others.

    phi(g) = |g| phi(u) for homogeneous phi and g ~ N(0, I_N), with |g| and u = g / |g| independent, so
    ln |phi(u)|^2 has the mean and variance of ln |phi(g)|^2 less those of ln chi2_N; and c^2 = N V.
    """
    if layer.distribution != "orthogonal":
        return 0.0, 0.0
    n = max(layer.fan_in, layer.fan_out)
    mean, variance = chi2_log_moments(n)
    return np.log(n) - mean, -variance
