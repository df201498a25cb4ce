"""Two inputs through one network: infinite width, and first order in 1/width, for any activation.

Given the layer below, and for normal weights, the pairs (z_i, z_i') are independent Gaussians with covariance
K = Var(W) Gram(a, a') + bias_variance: a Markov chain on three numbers. Take them as the variances of half
the sum and half the difference of z / sqrt(E z^2) and z' / sqrt(E z'^2), and their covariance; relative to
p^2 = (1 + c)/2, p r and r^2 = (1 - c)/2 these are 1 + x_1, x_2 and 1 + x_3 with E x = 0 and covariance C.
With t the same three statistics of the activations of one unit (see `statistics`), n units and N the
scaling to the next layer's p and r,

    E mean(t) = t(0) + sum_jk t_jk C_jk / 2,        C' = N [J C J^T + Cov(t) / n] N^T,

with J and t_jk first and second derivatives of E t by x. As in `signal.wide`, C' is relative to t(0), not to the
corrected mean. A sample of n units adds C_n = diag(2, 1, 2) / n, and the cosine of z and z' has

    mean c + (1 - c^2) [-(C_11 - C_33) - c (C_11 + C_33 - 2 C_13) + 2 c C_22] / 4,
    variance (1 - c^2)^2 (C_11 + C_33 - 2 C_13) / 4.

C grows as depth over width, and these break down where it passes 1. So the cosine, and the mean of t for
homogeneous phi, come from `angles`, which agrees to first order and stays within bounds.

Other weights make the pairs not Gaussian at the same order. Independent ones of excess kurtosis gamma have
the joint fourth cumulants gamma / n E[S^j T^(4-j)], which change E f by their Hermite moments: the same
derivatives, with a third of the cumulants added to C. Orthogonal ones have, between two units, the
covariances of normal ones less those of a Wishart matrix of N = max(fan_in, fan_out) degrees of freedom.
"""

from dataclasses import dataclass

import numpy as np

from ....activations import Activation
from ....initializers import EXCESS_KURTOSIS
from ....network import Layer, Network
from ....records import LayerProfile
from ...gaussian import plane
from ...gaussian.correlation_maps import closed_moment
from ...gaussian.expectations import moments
from ...gaussian.features import features
from ...orders import FIRST, INFINITE
from ...scaled import Scaled
from ..signal.layer import EPS, mean_and_share
from ..signal.wide import FLOOR
from .angles import cosine, mean_product, spread, typical_angle
from .statistics import Statistics, from_afar, statistics

_UNIT = np.diag([2.0, 1.0, 2.0])  # relative covariance of (S^2, ST, T^2) of one normal unit
_CEILING = 1e4  # of a relative covariance: far beyond, as the expansion breaks down at about 1
_NOISE = 1e-30  # below this r^2 or p^2 is the rounding of a difference of equal numbers


@dataclass(frozen=True, eq=False)
class Gram:
    """The law of the Gram matrix of the two activations that feed a layer.

    Attributes
    ----------
    sizes
        E |a|^2 and E |a'|^2, shape (2,).
    error
        Their relative error.
    mean
        (E S^2, E ST, E T^2) with S, T half the sum and difference of a and a', each over its root mean square.
    covariance
        Of (S^2, ST, T^2), each the mean over units.
    fourth
        E t t^T / n for t = (S^2, ST, T^2) of one unit, which matters for weights that are not normal.
    """

    sizes: Scaled
    error: float
    mean: np.ndarray
    covariance: np.ndarray
    fourth: np.ndarray


def given_gram(rows: np.ndarray) -> Gram:
    """Return the `Gram` of two given inputs, neither of them 0."""
    sizes = np.einsum("ij,ij->i", rows, rows)
    a, b = rows / np.sqrt(sizes)[:, None]
    s, d = (a + b) / 2, (a - b) / 2
    t = np.stack([s * s, s * d, d * d])
    mean = t.sum(axis=1)
    mean[1] = 0.0  # both have length 1
    return Gram(Scaled.of(sizes), 4 * EPS, mean, np.zeros((3, 3)), t @ t.T)


def random_gram(width: int, correlation: float) -> Gram:
    """Return the `Gram` of two inputs of N(0, 1) features, each pair of features of that correlation."""
    mean = np.array([(1 + correlation) / 2, 0.0, (1 - correlation) / 2])
    noise = wick(mean) / width
    return Gram(Scaled.of([float(width)] * 2), 4 * EPS, mean, noise, noise + np.outer(mean, mean) / width)


def wick(k) -> np.ndarray:
    """Return the covariance of (S^2, ST, T^2) for Gaussian S, T with covariances k = (SS, ST, TT)."""
    ss, st, tt = k
    mixed = ss * tt + st**2
    rows = [2 * ss**2, 2 * ss * st, 2 * st**2], [2 * ss * st, mixed, 2 * st * tt], [2 * st**2, 2 * st * tt, 2 * tt**2]
    return np.array(rows)


@dataclass
class _Layers:
    correlation: list
    cosine: list
    variance: list
    error: list


def profiles(network: Network, gram: Gram, *, infinite: bool) -> dict[str, LayerProfile]:
    """Return correlation, cosine and cosine_variance, at infinite width or to first order in 1/width.

    The recursion runs twice, with a coarser rule the second time; the difference bounds the quadrature's error.
    Homogeneous activations need no second run, as their rule is exact to rounding.
    """
    fine = _run(network, gram, infinite, 0)
    exact = all(layer.activation.slopes is not None for layer in network.layers)
    coarse = fine if exact else _run(network, gram, infinite, 1)
    rounding = np.array(fine.error) + EPS * (16 + 8 * np.arange(1, network.depth + 1))
    origin, found = INFINITE if infinite else FIRST, {}
    for name, key in (("correlation", "correlation"), ("cosine", "cosine"), ("cosine_variance", "variance")):
        values, others = (np.array(getattr(run, key)) for run in (fine, coarse))
        size = 1.0
        if name == "cosine_variance":  # a difference of numbers up to 1, unless it is 0 by definition
            size = 0.0 if infinite else values + 0.25
        found[name] = LayerProfile(values, np.abs(values - others) + rounding * size, origin)
    return found


def _run(network: Network, gram: Gram, infinite: bool, level: int) -> _Layers:
    out = _Layers([], [], [], [])
    if infinite:
        gram = Gram(gram.sizes, gram.error, gram.mean, np.zeros((3, 3)), gram.fourth)
    for layer in network.layers:
        z = _preactivation(layer, gram, infinite)
        out.correlation.append(z.correlation)
        cosine, variance = _cosine(layer, z, infinite)
        out.cosine.append(cosine)
        out.variance.append(variance)
        out.error.append(z.error)
        gram = _activation(layer, z, infinite, level)
    return out


@dataclass(frozen=True, eq=False)
class _Pair:
    """The law of (z, z'): variances, c, p^2 and r^2, C, what one unit adds to it, and a relative error."""

    means: Scaled
    correlation: float
    parts: tuple[float, float]
    covariance: np.ndarray
    own: np.ndarray
    error: float


def _preactivation(layer: Layer, gram: Gram, infinite: bool) -> _Pair:
    means, shares = mean_and_share(layer, gram.sizes)
    mix = _mixing(*np.sqrt(shares))
    bias = np.sqrt(np.maximum(1 - shares, 0.0)) if layer.bias_variance > 0 else np.zeros(2)
    weights_part = mix @ gram.mean
    k = weights_part + np.array([(bias[0] + bias[1]) ** 2, 0.0, (bias[0] - bias[1]) ** 2]) / 4
    if (means.mantissa == 0).any():
        return _Pair(means, np.nan, (1.0, 0.0), np.zeros((3, 3)), np.zeros((3, 3)), gram.error)
    p2, r2 = (x if x > _NOISE else 0.0 for x in (k[0], k[2]))
    total = p2 + r2
    p2, r2 = p2 / total, r2 / total
    scale = np.array([_inverse(p2), _inverse(np.sqrt(p2 * r2)), _inverse(r2)])
    to_relative = scale[:, None] * mix
    covariance, own = to_relative @ gram.covariance @ to_relative.T, _UNIT
    if layer.distribution == "orthogonal":
        covariance = covariance - wick(weights_part) * np.outer(scale, scale) / max(layer.fan_in, layer.fan_out)
    elif not infinite:
        cumulants = EXCESS_KURTOSIS[layer.distribution] * to_relative @ gram.fourth @ to_relative.T
        own = own + cumulants
    if infinite:
        covariance = np.zeros((3, 3))
    covariance = covariance * min(1.0, _CEILING / max(np.abs(covariance).max(), 1.0))
    error = float((shares * gram.error).max()) + 4 * EPS
    return _Pair(means, p2 - r2, (p2, r2), covariance, own, error)


def _bounded(covariance: np.ndarray) -> np.ndarray:
    """Keep E x_2^2 below E (1 + x_1)(1 + x_3), as for every Gram matrix."""
    most = 1 + max(covariance[0, 2], 0.0)
    factors = np.array([1.0, np.sqrt(most / max(covariance[1, 1], most)), 1.0])
    return covariance * np.outer(factors, factors)


def _inverse(x: float) -> float:
    return 1 / x if x > 0 else 0.0


def _mixing(a: float, b: float) -> np.ndarray:
    """Return what (S^2, ST, T^2) of (A, B) become for (aA, bB)."""
    u, v = (a + b) / 2, (a - b) / 2
    return np.array([[u * u, 2 * u * v, v * v], [u * v, u * u + v * v, u * v], [v * v, 2 * u * v, u * u]])


def _cosine(layer: Layer, z: _Pair, infinite: bool) -> tuple[float, float]:
    """Return mean and variance of the cosine of a sample of units.

    atanh of K's own correlation is taken as normal, which keeps deep networks inside [-1, 1].
    """
    p2, r2 = z.parts
    if infinite or min(p2, r2) == 0 or np.isnan(z.correlation):
        return z.correlation, 0.0 * z.correlation
    below, own = z.covariance, z.own / layer.fan_out
    noise = spread(own) / 4
    if layer.distribution == "orthogonal":
        larger = max(layer.fan_in, layer.fan_out)
        below, noise = below + _UNIT / larger, noise - 1 / larger
    noise = max(noise, 0.0)
    total = z.covariance + own - noise * _UNIT
    center = typical_angle(z.parts, total)
    return cosine(center, max(spread(below), 0.0) / 4, noise)


def _activation(layer: Layer, z: _Pair, infinite: bool, level: int) -> Gram:
    n = layer.fan_out
    q, missing = z.means.clipped()
    f = moments(layer.activation, q)
    phi = from_afar(layer.activation, np.sqrt(q.min()))
    t = _statistics(phi, z, q, f.second, infinite, level)
    error = float((np.abs(f.slope) * z.error + f.second_error + f.error * (1 + np.log(2) * np.abs(missing))).max())
    grown = Scaled.of(f.second).times_power_of_two(missing * f.slope).times(n)
    if (f.second > 0).all():  # else one of them is 0
        error += _missed(layer.activation, q, t)
    if phi.slopes is None:
        error += plane.scatter((features(phi),) * 2, np.sqrt(q), *np.sqrt(z.parts)) * float(np.sqrt(f.fourth.max()))
    if infinite:
        return Gram(grown, error, t.mean, np.zeros((3, 3)), t.product / n)
    below = _effective(z)
    mean, corrections = _corrected(t, _bounded(below))
    if phi.slopes is not None and layer.distribution != "orthogonal" and spread(below) >= 0:
        product = mean_product(phi, z.parts, below)
        mean = np.array([(1 + product) / 2, 0.0, (1 - product) / 2])
    covariance = t.first @ z.covariance @ t.first.T + (t.product - np.outer(t.mean, t.mean)) / n
    mean = _mixing(*(1 / np.sqrt(corrections))) @ mean
    move = _moving(mean, t.mean)
    return Gram(grown.times(corrections), error, mean, move @ covariance @ move.T, t.product / n)


def _missed(phi: Activation, q, t: Statistics) -> float:
    """Return how much of E a^2 + E a'^2, which is 2, the plane's rule missed: of an exponential it may be all."""
    missed = abs(t.mean[0] + t.mean[2] - 1)
    if missed > 0.5:
        raise ValueError(
            f"the quadrature of two inputs misses the moments of activation {phi.name!r} at variance {q.max():.3g}; "
            "use smaller weights if the signal explodes."
        )
    return missed


def _statistics(phi: Activation, z: _Pair, q, seconds, infinite: bool, level: int) -> Statistics:
    """Return the `Statistics`; at infinite width only the mean counts, and is closed where it can be."""
    if infinite and phi.slopes is None:
        closed = closed_moment(phi)
        if closed is not None and (seconds > 0).all():
            p2, r2 = z.parts
            value, _ = closed(q[0], q[1], p2 - r2, 2 * r2)
            cosine = np.clip(value / np.sqrt(seconds[0]) / np.sqrt(seconds[1]), -1.0, 1.0)
            mean = np.array([(1 + cosine) / 2, 0.0, (1 - cosine) / 2])
            return Statistics(mean, np.zeros((3, 3)), np.zeros((3, 3, 3)), np.zeros((3, 3)))
    return statistics(phi, tuple(q), tuple(np.sqrt(seconds)), tuple(np.sqrt(z.parts)), level, not infinite)


def _moving(mean: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Return what keeps the spread of A^2, of B^2 and of the smaller of S^2 and T^2 relative to their means.

    A^2 + B^2 is twice S^2 + T^2, so the larger one makes up for it.
    """
    move, (small, large) = np.eye(3), (2, 0) if before[0] > before[2] else (0, 2)
    if before[small] > 0:
        factor = mean[small] / before[small]
        move[small, small], move[large, small] = factor, 1 - factor
    return move


def _effective(z: _Pair) -> np.ndarray:
    """Return C with a third of one unit's fourth cumulants."""
    return z.covariance + (z.own - _UNIT) / 3


def _corrected(t: Statistics, covariance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return E mean(t), and the factors by which E a^2 and E a'^2 differ from their values at E K."""
    shift = np.einsum("ijk,jk->i", t.second, covariance) / 2
    mean = t.mean + shift
    mean[[0, 2]] = np.maximum(mean[[0, 2]], FLOOR * t.mean[[0, 2]])
    signs = np.array([[1, 2, 1], [1, -2, 1]])  # A = S + T and B = S - T
    before = signs @ t.mean
    corrections = np.divide(signs @ mean, before, out=np.ones(2), where=before > 0)
    return mean, np.maximum(corrections, FLOOR)
