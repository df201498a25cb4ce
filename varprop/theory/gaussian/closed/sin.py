"""sin: E cos(k sqrt(q) Z) = exp(-k^2 q / 2)."""

from functools import cache

import numpy as np
from numpy.polynomial import hermite_e

from .form import EPS, Form

_SINE, _COSINE, _Z = {(0, 1): -0.5j, (0, -1): 0.5j}, {(0, 1): 0.5, (0, -1): 0.5}, {(1, 0): 1.0}  # sums of c Z^j e^(ikx)
_HE2, _HE4 = {(2, 0): 1.0, (0, 0): -1.0}, {(4, 0): 1.0, (2, 0): -6.0, (0, 0): 3.0}
_GONE = 60.0  # standard deviations k sqrt(q) of a wave whose mean is 0, whatever power of Z is before it


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


def _slope_sums(q):
    """Return what `slope_moments` sums: products of sines and cosines are waves, which do not cancel from q = 1 on."""
    s = np.sqrt(q)
    size, square, raw = _slope(q)[0], _second(q)[0], [np.stack([_mean(wave, s) for wave in row]) for row in _waves_of()]
    by_slope, by_value = np.array([1.0, 1.0, 0.0, 1.0, 0.5])[:, None], np.array([0.0, 1.0, 1.0, 0.0, 0.5])[:, None]
    unit = size**-by_slope * square**-by_value
    mean, by, twice = (found * unit for found in raw[:3])
    products = (raw[3].reshape(5, 5, -1) * unit * unit[:, None]).reshape(25, -1)
    return np.concatenate([size[None], mean, by / 2, twice / 4, products, square[None]]), np.full(q.shape, 64 * EPS)


@cache
def _waves_of() -> tuple[list, ...]:
    """Return phi'^2, phi'^2 phi^2, phi^2, Z^2 phi'^2, Z phi' phi; the same times He2 and He4; their 25 products."""
    a, c, e = _times(_COSINE, _COSINE), _times(_SINE, _SINE), _times(_Z, _times(_COSINE, _SINE))
    units = [a, _times(a, c), c, _times(_times(_Z, _Z), a), e]
    by = [[_times(polynomial, unit) for unit in units] for polynomial in (_HE2, _HE4)]
    return units, *by, [_times(one, other) for one in units for other in units]


def _times(one: dict, other: dict) -> dict:
    found: dict[tuple[int, int], float] = {}
    for (i, k), a in one.items():
        for (j, m), b in other.items():
            found[i + j, k + m] = found.get((i + j, k + m), 0.0) + a * b
    return found


def _mean(waves: dict, s):
    """E Z^j e^(i t Z) = i^j He_j(t) e^(-t^2 / 2)."""
    found = np.zeros(s.shape)
    for (j, k), coefficient in waves.items():
        t = np.clip(k * s, -_GONE, _GONE)
        found += (coefficient * 1j**j).real * hermite_e.hermeval(t, np.eye(j + 1)[j]) * np.exp(-0.5 * t * t)
    return found


FORM = Form(
    constant=0.0,
    second=_second,
    moments=_moments,
    slope=_slope,
    slope_sums=_slope_sums,
    waving=1.0,
    product=_product,
    product_slope=_product_slope,
)
