"""Gaussian expectations of an activation: closed form where one is known, else quadrature."""

from dataclasses import dataclass

import numpy as np
from scipy import special

from ...activations import _SELU_ALPHA, _SELU_SCALE, CUSTOM, Activation
from . import quadrature
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
    closed = closed_form(activation)
    if closed is not None:
        formula, low, high = closed
        rest = (flat < low) | (flat > high)
        values[~rest], errors[~rest] = formula(flat[~rest])
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
    if activation.code != CUSTOM and activation.name == "sin":
        found, errors = _sin_moments(q)
    else:
        found, errors = quadrature.moments(activation.phi, activation.name, features(activation), q)
    _within_float64(activation, q, found[0])
    second, relative = found[0], errors[0]
    if closed_form(activation) is not None:
        second, error = second_moment(activation, q)
        relative = np.divide(error, second, out=np.zeros(shape), where=second > 0)
    return Moments(second, *found[1:], relative, errors[1], errors[1:].max(axis=0))


def power_means(slopes: tuple[float, float]) -> tuple[float, float]:
    """Return E s^2 and E s^4 / (E s^2)^2 of a slope s that is either of ``slopes`` with probability 1/2."""
    minus, plus = slopes
    p1 = (minus**2 + plus**2) / 2
    return p1, (minus**4 + plus**4) / 2 / p1**2 if p1 else 1.0


def closed_form(activation: Activation):
    """Return (formula, lowest q, highest q) of E phi^2, or None where none is known.

    The formula gives values and error bounds. Outside its range it cancels, and quadrature is better.
    """
    if activation.slopes is not None:
        p1, _ = power_means(activation.slopes)
        return lambda q: (p1 * q, 4 * _EPS * p1 * q), 0.0, np.inf
    return None if activation.code == CUSTOM else _CLOSED.get(activation.name)


def _erf(q):
    value = 2 / np.pi * np.arctan(2 * q / np.sqrt(1 + 4 * q))
    return value, 8 * _EPS * value


def _sin(q):
    value = -np.expm1(-2 * q) / 2
    return value, 8 * _EPS * value


def _sin_moments(q):
    """Return what `quadrature.moments` would, from E cos(k sqrt(q) Z) = exp(-k^2 q / 2)."""
    u = -np.expm1(-2 * q)
    slope = np.divide(2 * q, u, out=np.ones(q.shape), where=u > 0) * np.exp(-2 * q)
    found = np.stack([u / 2, slope, -2 * np.minimum(q, 1e3) * slope, (6 - u * (4 - u)) / 2])
    return found, 16 * _EPS * np.ones(found.shape)


def _gelu(q):
    root = np.sqrt(1 + 2 * q)
    value = q * (0.25 + np.arctan(q / root) / (2 * np.pi) + q / (1 + q) / root / np.pi)
    return value, 12 * _EPS * value


def _elu(q):
    return _elu_family(q, 1.0, 1.0)


def _selu(q):
    return _elu_family(q, _SELU_SCALE, _SELU_ALPHA)


def _elu_family(q, scale, alpha):
    """e^{2q} Phi(-2 sqrt q) and e^{q/2} Phi(-sqrt q) by the scaled complement erfcx."""
    s = np.sqrt(q / 2)
    below = 0.5 * special.erfcx(2 * s) - special.erfcx(s) + 0.5
    return scale**2 * (q / 2 + alpha**2 * below), 8 * _EPS * scale**2 * (q / 2 + 2 * alpha**2)


def _hardtanh(q):
    s = np.sqrt(np.maximum(q, 1e-300))
    inside, outside = special.erf(1 / (s * np.sqrt(2))), special.erfc(1 / (s * np.sqrt(2)))
    edge = 2 / s * np.exp(-0.5 / s**2) / np.sqrt(2 * np.pi)
    return q * (inside - edge) + outside, 16 * _EPS * (q * (inside + edge) + outside)


_CLOSED = {
    "erf": (_erf, 0.0, np.inf),
    "sin": (_sin, 0.0, np.inf),
    "gelu": (_gelu, 0.0, np.inf),
    "elu": (_elu, 0.25, np.inf),
    "selu": (_selu, 0.25, np.inf),
    "hardtanh": (_hardtanh, 0.0, 100.0),
}
