"""What becomes of the correlation of two inputs in one layer: E[phi(U) phi(V)], Gaussian U and V.

Closed forms are written in 1 - c, so that they keep their accuracy where two inputs are nearly the same.
"""

import numpy as np

from ...activations import Activation, known_derivative
from . import plane, quadrature
from .closed import known
from .features import features


def product_moment(activation: Activation, q1, q2, correlation, gap=None) -> tuple[np.ndarray, np.ndarray]:
    """Return E phi(U) phi(V) and a bound on its error; U, V Gaussian of variances q1, q2 and that correlation.

    Parameters
    ----------
    activation
        phi.
    q1, q2
        Variances, zero or positive, of any shapes that broadcast.
    correlation
        Between -1 and 1, both included; broadcasts with q1 and q2.
    gap
        1 - correlation where that is known better than from ``correlation``.

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
    return _evaluate(activation, q1, q2, correlation, gap, known(activation).product, activation.phi)


def product_slope(activation: Activation, q1, q2, correlation, gap=None) -> tuple[np.ndarray, np.ndarray]:
    """Return E phi'(U) phi'(V) and a bound on its error: the derivative of `product_moment` by Cov(U, V).

    Parameters and errors are those of `product_moment`. Raises ValueError too for an activation
    without a derivative.
    """
    closed, function = known(activation).product_slope, known_derivative(activation)
    return _evaluate(activation, q1, q2, correlation, gap, closed, function)


def _evaluate(activation, q1, q2, correlation, gap, closed, function):
    gap = np.subtract(1, correlation) if gap is None else gap
    q1, q2, c, gap = np.broadcast_arrays(*(np.asarray(x, dtype=np.float64) for x in (q1, q2, correlation, gap)))
    for q in (q1, q2):
        bad = ~(np.isfinite(q) & (q >= 0))
        if bad.any():
            raise ValueError(f"a variance is {q[bad][0]}; variances must be zero or positive, and finite.")
    bad = ~(np.abs(c) <= 1)
    if bad.any():
        raise ValueError(f"correlation is {c[bad][0]}; it must lie between -1 and 1.")
    q1, q2, flat, gap = q1.ravel(), q2.ravel(), c.ravel(), gap.ravel()
    if closed is not None:
        values, errors = closed(q1, q2, flat, gap)
    else:

        def checked(x):
            return quadrature.values(function, activation.name, x)

        scales = np.sqrt(q1), np.sqrt(q2)
        looks = (features(activation, function),) * 2
        values, errors = plane.expectation((checked, checked), looks, scales, flat, gap)
    return values.reshape(c.shape), errors.reshape(c.shape)
