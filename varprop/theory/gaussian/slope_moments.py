"""Gaussian expectations of an activation's derivative: what a gradient meets at a layer."""

from dataclasses import dataclass
from functools import cache

import numpy as np

from ...activations import Activation, known_derivative
from . import quadrature
from .closed import known
from .derivative_moment import derivative, derivative_error, followed
from .expectations import power_means
from .features import features
from .panels import REACH, ROUNDING

# Means over the units of a layer, z = sqrt(q) Z, with phi' over its root mean square and a = phi(z) over its own:
# phi'^2, phi'^2 a^2, a^2, Z^2 phi'^2, Z phi' a.
A, B, C, F, E = range(5)
_POWERS = ((1, 0), (2, 1), (1, 1), (1, 1), (1, 1))  # of the squared slope and of Z^2, for homogeneous phi


@dataclass(frozen=True, eq=False)
class SlopeMoments:
    """The law of one unit's phi'^2, phi'^2 a^2, a^2, Z^2 phi'^2 and Z phi' a, for each of R values of q.

    phi' and a = phi are over their root mean squares at that q, so that the first and the third have mean 1.

    Attributes
    ----------
    size
        E phi'^2, shape (R,).
    mean, first, second
        The five means and their first two derivatives by ln q, phi' and a still over their root mean
        squares at the one q; shape (5, R).
    product
        E of the product of two of the five, shape (5, 5, R).
    error
        Bound on the error of all that, relative for ``size`` and to the largest entry for the others; (R,).
    size_error
        Bound on the relative error of ``size`` alone, (R,).
    """

    size: np.ndarray
    mean: np.ndarray
    first: np.ndarray
    second: np.ndarray
    product: np.ndarray
    error: np.ndarray
    size_error: np.ndarray


def slope_at_zero(activation: Activation) -> float:
    """Return phi'(0): 0 for ReLU."""
    dphi, _ = derivative(activation)
    return float(dphi(np.zeros(1))[0])


def slope_moments(activation: Activation, q: np.ndarray) -> SlopeMoments:
    """Return the `SlopeMoments` of an activation at the variances ``q``, shape (R,).

    Derivatives by q are Hermite expectations, d/dq E f(sqrt(q) Z) = E[f He2] / 2q and so on, so that no
    second derivative of phi is needed and jumps of phi' do no harm.

    Without ``dphi`` phi is differentiated numerically, as in `derivative_moment`.

    Raises ValueError if phi or phi' gives NaN or infinity, or phi waves too fast to be differentiated.
    """
    if activation.slopes is not None:
        return _homogeneous(activation, q)
    if not followed(activation, q).all():
        known_derivative(activation)  # which raises, as nobody knows it
    form, found, errors = known(activation), np.empty((42, len(q))), np.empty((2, len(q)))
    far = q >= form.waving
    if far.any() and form.slope_sums is not None:
        found[:, far], errors[:, far] = form.slope_sums(q[far])
        found[:, far] = _by_log_q(found[:, far])
    if not far.all():
        dphi, look = derivative(activation)
        near, own = _by_quadrature(activation, dphi, (features(activation), look), q[~far])
        own = own + 2 * derivative_error(activation, q[~far], near[0]) / np.maximum(near[0], 1e-300)
        found[:, ~far], errors[:, ~far] = near, own
    return SlopeMoments(found[0], found[1:6], found[6:11], found[11:16], found[16:41].reshape(5, 5, -1), *errors)


def _by_quadrature(activation: Activation, dphi, looks, q: np.ndarray, reach=REACH) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of `_by_log_q`, and both errors of a `SlopeMoments`."""

    def sums(z, weights, scale):
        x = scale * z
        slope, a = quadrature.values(dphi, activation.name, x), quadrature.values(activation.phi, activation.name, x)
        return _by_log_q(_sums(slope, a, z, weights))

    found, errors = quadrature.integrals(sums, looks, q, reach)
    size, noise = (
        np.maximum(found[0], 1e-300),
        ROUNDING + 8 * np.max([look.noise(reach * np.sqrt(q)) for look in looks], axis=0),
    )
    largest = np.maximum(np.abs(found[1:41]).max(axis=0), 1e-300)  # 0 where both functions are
    with np.errstate(over="ignore"):
        error = np.stack([errors[0] / size + errors[1:41].max(axis=0) / largest, errors[0] / size]) + noise
    ends = [quadrature.size_at(f, reach * np.sqrt(q)) for f in (dphi, activation.phi)]
    cut = _last(ends, found, reach) > ROUNDING * largest
    error[:, cut] = np.inf
    if cut.any() and reach + REACH <= quadrature.FARTHEST:
        ends = [quadrature.size_at(f, (reach + REACH) * np.sqrt(q)) for f in (dphi, activation.phi)]
        more = cut & (_last(ends, found, 0.0) < 1e300)
        if more.any():
            found[:, more], error[:, more] = _by_quadrature(activation, dphi, looks, q[more], reach + REACH)
    return found, error


def _last(ends, found, reach) -> np.ndarray:
    """Return about the largest integrand at ``reach``, from |phi'| and |phi| there: exponentials may still count."""
    with np.errstate(all="ignore"):
        slope, a = (
            end / np.sqrt(np.maximum(mean, 1e-300)) for end, mean in zip(ends, (found[0], found[41]), strict=True)
        )
        unit = np.max([a * a, (slope * a) ** 2, (1 + reach**2) * slope**2], axis=0)
        return np.nan_to_num(np.exp(-0.5 * reach**2) * unit * np.maximum(unit, reach**4), nan=np.inf, posinf=np.inf)


def _sums(slope, a, z, weights):
    """Return E phi'^2, the five means, the same with He2 / 2 and with He4 / 4, the 25 products and E phi^2, as rows."""
    slope, size = _over_root_mean_square(slope, weights)
    a, square = _over_root_mean_square(a, weights)
    s2, a2, cross = slope * slope, a * a, z * slope * a
    units = np.stack([s2, s2 * a2, a2, z * z * s2, cross])
    weighted = weights * units
    mean = weighted.sum(axis=-1)
    z2 = z * z
    he2, he4 = (weighted * (z2 - 1)).sum(axis=-1) / 2, (weighted * (z2 * (z2 - 6) + 3)).sum(axis=-1) / 4
    product = np.einsum("irn,jrn->ijr", weighted, units).reshape(25, -1)
    return np.concatenate([size[None], mean, he2, he4, product, square[None]])


def _by_log_q(sums: np.ndarray) -> np.ndarray:
    """Return the same rows with the means' derivatives by ln q in the place of He2 / 2 and He4 / 4."""
    mean, he2, he4 = sums[1:16].reshape(3, 5, -1)
    first, second = he2.copy(), he4 + he2  # of what depends on sqrt(q) Z alone
    for i, power in ((F, 1.0), (E, 0.5)):  # these have a factor q^-power besides
        first[i] -= power * mean[i]
        second[i] += power**2 * mean[i] - 2 * power * he2[i]
    return np.concatenate([sums[:6], first, second, sums[16:]])


def _over_root_mean_square(f, weights):
    """Return f over its root mean square, and its mean square; f itself where it is 0 throughout."""
    largest = np.abs(f).max(axis=1, keepdims=True)
    f = f / np.where(largest > 0, largest, 1.0)  # keeps its powers inside float64
    square = (weights * f * f).sum(axis=1, keepdims=True)
    with np.errstate(over="ignore", under="ignore"):
        return f / np.sqrt(np.where(square > 0, square, 1.0)), (square * largest * largest)[:, 0]


def _homogeneous(activation: Activation, q: np.ndarray) -> SlopeMoments:
    """phi' is either slope with probability 1/2, apart from |Z|; where q = 0, every unit has phi'(0)."""
    p1, mean, product = _homogeneous_means(activation.slopes)
    powers = np.array([0.0, 1.0, 1.0, 0.0, 0.5])  # of q
    shape = (1, len(q))
    value, first, second = (np.tile((mean * powers**k)[:, None], shape) for k in range(3))
    found = SlopeMoments(
        np.full(len(q), p1),
        value,
        first,
        second,
        np.tile(product[..., None], (1, 1, len(q))),
        *np.full((2, len(q)), 8 * np.finfo(float).eps),
    )
    zero = q == 0
    if zero.any():
        found.size[zero] = slope_at_zero(activation) ** 2
        still = np.array([1.0, 1.0, 1.0, 1.0, 0.0])[:, None]
        found.mean[:, zero], found.first[:, zero], found.second[:, zero] = still, 0.0, 0.0
        found.product[..., zero] = still[:, None] * still
    return found


@cache
def _homogeneous_means(slopes: tuple[float, float]) -> tuple[float, np.ndarray, np.ndarray]:
    """Return E phi'^2, the five means and their 25 products."""
    p1, _ = power_means(slopes)
    squares = np.array(slopes) ** 2 / (p1 or 1.0)

    def unit(slope_power, normal_power):
        return (squares**slope_power).mean() * np.prod(np.arange(1.0, 2 * normal_power, 2))

    mean = np.array([unit(*powers) for powers in _POWERS])
    return p1, mean, np.array([[unit(i[0] + j[0], i[1] + j[1]) for j in _POWERS] for i in _POWERS])
