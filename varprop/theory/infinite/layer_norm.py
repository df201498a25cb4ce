"""LayerNorm: at infinite width its mean and variance over units are E and Var of one."""

from .field import Field
from .gram import Gram
from .norms import normalised, scale


def forward(node, index: int, sources, kept) -> Field:
    (x,) = sources
    return normalised(x, node.operation.eps, centred=True)


def backward(node, gradient: Gram, sources, kept) -> tuple[Gram, ...]:
    (x,) = sources
    return (gradient.over(*scale(x, node.operation.eps, centred=True)),)


def passes(node, sources, kept) -> tuple:
    return (1.0,)
