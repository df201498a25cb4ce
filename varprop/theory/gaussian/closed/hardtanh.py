"""hardtanh."""

import numpy as np
import scipy

from .form import EPS, Form


def _second(q):
    s = np.sqrt(np.maximum(q, 1e-300))
    inside, outside = scipy.special.erf(1 / (s * np.sqrt(2))), scipy.special.erfc(1 / (s * np.sqrt(2)))
    edge = 2 / s * np.exp(-0.5 / s**2) / np.sqrt(2 * np.pi)
    return q * (inside - edge) + outside, 16 * EPS * (q * (inside + edge) + outside)


def _slope(q):
    value = scipy.special.erf(1 / np.sqrt(2 * np.maximum(q, 1e-300)))
    return value, 12 * EPS * value


FORM = Form(constant=0.0, second=_second, within=(0.0, 100.0), slope=_slope)
