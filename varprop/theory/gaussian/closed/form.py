"""What may be known of an activation in closed form."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

EPS = np.finfo(float).eps


@dataclass(frozen=True)
class Form:
    """Formulas of Gaussian expectations of phi, each None where it is not known.

    All give values and bounds on their errors; Z, U and V are standard normal, U and V with correlation c.

    Attributes
    ----------
    constant
        E phi(z), where phi less a constant is odd, so that every symmetric z has the same.
    first
        q -> M = E phi(sqrt(q) Z), q M', q^2 M'' and a bound on the errors of all three, for q in ``within`` or beyond.
    second, within
        q -> E phi(sqrt(q) Z)^2, and the lowest and highest q at which it is better than quadrature.
    moments
        q -> what `quadrature.moments` gives.
    slope
        q -> E phi'(sqrt(q) Z)^2.
    slope_sums, waving
        q -> the means over phi' and phi that `slope_moments` needs, and the q from which on they beat quadrature.
    product, product_slope
        (q1, q2, c, 1 - c) -> E phi(sqrt(q1) U) phi(sqrt(q2) V), and the same of phi'.
    """

    constant: float | None = None
    first: Callable | None = None
    second: Callable | None = None
    within: tuple[float, float] = (0.0, np.inf)
    moments: Callable | None = None
    slope: Callable | None = None
    slope_sums: Callable | None = None
    waving: float = np.inf
    product: Callable | None = None
    product_slope: Callable | None = None
