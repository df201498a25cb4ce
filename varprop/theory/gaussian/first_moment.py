"""The mean of an activation, E phi(sqrt(q) Z), and its derivatives by q: closed forms where known, else quadrature."""

from dataclasses import dataclass

import numpy as np
from scipy import special

from ...activations import CUSTOM, SELU_ALPHA, SELU_SCALE, Activation
from . import quadrature
from .expectations import checked_variances
from .features import features
from .panels import REACH, ROUNDING

_EPS = np.finfo(float).eps
_FAR = 8.0  # where erfcx goes over to its asymptotic series
_ODD = ("tanh", "erf", "sin", "softsign", "hardtanh")


@dataclass(frozen=True, eq=False)
class FirstMoments:
    """What first order in 1/width needs of phi(sqrt(q) Z), one entry for each q.

    Attributes
    ----------
    mean
        M = E phi.
    slope, curvature
        q M' and q^2 M''.
    error
        A bound on the absolute error of all three.
    """

    mean: np.ndarray
    slope: np.ndarray
    curvature: np.ndarray
    error: np.ndarray


def constant_mean(activation: Activation) -> float | None:
    """Return E phi(z), where phi is such that every symmetric z has the same: phi less a constant is odd; else None."""
    if activation.slopes is not None:
        return 0.0 if activation.slopes[0] == activation.slopes[1] else None
    if activation.code == CUSTOM:
        return None
    return {**dict.fromkeys(_ODD, 0.0), "sigmoid": 0.5}.get(activation.name)


def first_moment(activation: Activation, q) -> tuple[np.ndarray, np.ndarray]:
    """Return E phi(sqrt(q) Z) and a bound on its error, both of the shape of ``q``; Z ~ N(0, 1).

    Arguments and errors are those of `first_moments`, but for the shape.
    """
    q = checked_variances(q)
    found = first_moments(activation, q.ravel())
    return found.mean.reshape(q.shape), found.error.reshape(q.shape)


def first_moments(activation: Activation, q: np.ndarray) -> FirstMoments:
    """Return the `FirstMoments` of an activation at the variances ``q``, shape (R,), zero or positive.

    Raises
    ------
    ValueError
        If phi gives NaN or infinity.

    Sources
    -------
    relu: E|Z| = sqrt(2 / pi). gelu: E z Phi(z) by Stein's identity. elu: E[exp(x); x < 0] by completing the square.
    """
    constant, (known, least) = constant_mean(activation), (None, np.inf)
    if activation.code != CUSTOM:
        known, least = _CLOSED.get(activation.name, (None, np.inf))
    if constant is not None:
        return FirstMoments(np.full(q.shape, constant), np.zeros(q.shape), np.zeros(q.shape), np.zeros(q.shape))
    if activation.slopes is not None:
        minus, plus = activation.slopes
        mean = (plus - minus) / 2 * np.sqrt(2 * q / np.pi)
        return FirstMoments(mean, mean / 2, -mean / 4, 4 * _EPS * np.abs(mean))
    found, rest = np.empty((4, *q.shape)), q < least
    if not rest.all():
        found[:, ~rest] = known(q[~rest])
    if rest.any():
        found[:, rest] = _by_quadrature(activation, q[rest])
    return FirstMoments(*found)


def _by_quadrature(activation: Activation, q: np.ndarray) -> np.ndarray:
    def sums(z, weights, scale):
        f = weights * quadrature.values(activation.phi, activation.name, scale * z)
        z2 = z * z
        he2, he4 = (f * (z2 - 1)).sum(axis=1) / 2, (f * (z2 * (z2 - 6) + 3)).sum(axis=1) / 4
        return np.stack([f.sum(axis=1), he2, he4, np.abs(f).sum(axis=1)])

    distinct, back = np.unique(q, return_inverse=True)
    look = features(activation)
    found, apart = quadrature.integrals(sums, (look,), distinct)
    noise = ROUNDING + 8 * look.noise(REACH * np.sqrt(distinct))
    return np.stack([*found[:3], apart[:3].max(axis=0) + noise * found[3]])[:, back]


def _gelu(q):
    mean, x = np.sqrt(q) * np.sqrt(q / (1 + q) / (2 * np.pi)), q / (1 + q)
    return mean, mean * (1 - x / 2), -mean * x * (1 - 0.75 * x), 8 * _EPS * mean


def _elu(q, scale=1.0, alpha=1.0):
    """E[x; x > 0] + alpha E[e^x - 1; x < 0]; the latter is (h(s) - 1) / 2, h = erfcx, s^2 = q / 2."""
    above, s = np.sqrt(q / (2 * np.pi)), np.sqrt(q / 2)
    h, first, second = np.where(s <= _FAR, _erfcx(np.minimum(s, _FAR)), _erfcx_far(np.maximum(s, _FAR)))
    mean, slope = above + alpha * (h - 1) / 2, above / 2 + alpha * first / 2
    error = 16 * _EPS * scale * (1 + alpha) * (1 + s + np.minimum(s, _FAR) ** 3)
    return scale * mean, scale * slope, scale * (alpha * (second - first) / 2 - above / 4), error


def _erfcx(s):
    """Return h = erfcx(s), D h and D^2 h, D = d / d ln s^2: D h = s^2 h - s / sqrt(pi)."""
    h = special.erfcx(s)
    first = s * s * h - s / np.sqrt(np.pi)
    return np.stack([h, first, s * s * (h + first) - s / (2 * np.sqrt(np.pi))])


def _erfcx_far(s):
    """The same by the asymptotic series, where the above cancels; its terms are powers of s."""
    found, term = np.zeros((3, *s.shape)), 1 / (s * np.sqrt(np.pi))
    for k in range(13):
        power = -(k + 0.5)  # of s^2
        found += term * np.array([1.0, power, power**2]).reshape(3, *[1] * s.ndim)
        term = term * power / s / s
    return found


# With the least q from which the formula is better than quadrature.
_CLOSED = {"gelu": (_gelu, 0.0), "elu": (_elu, 0.25), "selu": (lambda q: _elu(q, SELU_SCALE, SELU_ALPHA), 0.25)}
