"""Sum: skip x + scale f. E x f is the product of their means where a Dense stands between; else `together` knows it.

In stochastic depth, ``kept`` says who keeps the branch.
"""

from dataclasses import replace

import numpy as np

from .field import Field, both
from .gram import Gram, common, diagonal, zero_free
from .together import TogetherError, crossed


def forward(node, index: int, sources, kept) -> Field:
    x, f = sources
    skip, scale = factors(node, kept)
    if not np.any(scale):  # the block is its skip path
        return _scaled(x, skip)
    if not np.any(skip):
        return _scaled(f, scale)
    if x.numbers is not None and f.numbers is not None:
        numbers = (y.numbers * _each(factor, y) for y, factor in ((x, skip), (f, scale)))
        return Field.given(sum(numbers), x.roots | f.roots)
    a, b = common(x.gram.along(skip), f.gram.along(scale))
    (m, dm), (n, dn) = (_mean(y, factor, gram) for y, factor, gram in ((x, skip, a), (f, scale, b)))
    cross, cross_error = both(m, n), both(dm, np.abs(n)) + both(np.abs(m), dn)
    try:
        shared = crossed(x, f, a, b)
    except TogetherError:
        raise ValueError(
            f"{node.path} adds a branch to its skip path with no Dense between the two: theory does not know how "
            "far they go together. Put a Dense into the branch."
        ) from None
    signs = [np.broadcast_to(np.sign(factor), m.shape) for factor in (skip, scale)]
    if shared is not None:
        cross, cross_error = cross + shared[0] * np.sign(skip * node.operation.scale), cross_error + shared[1]
    gram = a.plus(b, cross, cross_error)
    size = np.maximum(a.diagonal + b.diagonal + diagonal(cross), 0.0)
    root = zero_free(np.sqrt(size))
    parts = tuple((y, sign * np.sqrt(own.diagonal) / root) for y, sign, own in ((x, signs[0], a), (f, signs[1], b)))
    roots, gaussian = x.roots | f.roots, x.gaussian and f.gaussian
    return Field(gram, (m + n) / root, (dm + dn) / root, gaussian, roots, None, parts)


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


def passes(node, sources, kept) -> tuple:
    return tuple(np.sign(factor) for factor in factors(node, kept))


def _scaled(x: Field, factor) -> Field:
    sign = np.broadcast_to(np.sign(factor), x.mean.shape)
    numbers = None if x.numbers is None else x.numbers * _each(factor, x)
    return replace(x, gram=x.gram.along(factor), mean=x.mean * sign, numbers=numbers, parts=((x, sign),))


def _each(factor, x: Field) -> np.ndarray:
    """Return ``factor`` for each signal, to multiply numbers with."""
    return np.broadcast_to(factor, x.mean.shape)[..., None]
