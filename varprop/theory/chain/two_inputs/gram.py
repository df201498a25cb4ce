"""Two inputs at one layer: the law of their Gram matrix below it, and of their preactivations.

S and T are half the sum and half the difference of the two, each over its root mean square.
"""

from dataclasses import dataclass

import numpy as np

from ....activations import Activation
from ....network import ChainLayer
from ...gaussian import plane
from ...gaussian.expectations import Moments, moments
from ...gaussian.features import features
from ...scaled import Scaled
from ..signal.layer import EPS, mean_and_weight_share
from .statistics import Statistics, from_afar

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


@dataclass(frozen=True, eq=False)
class Pair:
    """The law of (z, z') at the mean of the Gram matrix below.

    Attributes
    ----------
    means
        E z^2 and E z'^2, shape (2,).
    correlation
        c; NaN where z or z' is 0.
    parts
        p^2 = (1 + c) / 2 and r^2 = (1 - c) / 2.
    error
        A relative error of these.
    scale
        1 / p^2, 1 / (p r) and 1 / r^2; 0 for what is infinite.
    mix
        What takes (S^2, ST, T^2) of a and a' to those of W a and W a' over E z^2, shape (3, 3).
    weights
        That, of the mean.
    """

    means: Scaled
    correlation: float
    parts: tuple[float, float]
    error: float
    scale: np.ndarray
    mix: np.ndarray
    weights: np.ndarray


def mean_pair(layer: ChainLayer, gram: Gram) -> Pair:
    """Return the law of (z, z') at the mean of the `Gram` below."""
    means, weight_shares = mean_and_weight_share(layer, gram.sizes)
    mix = mixing(*np.sqrt(weight_shares))
    bias = np.sqrt(np.maximum(1 - weight_shares, 0.0)) if layer.bias_variance > 0 else np.zeros(2)
    weights = mix @ gram.mean
    if (means.mantissa == 0).any():
        return Pair(means, np.nan, (1.0, 0.0), gram.error, np.zeros(3), mix, weights)
    k = weights + np.array([(bias[0] + bias[1]) ** 2, 0.0, (bias[0] - bias[1]) ** 2]) / 4
    p2, r2 = (x if x > _NOISE else 0.0 for x in (k[0], k[2]))
    total = p2 + r2
    p2, r2 = p2 / total, r2 / total
    scale = np.array([_inverse(p2), _inverse(np.sqrt(p2 * r2)), _inverse(r2)])
    error = float((weight_shares * gram.error).max()) + 4 * EPS
    return Pair(means, p2 - r2, (p2, r2), error, scale, mix, weights)


@dataclass(frozen=True, eq=False)
class Units:
    """The activation of one layer: phi as good as it is at this size, its variances q and its `Moments` there."""

    phi: Activation
    q: np.ndarray
    missing: np.ndarray
    moments: Moments

    @classmethod
    def of(cls, layer: ChainLayer, pair: Pair) -> "Units":
        q, missing = pair.means.clipped()
        return cls(from_afar(layer.activation, np.sqrt(q.min())), q, missing, moments(layer.activation, q))

    def point(self, pair: Pair) -> tuple:
        """Return where `statistics` looks: phi, variances, root mean squares and (p, r)."""
        return self.phi, tuple(self.q), tuple(np.sqrt(self.moments.second)), tuple(np.sqrt(pair.parts))

    def sizes(self, layer: ChainLayer, pair: Pair, t: Statistics) -> tuple[Scaled, float]:
        """Return E |a|^2 and E |a'|^2 of the layer above at the mean, and the relative error of what ``t`` says too."""
        f, q = self.moments, self.q
        power = f.error * (1 + np.log(2) * np.abs(self.missing))
        error = float((np.abs(f.slope) * pair.error + f.second_error + power).max())
        if (f.second > 0).all():  # else one of them is 0
            error += _missed(layer.activation, q, t)
        if self.phi.slopes is None:
            apart = plane.scatter((features(self.phi),) * 2, np.sqrt(q), *np.sqrt(pair.parts))
            error += apart * float(np.sqrt(f.fourth.max()))
        return Scaled.of(f.second).times_power_of_two(self.missing * f.slope).times(layer.fan_out), error


def _missed(phi: Activation, q, t: Statistics) -> float:
    """Return how much of E a^2 + E a'^2, which is 2, the plane's rule missed: of an exponential it may be all."""
    missed = abs(t.mean[0] + t.mean[2] - 1)
    if missed > 0.5:
        raise ValueError(
            f"the quadrature of two inputs misses the moments of activation {phi.name!r} at variance {q.max():.3g}; "
            "use smaller weights if the signal explodes."
        )
    return missed


def _inverse(x: float) -> float:
    return 1 / x if x > 0 else 0.0


def mixing(a: float, b: float) -> np.ndarray:
    """Return what (S^2, ST, T^2) of (A, B) become for (aA, bB)."""
    u, v = (a + b) / 2, (a - b) / 2
    return np.array([[u * u, 2 * u * v, v * v], [u * v, u * u + v * v, u * v], [v * v, 2 * u * v, u * u]])
