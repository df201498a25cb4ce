"""Two inputs through one network, to first order in 1/width, for any activation.

Given the layer below, and for normal weights, the pairs (z_i, z_i') are independent Gaussians with covariance
K = Var(W) Gram(a, a') + bias_variance: a Markov chain on three numbers. Take them as the variances of half
the sum and half the difference of z / sqrt(E z^2) and z' / sqrt(E z'^2), and their covariance; relative to
p^2 = (1 + c)/2, p r and r^2 = (1 - c)/2 these are 1 + x_1, x_2 and 1 + x_3 with E x = 0 and covariance C.
With t the same three statistics of the activations of one unit (see `statistics`), n units and N the
scaling to the next layer's p and r,

    E mean(t) = t(0) + sum_jk t_jk C_jk / 2,        C' = N [J C J^T + Cov(t) / n] N^T,

with J and t_jk first and second derivatives of E t by x. As in `signal.first`, C' is relative to t(0), not to the
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

from ....network import ChainLayer
from ....origins import Origin
from ....variance_scaling import fourth_cumulant
from ..signal.signal import FLOOR
from . import angles
from .gram import Gram, Pair, Units, mean_pair, mixing, wick
from .statistics import Statistics, statistics

ORIGIN = Origin.FIRST
ALIKE = False
_UNIT = np.diag([2.0, 1.0, 2.0])  # relative covariance of (S^2, ST, T^2) of one normal unit
_CEILING = 1e4  # of a relative covariance: far beyond, as the expansion breaks down at about 1


def start(gram: Gram) -> Gram:
    """Return the `Gram` of the inputs."""
    return gram


@dataclass(frozen=True, eq=False)
class Noisy(Pair):
    """A `Pair` with C, the relative covariance of the Gram matrix below, and what one unit adds to it."""

    covariance: np.ndarray
    own: np.ndarray


def preactivation(layer: ChainLayer, gram: Gram) -> Noisy:
    """Return the law of (z, z') over the `Gram` below."""
    z = mean_pair(layer, gram)
    to_relative = z.scale[:, None] * z.mix
    covariance, own = to_relative @ gram.covariance @ to_relative.T, _UNIT
    if np.isnan(z.correlation):
        own = np.zeros((3, 3))
    elif layer.distribution == "orthogonal":
        covariance = covariance - wick(z.weights) * np.outer(z.scale, z.scale) / max(layer.fan_in, layer.fan_out)
    else:
        own = own + fourth_cumulant(layer.distribution) * to_relative @ gram.fourth @ to_relative.T
    covariance = covariance * min(1.0, _CEILING / max(np.abs(covariance).max(), 1.0))
    return Noisy(**vars(z), covariance=covariance, own=own)


def cosine(layer: ChainLayer, z: Noisy) -> tuple[float, float]:
    """Return mean and variance of the cosine of a sample of units.

    atanh of K's own correlation is taken as normal, which keeps deep networks inside [-1, 1].
    """
    p2, r2 = z.parts
    if min(p2, r2) == 0 or np.isnan(z.correlation):
        return z.correlation, 0.0 * z.correlation
    below, own = z.covariance, z.own / layer.fan_out
    noise = angles.spread(own) / 4
    if layer.distribution == "orthogonal":
        larger = max(layer.fan_in, layer.fan_out)
        below, noise = below + _UNIT / larger, noise - 1 / larger
    noise = max(noise, 0.0)
    total = z.covariance + own - noise * _UNIT
    center = angles.typical_angle(z.parts, total)
    return angles.cosine(center, max(angles.spread(below), 0.0) / 4, noise)


def activation(layer: ChainLayer, z: Noisy, level: int) -> Gram:
    """Return the `Gram` above; ``level`` is that of `statistics`."""
    units, n = Units.of(layer, z), layer.fan_out
    t = statistics(*units.point(z), level, True)
    sizes, error = units.sizes(layer, z, t)
    below = z.covariance + (z.own - _UNIT) / 3  # C with a third of one unit's fourth cumulants
    mean, corrections = corrected(t, _bounded(below))
    if units.phi.slopes is not None and layer.distribution != "orthogonal" and angles.spread(below) >= 0:
        product = angles.mean_product(units.phi, z.parts, below)
        mean = np.array([(1 + product) / 2, 0.0, (1 - product) / 2])
    covariance = t.first @ z.covariance @ t.first.T + (t.product - np.outer(t.mean, t.mean)) / n
    mean = mixing(*(1 / np.sqrt(corrections))) @ mean
    move = _moving(mean, t.mean)
    return Gram(sizes.times(corrections), error, mean, move @ covariance @ move.T, t.product / n)


def _bounded(covariance: np.ndarray) -> np.ndarray:
    """Keep E x_2^2 below E (1 + x_1)(1 + x_3), as for every Gram matrix."""
    most = 1 + max(covariance[0, 2], 0.0)
    factors = np.array([1.0, np.sqrt(most / max(covariance[1, 1], most)), 1.0])
    return covariance * np.outer(factors, factors)


def _moving(mean: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Return what keeps the spread of A^2, of B^2 and of the smaller of S^2 and T^2 relative to their means.

    A^2 + B^2 is twice S^2 + T^2, so the larger one makes up for it.
    """
    move, (small, large) = np.eye(3), (2, 0) if before[0] > before[2] else (0, 2)
    if before[small] > 0:
        factor = mean[small] / before[small]
        move[small, small], move[large, small] = factor, 1 - factor
    return move


def corrected(t: Statistics, covariance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return E mean(t), and the factors by which E a^2 and E a'^2 differ from their values at E K."""
    shift = np.einsum("ijk,jk->i", t.second, covariance) / 2
    mean = t.mean + shift
    mean[[0, 2]] = np.maximum(mean[[0, 2]], FLOOR * t.mean[[0, 2]])
    signs = np.array([[1, 2, 1], [1, -2, 1]])  # A = S + T and B = S - T
    before = signs @ t.mean
    corrections = np.divide(signs @ mean, before, out=np.ones(2), where=before > 0)
    return mean, np.maximum(corrections, FLOOR)
