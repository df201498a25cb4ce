"""Sum: skip x + scale f, with f behind a Dense of its own, so that two units are independent.

E[x f] is then the product of their means, which is 0 where f ends in a Dense. Gradients of the two paths do not
meet: the branch's comes through weights of mean 0. In stochastic depth, ``kept`` says who keeps the branch.
"""

from dataclasses import replace

import numpy as np

from .field import Field, both
from .gram import Gram, common, zero_free


def forward(node, index: int, sources, kept) -> Field:
    x, f = sources
    skip, scale = factors(node, kept)
    if x.roots & f.roots:
        raise ValueError(
            f"{node.path} adds a branch to its skip path with no Dense between the two: theory does not know how "
            "far they go together. Put a Dense into the branch."
        )
    if not np.any(scale):  # the block is its skip path
        return _scaled(x, skip)
    if not np.any(skip):
        return _scaled(f, scale)
    a, b = common(x.gram.along(skip), f.gram.along(scale))
    (m, dm), (n, dn) = (_mean(y, factor, gram) for y, factor, gram in ((x, skip, a), (f, scale, b)))
    cross_error = both(dm, np.abs(n)) + both(np.abs(m), dn)
    size = a.diagonal + b.diagonal + 2 * m * n
    root = zero_free(np.sqrt(size))
    gram = a.plus(b, both(m, n), cross_error)
    return Field(gram, (m + n) / root, (dm + dn) / root, x.gaussian and f.gaussian, x.roots | f.roots)


def backward(node, gradient: Gram, sources, kept) -> tuple[Gram, ...]:
    return tuple(gradient.along(factor) for factor in factors(node, kept))


def _mean(y: Field, factor, gram: Gram) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean of ``factor`` times y and its error, over 2^exponent of ``gram``."""
    root = np.sqrt(gram.diagonal)
    return np.sign(factor) * y.mean * root, y.mean_error * root


def factors(node, kept) -> tuple:
    """Return the factors of the two paths; the second has shape (R, S) in stochastic depth."""
    sum_ = node.operation
    return sum_.skip, sum_.scale if kept is None else sum_.scale * kept / (1 - sum_.drop)


def _scaled(x: Field, factor) -> Field:
    sign = np.sign(factor)
    numbers = None if x.numbers is None else x.numbers * np.broadcast_to(factor, x.mean.shape)[..., None]
    return replace(x, gram=x.gram.along(factor), mean=x.mean * sign, numbers=numbers)
