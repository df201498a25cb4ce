"""The mean of an activation, E phi(sqrt(q) Z), and its derivatives by q: closed forms where known, else quadrature."""

from dataclasses import dataclass

import numpy as np

from ...activations import Activation
from . import quadrature
from .closed import known
from .expectations import checked_variances
from .features import features
from .panels import REACH, ROUNDING


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
    return known(activation).constant


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
    form = known(activation)
    if form.constant is not None:
        zero = np.zeros(q.shape)
        return FirstMoments(zero + form.constant, zero, zero, zero)
    if form.first is None:
        return FirstMoments(*_by_quadrature(activation, q))
    found, rest = np.empty((4, *q.shape)), q < form.within[0]
    found[:, ~rest] = form.first(q[~rest])
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
