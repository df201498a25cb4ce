"""Linear, ReLU, leaky ReLU, and any phi with phi(s z) = s phi(z) for s > 0: by its two slopes."""

from functools import cache

import numpy as np
import scipy

from .form import EPS, Form


def power_means(slopes: tuple[float, float]) -> tuple[float, float]:
    """Return E s^2 and E s^4 / (E s^2)^2 of a slope s that is either of ``slopes`` with probability 1/2."""
    minus, plus = slopes
    p1 = (minus**2 + plus**2) / 2
    return p1, (minus**4 + plus**4) / 2 / p1**2 if p1 else 1.0


@cache
def form(slopes: tuple[float, float]) -> Form:
    """Return what is known of the phi of these slopes: all."""
    p1, _ = power_means(slopes)
    minus, plus = slopes

    def first(q):
        mean = (plus - minus) / 2 * np.sqrt(2 * q / np.pi)
        return mean, mean / 2, -mean / 4, 4 * EPS * np.abs(mean)

    return Form(
        constant=0.0 if minus == plus else None,
        first=first,
        second=lambda q: (p1 * q, 4 * EPS * p1 * q),
        slope=lambda q: (np.full(q.shape, p1), np.full(q.shape, 4 * EPS * p1)),
        product=lambda *at: _product(slopes, *at),
        product_slope=lambda *at: _product_slope(slopes, *at),
    )


def _parts(slopes):
    """Return a^2 - b^2 and b^2 of phi(x) = a x + b |x|."""
    minus, plus = slopes
    return minus * plus, ((plus - minus) / 2) ** 2


def _angle(c, gap):
    """Return arccos(-c), from whichever of 1 - c and 1 + c is small."""
    near = 2 * np.arcsin(np.sqrt(np.where(c > 0, gap, 1 + c) / 2))
    return np.where(c > 0, np.pi - near, near)


def _product(slopes, q1, q2, c, gap):
    """E (aX + b|X|)(aY + b|Y|) = (a^2 - b^2) c + b^2 (2/pi)(sin t - t cos t), cos t = -c.

    sin t - t cos t = t^2 j_1(t), a spherical Bessel function, which does not cancel as c goes to -1.
    """
    product, b2 = _parts(slopes)
    t = _angle(c, gap)
    terms = np.stack([product * c, b2 * 2 / np.pi * t * t * scipy.special.spherical_jn(1, t)])
    size = np.sqrt(q1) * np.sqrt(q2)
    return size * terms.sum(axis=0), 16 * EPS * size * np.abs(terms).sum(axis=0)


def _product_slope(slopes, q1, q2, c, gap):
    product, b2 = _parts(slopes)
    value = product + b2 * 2 / np.pi * _angle(c, gap)
    return value, 16 * EPS * (abs(product) + b2 * 2) + 0 * q1 * q2
