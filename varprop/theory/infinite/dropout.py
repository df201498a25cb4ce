"""Dropout: kept numbers over the share that is kept, p. The mean square is over p, other products are as before."""

from dataclasses import replace

import numpy as np

from .field import Field
from .gram import Gram


def forward(node, index: int, sources, kept) -> Field:
    (x,) = sources
    p = 1 - node.operation.p
    if p == 1:
        return x
    mean, error = x.mean * np.sqrt(p), x.mean_error * np.sqrt(p)
    parts = ((x, np.full(x.mean.shape, np.sqrt(p))),)
    return replace(x, gram=_masked(x.gram, p), mean=mean, mean_error=error, gaussian=False, numbers=None, parts=parts)


def backward(node, gradient: Gram, sources, kept) -> tuple[Gram, ...]:
    return (_masked(gradient, 1 - node.operation.p),)


def passes(node, sources, kept) -> tuple:
    return (np.sqrt(1 - node.operation.p),)


def _masked(gram: Gram, p: float) -> Gram:
    """Masks of two signals are independent; that of one is the same in both factors, and on the way back."""
    mask = 1 + np.eye(gram.matrix.shape[1]) * (1 - p) / p
    return gram.product(Gram.exact(np.broadcast_to(mask, gram.matrix.shape)))
