"""sin: E cos(k sqrt(q) Z) = exp(-k^2 q / 2)."""

import numpy as np

from .form import EPS, Form


def _second(q):
    value = -np.expm1(-2 * q) / 2
    return value, 8 * EPS * value


def _moments(q):
    """Return what `quadrature.moments` would, from E cos(k sqrt(q) Z) = exp(-k^2 q / 2)."""
    u = -np.expm1(-2 * q)
    slope = np.divide(2 * q, u, out=np.ones(q.shape), where=u > 0) * np.exp(-2 * q)
    found = np.stack([u / 2, slope, -2 * np.minimum(q, 1e3) * slope, (6 - u * (4 - u)) / 2])
    return found, 16 * EPS * np.ones(found.shape)


def _slope(q):
    value = (1 + np.exp(-2 * np.minimum(q, 1e3))) / 2
    return value, 12 * EPS * value


def _product(q1, q2, c, gap):
    return _waves(q1, q2, c, gap, lambda twice, sign: -sign * np.expm1(-twice))


def _product_slope(q1, q2, c, gap):
    return _waves(q1, q2, c, gap, lambda twice, sign: 1 + np.exp(-twice))


def _waves(q1, q2, c, gap, wave):
    """E sin sin = e^{-(q1 + q2)/2} sinh(cov), and cosh for the cosines."""
    s, t = np.sqrt(q1), np.sqrt(q2)
    exponent = ((s - t) ** 2 + 2 * s * t * np.where(c > 0, gap, 1 + c)) / 2
    value = np.exp(-exponent) * wave(2 * s * t * np.abs(c), np.sign(c)) / 2
    # near cancellation of s and t the exponent's own rounding counts
    return value, 8 * EPS * np.abs(value) * (1 + exponent + np.minimum(q1, q2) + np.abs(s - t) * (s + t))


FORM = Form(
    constant=0.0, second=_second, moments=_moments, slope=_slope, product=_product, product_slope=_product_slope
)
