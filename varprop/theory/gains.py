"""The gain that keeps a variance where it is."""

import math
from numbers import Real

import numpy as np

from ..activations import activation as as_activation
from .expectations import second_moment


def gain(activation, q: float = 1.0) -> float:
    """Return the gain that keeps the variance of a preactivation at ``q``.

    gain^2 E[phi(sqrt(q) Z)^2] = q: weights of variance gain^2 / fan_in and no bias, at infinite width.

    Parameters
    ----------
    activation
        A name, an `Activation`, or a function.
    q
        The variance to keep; 1 by default.

    Notes
    -----
    Whether q is then stable is another matter. The error is that of a quadrature, about 1e-14.

    Raises
    ------
    TypeError, ValueError
        For an unknown activation, a q that is not positive and finite, or an activation that is 0
        almost everywhere.

    Sources
    -------
    Poole et al., NIPS 2016. This is not torch's ``calculate_gain``, which is a convention for tanh and selu.
    """
    phi = as_activation(activation)
    if isinstance(q, bool) or not isinstance(q, Real):
        raise TypeError(f"q is {q!r}; give a number.")
    if not (math.isfinite(q) and q > 0):
        raise ValueError(f"q is {q!r}; it must be positive and finite.")
    kept = float(second_moment(phi, np.float64(q))[0])
    if kept == 0:
        raise ValueError(f"E[phi^2] of {phi} is 0 at q = {q!r}; no gain keeps the variance there.")
    return math.sqrt(q / kept)
