"""Gaussian expectations of an activation: closed form where one is known, else quadrature."""

from dataclasses import dataclass

import numpy as np

from ...activations import Activation
from . import quadrature
from .closed import known
from .closed.slopes import power_means
from .features import features

_EPS = np.finfo(float).eps


@dataclass(frozen=True, eq=False)
class Moments:
    """What first order in 1/width needs of f = phi(sqrt(q) Z)^2, one entry for each q.

    Attributes
    ----------
    second
        g = E f.
    slope, curvature
        q g'/g and q^2 g''/g.
    fourth
        E f^2 / g^2.
    second_error, slope_error, error
        Bounds on the relative error of ``second``, and on the absolute errors of ``slope`` and of all three others.
    """

    second: np.ndarray
    slope: np.ndarray
    curvature: np.ndarray
    fourth: np.ndarray
    second_error: np.ndarray
    slope_error: np.ndarray
    error: np.ndarray


def second_moment(activation: Activation, q) -> tuple[np.ndarray, np.ndarray]:
    """Return E phi(sqrt(q) Z)^2 and a bound on its error, both of the shape of ``q``; Z ~ N(0, 1).

    Parameters
    ----------
    activation
        phi.
    q
        Variances, zero or positive, of any shape.

    Notes
    -----
    Errors are rounding, and for quadrature also the difference of two rules; infinite where phi grows so
    fast that what counts lies beyond 36 standard deviations, as for exp at variances above 190.

    Raises
    ------
    ValueError
        If ``q`` is negative or not finite, or phi gives NaN or infinity.

    Sources
    -------
    erf: Williams, NIPS 1996. relu: Cho and Saul, NIPS 2009. Others: direct integration.
    """
    q = checked_variances(q)
    flat = q.ravel()
    values, errors = np.empty(flat.shape), np.empty(flat.shape)
    rest = np.ones(flat.shape, dtype=bool)
    form = known(activation)
    if form.second is not None:
        low, high = form.within
        rest = (flat < low) | (flat > high)
        values[~rest], errors[~rest] = form.second(flat[~rest])
    if rest.any():
        found, relative = quadrature.moments(activation.phi, activation.name, features(activation), flat[rest])
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            values[rest], errors[rest] = found[0], relative[0] * found[0]
    _within_float64(activation, q.ravel(), values)
    return values.reshape(q.shape), errors.reshape(q.shape)


def _within_float64(activation: Activation, q: np.ndarray, second: np.ndarray) -> None:
    beyond = ~np.isfinite(second)
    if beyond.any():
        raise ValueError(
            f"activation {activation.name!r} is so large that its mean square at variance {q[beyond][0]:.3g} is beyond "
            "float64; scale it down, or use smaller weights if the signal explodes."
        )


def checked_variances(q) -> np.ndarray:
    """Return ``q`` as float64; raise ValueError unless every entry is zero or positive, and finite."""
    q = np.asarray(q, dtype=np.float64)
    bad = ~(np.isfinite(q) & (q >= 0))
    if bad.any():
        raise ValueError(f"q holds {q[bad][0]}; variances must be zero or positive, and finite.")
    return q


def moments(activation: Activation, q: np.ndarray) -> Moments:
    """Return the `Moments` of an activation at the variances ``q``, shape (rows,).

    Raises ValueError if phi gives NaN or infinity.
    """
    shape = q.shape
    if activation.slopes is not None:
        p1, ratio = power_means(activation.slopes)
        return Moments(
            p1 * q, np.ones(shape), np.zeros(shape), np.full(shape, 3 * ratio), np.full(shape, 4 * _EPS), 0 * q, 0 * q
        )
    form = known(activation)
    if form.moments is not None:
        found, errors = form.moments(q)
    else:
        found, errors = quadrature.moments(activation.phi, activation.name, features(activation), q)
    _within_float64(activation, q, found[0])
    second, relative = found[0], errors[0]
    if form.second is not None:
        second, error = second_moment(activation, q)
        relative = np.divide(error, second, out=np.zeros(shape), where=second > 0)
    slope, curvature, fourth = found[1:]
    return Moments(second, slope, curvature, fourth, relative, errors[1], errors[1:].max(axis=0))
