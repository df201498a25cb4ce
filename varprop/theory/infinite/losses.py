"""The gradient at the top of a network at infinite width, where the outputs are few against the widths behind them."""

import numpy as np

from ...activations import Activation
from ...layers import Dense
from ...layers.gate import Product
from ..losses.output import output
from ..scaled import Scaled
from .field import Field
from .gram import Gram


def _bent(network, top: int) -> str | None:
    """Return an activation or gate on the way from a node down to Dense layers, which a given gradient meets."""
    todo = [top]
    while todo:
        index = todo.pop()
        node = network.nodes[index]
        if isinstance(node.operation, Activation | Product):
            return node.path
        if not isinstance(node.operation, Dense):
            todo += [i for i in node.sources if i >= 0]
    return None


def gradient_at(network, fields: list[Field], loss) -> tuple[Gram, "np.ndarray | None"]:
    """Return the gradient's `Gram` at `network.top`, and E D^2 / (E D)^2 of its squared length D, (R,), or None for 1.

    Raises ValueError for a loss that infinite width knows only behind a Dense: half_square, cross_entropy, and a
    given gradient on values that are not Gaussian.
    """
    node = network.nodes[network.top]
    field = fields[network.top]
    shape = field.gram.matrix.shape
    if isinstance(loss, str) and loss == "linear":
        return Gram.exact(np.broadcast_to(np.eye(shape[1]), shape)), None
    if not isinstance(loss, str):
        bent = _bent(network, network.top)
        if bent is not None:
            raise ValueError(f"a given gradient needs a Dense between it and {bent}; or use loss 'linear'.")
        size = np.abs(loss).max() or 1.0
        return Gram.of_numbers(np.broadcast_to(loss / size, (shape[0], *loss.shape))).along(size), None
    if not isinstance(node.operation, Dense):
        raise ValueError(f"loss {loss!r} needs a Dense at the output; this network ends in {node.path}.")
    if loss == "half_square":
        return field.gram, None
    if shape[1] > 1:
        raise ValueError(f"loss 'cross_entropy' has no theory with {shape[1]} positions; use 'linear'.")
    sizes = field.gram.sizes()
    found = output(loss, node.width, None, Scaled(sizes.mantissa[:, 0], sizes.exponent[:, 0]))
    mean, exponent = found.size.mantissa / node.width, found.size.exponent
    odd = exponent % 2
    matrix = (mean * (1 + odd))[:, None, None]
    return Gram.of(matrix, np.reshape(found.error, (-1, 1)), 0.0, ((exponent - odd) // 2)[:, None]), found.square[0, 0]
