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
    second, within
        q -> E phi(sqrt(q) Z)^2, and the lowest and highest q at which it is better than quadrature.
    moments
        q -> what `quadrature.moments` gives.
    slope
        q -> E phi'(sqrt(q) Z)^2.
    product, product_slope
        (q1, q2, c, 1 - c) -> E phi(sqrt(q1) U) phi(sqrt(q2) V), and the same of phi'.
    """

    second: Callable | None = None
    within: tuple[float, float] = (0.0, np.inf)
    moments: Callable | None = None
    slope: Callable | None = None
    product: Callable | None = None
    product_slope: Callable | None = None
