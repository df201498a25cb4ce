"""elu and selu: e^{2q} Phi(-2 sqrt q) and e^{q/2} Phi(-sqrt q) by the scaled complement erfcx."""

import numpy as np
from scipy import special

from ....activations import SELU_ALPHA, SELU_SCALE
from .form import EPS, Form


def _form(scale: float, alpha: float) -> Form:
    """Return what is known of scale z above 0, scale alpha (e^z - 1) below."""

    def second(q):
        s = np.sqrt(q / 2)
        below = 0.5 * special.erfcx(2 * s) - special.erfcx(s) + 0.5
        return scale**2 * (q / 2 + alpha**2 * below), 8 * EPS * scale**2 * (q / 2 + 2 * alpha**2)

    def slope(q):
        value = scale**2 * (0.5 + 0.5 * alpha**2 * special.erfcx(np.sqrt(2 * q)))
        return value, 12 * EPS * value

    return Form(second=second, within=(0.25, np.inf), slope=slope)


ELU, SELU = _form(1.0, 1.0), _form(SELU_SCALE, SELU_ALPHA)
