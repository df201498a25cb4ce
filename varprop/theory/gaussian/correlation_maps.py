"""What becomes of the correlation of two inputs in one layer: E[phi(U) phi(V)], Gaussian U and V.

Closed forms are written in 1 - c, so that they keep their accuracy where two inputs are nearly the same.
"""

import numpy as np
from scipy import special

from ...activations import CUSTOM, Activation, known_derivative
from . import plane, quadrature
from .features import features

_EPS = np.finfo(float).eps


def product_moment(activation: Activation, q1, q2, correlation) -> tuple[np.ndarray, np.ndarray]:
    """Return E phi(U) phi(V) and a bound on its error; U, V Gaussian of variances q1, q2 and that correlation.

    Parameters
    ----------
    activation
        phi.
    q1, q2
        Variances, zero or positive, of any shapes that broadcast.
    correlation
        Between -1 and 1, both included; broadcasts with q1 and q2.

    Notes
    -----
    Closed for linear, relu, leaky_relu, erf, gelu and sin, where the error is rounding. Else a
    two-dimensional quadrature, where it is also the difference of two rules.

    Raises
    ------
    ValueError
        If a variance is negative or not finite, a correlation is outside [-1, 1], or phi gives NaN
        or infinity.

    Sources
    -------
    relu: Cho and Saul, NIPS 2009. erf: Williams, NIPS 1996. Others: Stein's identity, twice.
    """
    return _evaluate(activation, q1, q2, correlation, closed_moment(activation), activation.phi)


def product_slope(activation: Activation, q1, q2, correlation) -> tuple[np.ndarray, np.ndarray]:
    """Return E phi'(U) phi'(V) and a bound on its error: the derivative of `product_moment` by Cov(U, V).

    Parameters and errors are those of `product_moment`. Raises ValueError too for an activation
    without a derivative.
    """
    return _evaluate(activation, q1, q2, correlation, closed_slope(activation), known_derivative(activation))


def _evaluate(activation, q1, q2, correlation, closed, function):
    q1, q2, c = np.broadcast_arrays(*(np.asarray(x, dtype=np.float64) for x in (q1, q2, correlation)))
    for q in (q1, q2):
        bad = ~(np.isfinite(q) & (q >= 0))
        if bad.any():
            raise ValueError(f"a variance is {q[bad][0]}; variances must be zero or positive, and finite.")
    bad = ~(np.abs(c) <= 1)
    if bad.any():
        raise ValueError(f"correlation is {c[bad][0]}; it must lie between -1 and 1.")
    q1, q2, flat = q1.ravel(), q2.ravel(), c.ravel()
    if closed is not None:
        values, errors = closed(q1, q2, flat, 1 - flat)
    else:

        def checked(x):
            return quadrature.values(function, activation.name, x)

        scales = np.sqrt(q1), np.sqrt(q2)
        looks = (features(activation, function),) * 2
        values, errors = plane.expectation((checked, checked), looks, scales, flat, 1 - flat)
    return values.reshape(c.shape), errors.reshape(c.shape)


def closed_moment(activation: Activation):
    """Return the closed form of E phi phi, a function of (q1, q2, c, 1 - c), or None."""
    if activation.slopes is not None:
        return lambda *at: _slopes(activation.slopes, *at)
    return None if activation.code == CUSTOM else _MOMENTS.get(activation.name)


def closed_slope(activation: Activation):
    if activation.slopes is not None:
        return lambda *at: _slopes_slope(activation.slopes, *at)
    return None if activation.code == CUSTOM else _SLOPES.get(activation.name)


def _parts(slopes):
    """Return a^2 - b^2 and b^2 of phi(x) = a x + b |x|."""
    minus, plus = slopes
    return minus * plus, ((plus - minus) / 2) ** 2


def _angle(c, gap):
    """Return arccos(-c), from whichever of 1 - c and 1 + c is small."""
    near = 2 * np.arcsin(np.sqrt(np.where(c > 0, gap, 1 + c) / 2))
    return np.where(c > 0, np.pi - near, near)


def _slopes(slopes, q1, q2, c, gap):
    """E (aX + b|X|)(aY + b|Y|) = (a^2 - b^2) c + b^2 (2/pi)(sin t - t cos t), cos t = -c.

    sin t - t cos t = t^2 j_1(t), a spherical Bessel function, which does not cancel as c goes to -1.
    """
    product, b2 = _parts(slopes)
    t = _angle(c, gap)
    terms = np.stack([product * c, b2 * 2 / np.pi * t * t * special.spherical_jn(1, t)])
    size = np.sqrt(q1) * np.sqrt(q2)
    return size * terms.sum(axis=0), 16 * _EPS * size * np.abs(terms).sum(axis=0)


def _slopes_slope(slopes, q1, q2, c, gap):
    product, b2 = _parts(slopes)
    value = product + b2 * 2 / np.pi * _angle(c, gap)
    return value, 16 * _EPS * (abs(product) + b2 * 2) + 0 * q1 * q2


def _erf(q1, q2, c, gap):
    covariance, root = 2 * np.sqrt(q1) * np.sqrt(q2) * c, np.sqrt(_erf_determinant(q1, q2, c, gap))
    value = 2 / np.pi * np.arctan2(covariance, root)
    return value, 8 * _EPS * np.abs(value)


def _erf_slope(q1, q2, c, gap):
    value = 4 / np.pi / np.sqrt(_erf_determinant(q1, q2, c, gap))
    return value, 8 * _EPS * value


def _erf_determinant(q1, q2, c, gap):
    return 1 + 2 * q1 + 2 * q2 + 4 * q1 * q2 * gap * (1 + c)


def _sin(q1, q2, c, gap):
    return _sin_cos(q1, q2, c, gap, lambda twice, sign: -sign * np.expm1(-twice))


def _sin_slope(q1, q2, c, gap):
    return _sin_cos(q1, q2, c, gap, lambda twice, sign: 1 + np.exp(-twice))


def _sin_cos(q1, q2, c, gap, wave):
    """E sin sin = e^{-(q1 + q2)/2} sinh(cov), and cosh for the cosines."""
    s, t = np.sqrt(q1), np.sqrt(q2)
    exponent = ((s - t) ** 2 + 2 * s * t * np.where(c > 0, gap, 1 + c)) / 2
    value = np.exp(-exponent) * wave(2 * s * t * np.abs(c), np.sign(c)) / 2
    # near cancellation of s and t the exponent's own rounding counts
    return value, 8 * _EPS * np.abs(value) * (1 + exponent + np.minimum(q1, q2) + np.abs(s - t) * (s + t))


def _gelu_terms(q1, q2, c, gap):
    """Return Cov(U, V), E Phi(U)Phi(V), E n(U)n(V) with n the normal density, det(1 + K) and q1 q2 - cov^2."""
    cov, minor = np.sqrt(q1) * np.sqrt(q2) * c, q1 * q2 * gap * (1 + c)
    determinant = 1 + q1 + q2 + minor
    root = np.sqrt(determinant)
    return cov, np.arctan2(root, -cov) / (2 * np.pi), 1 / (2 * np.pi * root), determinant, minor


def _gelu(q1, q2, c, gap):
    """E[UV Phi(U) Phi(V)] by Stein's identity for U, for V, and once more for U n(U)."""
    cov, both, density, _, minor = _gelu_terms(q1, q2, c, gap)
    inverse = 1 / (1 + q1) + 1 / (1 + q2)
    terms = np.stack([cov * both, density * minor, density * cov * cov * inverse])
    return terms.sum(axis=0), 16 * _EPS * np.abs(terms).sum(axis=0)


def _gelu_slope(q1, q2, c, gap):
    cov, both, density, determinant, _ = _gelu_terms(q1, q2, c, gap)
    inverse = 1 / (1 + q1) + 1 / (1 + q2)
    terms = np.stack([both, density * cov * inverse, density * cov / determinant])
    return terms.sum(axis=0), 16 * _EPS * np.abs(terms).sum(axis=0)


_MOMENTS = {"erf": _erf, "sin": _sin, "gelu": _gelu}
_SLOPES = {"erf": _erf_slope, "sin": _sin_slope, "gelu": _gelu_slope}
