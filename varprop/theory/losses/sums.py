"""Expected products of sums over independent, alike units."""

from collections.abc import Callable
from functools import cache

import numpy as np


@cache
def partitions(count: int) -> tuple[tuple[tuple[int, ...], ...], ...]:
    """Return every way to split 0, ..., count - 1 into blocks."""
    if count == 0:
        return ((),)
    last, found = count - 1, []
    for smaller in partitions(last):
        found.append((*smaller, (last,)))
        found += [(*smaller[:i], (*block, last), *smaller[i + 1 :]) for i, block in enumerate(smaller)]
    return tuple(found)


def falling(width: int, count: int) -> float:
    """Return width (width - 1) ... (width - count + 1), the number of ways to give blocks units of their own."""
    return float(np.prod([float(width - i) for i in range(count)]))


def expected_product(width: int, factors: list[tuple[int, ...]], moment: Callable) -> float:
    """Return E prod_a S_a, where S_a = sum over ``width`` units i of f_a(i), and units are independent and alike.

    Expand the product and sort its terms by which factors share a unit: every partition of the factors
    into k blocks stands for width (width - 1) ... (width - k + 1) terms.

    Parameters
    ----------
    width
        Number of units.
    factors
        Exponents that name each f_a; those of a product are their sum.
    moment
        E of one unit's f, from its exponents.
    """
    total = 0.0
    for blocks in partitions(len(factors)):
        term = falling(width, len(blocks))
        for block in blocks:
            term = term * moment(*(sum(e) for e in zip(*(factors[i] for i in block), strict=True)))
        total = total + term
    return total
