"""elu and selu: e^{2q} Phi(-2 sqrt q) and e^{q/2} Phi(-sqrt q) by the scaled complement erfcx."""

from functools import partial

import numpy as np
import scipy

from ....formulas import SELU_ALPHA, SELU_SCALE
from .form import EPS, Form

_FAR = 8.0  # where erfcx goes over to its asymptotic series


def _first(scale: float, alpha: float, q):
    """E[x; x > 0] + alpha E[e^x - 1; x < 0]; the latter is (h(s) - 1) / 2, h = erfcx, s^2 = q / 2."""
    above, s = np.sqrt(q / (2 * np.pi)), np.sqrt(q / 2)
    h, once, twice = np.where(s <= _FAR, _erfcx(np.minimum(s, _FAR)), _erfcx_far(np.maximum(s, _FAR)))
    mean, slope = above + alpha * (h - 1) / 2, above / 2 + alpha * once / 2
    error = 16 * EPS * scale * (1 + alpha) * (1 + s + np.minimum(s, _FAR) ** 3)
    return scale * mean, scale * slope, scale * (alpha * (twice - once) / 2 - above / 4), error


def _second(scale: float, alpha: float, q):
    s = np.sqrt(q / 2)
    below = 0.5 * scipy.special.erfcx(2 * s) - scipy.special.erfcx(s) + 0.5
    return scale**2 * (q / 2 + alpha**2 * below), 8 * EPS * scale**2 * (q / 2 + 2 * alpha**2)


def _slope(scale: float, alpha: float, q):
    value = scale**2 * (0.5 + 0.5 * alpha**2 * scipy.special.erfcx(np.sqrt(2 * q)))
    return value, 12 * EPS * value


def _erfcx(s):
    """Return h = erfcx(s), D h and D^2 h, D = d / d ln s^2: D h = s^2 h - s / sqrt(pi)."""
    h = scipy.special.erfcx(s)
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


ELU, SELU = (  # scale z above 0, scale alpha (e^z - 1) below
    Form(first=partial(_first, *of), second=partial(_second, *of), within=(0.25, np.inf), slope=partial(_slope, *of))
    for of in ((1.0, 1.0), (SELU_SCALE, SELU_ALPHA))
)
