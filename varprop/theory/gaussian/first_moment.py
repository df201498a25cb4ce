"""The mean of an activation, E phi(sqrt(q) Z): closed form where one is known, else quadrature."""

import numpy as np
from scipy import special

from ...activations import CUSTOM, Activation
from . import quadrature
from .expectations import checked_variances
from .features import features
from .panels import REACH, ROUNDING

_EPS = np.finfo(float).eps
_ODD = ("tanh", "erf", "sin", "softsign", "hardtanh")


def first_moment(activation: Activation, q) -> tuple[np.ndarray, np.ndarray]:
    """Return E phi(sqrt(q) Z) and a bound on its error, both of the shape of ``q``; Z ~ N(0, 1).

    Parameters
    ----------
    activation
        phi.
    q
        Variances, zero or positive, of any shape.

    Raises
    ------
    ValueError
        If ``q`` is negative or not finite, or phi gives NaN or infinity.

    Sources
    -------
    relu: E|Z| = sqrt(2 / pi). gelu: E z Phi(z) by Stein's identity. elu: E[exp(x); x < 0] by completing the square.
    """
    q = checked_variances(q)
    flat = q.ravel()
    known = None if activation.code == CUSTOM else _CLOSED.get(activation.name)
    if activation.slopes is not None:
        minus, plus = activation.slopes
        values = (plus - minus) / 2 * np.sqrt(2 * flat / np.pi)
        errors = 4 * _EPS * np.abs(values)
    elif known is not None:
        values = known(flat)
        errors = 8 * _EPS * (np.abs(values) + 1) if activation.name in ("elu", "selu") else 8 * _EPS * np.abs(values)
    else:

        def sums(z, weights, scale):
            f = weights * quadrature.values(activation.phi, activation.name, scale * z)
            return np.stack([f.sum(axis=1), np.abs(f).sum(axis=1)])

        distinct, back = np.unique(flat, return_inverse=True)
        look = features(activation)
        found, apart = quadrature.integrals(sums, (look,), distinct)
        noise = ROUNDING + 8 * look.noise(REACH * np.sqrt(distinct))
        values, errors = found[0][back], (apart[0] + noise * found[1])[back]
    return values.reshape(q.shape), errors.reshape(q.shape)


def _elu(q):
    """E[x; x > 0] + E[e^x - 1; x < 0], by the scaled complement erfcx."""
    return np.sqrt(q / (2 * np.pi)), special.erfcx(np.sqrt(q / 2)) / 2 - 0.5


def _selu(q):
    from ...activations import SELU_ALPHA, SELU_SCALE

    above, below = _elu(q)
    return SELU_SCALE * (above + SELU_ALPHA * below)


_CLOSED = {
    **dict.fromkeys(_ODD, np.zeros_like),
    "sigmoid": lambda q: np.full(q.shape, 0.5),
    "gelu": lambda q: q / np.sqrt(2 * np.pi * (1 + q)),
    "elu": lambda q: sum(_elu(q)),
    "selu": _selu,
}
