"""Dense: z = W a + b. K' = gain_squared K + bias_variance; gradients by a unit of a: n_out Var(W) G."""

import numpy as np

from .field import Field
from .gram import Gram


def forward(node, index: int, sources, kept) -> Field:
    (x,) = sources
    dense = node.operation
    gram = x.gram.times(node.fan_in * dense.weight_variance(node.fan_in))
    if dense.bias_variance:
        gram = gram.plus(Gram.exact(np.full(gram.matrix.shape, dense.bias_variance)))
    return Field.normal(gram, index)


def backward(node, gradient: Gram, sources, kept) -> tuple[Gram, ...]:
    return (gradient.times(node.width * node.operation.weight_variance(node.fan_in)),)
