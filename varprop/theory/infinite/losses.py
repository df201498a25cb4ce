"""The gradient at the top of a network at infinite width, where the outputs are few against the widths behind them."""

import numpy as np

from ...activations import Activation
from ...inputs import as_loss
from ...layers import Dense
from ...layers.gate import Product
from ..gradient.losses import output
from ..signal.scaled import Scaled
from .field import Field, Gram


def top_node(network) -> int:
    """Return the node that a loss is a function of: the output, or what it activates."""
    node = network.nodes[network.output]
    return node.sources[0] if isinstance(node.operation, Activation) and node.sources[0] >= 0 else network.output


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


def checked_loss(loss, network) -> "str | np.ndarray":
    """Return ``loss`` checked: a name, or the gradient by the output, float64 (positions, n_L)."""
    width, count = network.nodes[top_node(network)].width, network.position_count
    given = np.asarray(loss) if not isinstance(loss, str) else None
    if given is None or count == 1 or given.ndim < 2:
        found = as_loss(loss, width)
        return found if isinstance(found, str) else np.broadcast_to(found, (count, width))
    shape = network.positions if isinstance(network.positions, tuple) else (network.positions,)
    if given.shape != (*shape, width):
        raise ValueError(f"loss has shape {given.shape}; a given gradient has ({width},), or {(*shape, width)}.")
    return np.stack([as_loss(row, width) for row in given.reshape(count, width)])


def gradient_at(network, fields: list[Field], loss) -> tuple[Gram, "np.ndarray | None"]:
    """Return the gradient's `Gram` at `top_node`, and E D^2 / (E D)^2 of its squared length D, (R,), or None for 1.

    Raises ValueError for a loss that infinite width knows only behind a Dense: half_square, cross_entropy, and a
    given gradient on values that are not Gaussian.
    """
    node = network.nodes[top_node(network)]
    field = fields[top_node(network)]
    shape = field.gram.matrix.shape
    if isinstance(loss, str) and loss == "linear":
        return Gram.exact(np.broadcast_to(np.eye(shape[1]), shape)), None
    if not isinstance(loss, str):
        bent = _bent(network, top_node(network))
        if bent is not None:
            raise ValueError(f"a given gradient needs a Dense between it and {bent}; or use loss 'linear'.")
        size = np.abs(loss).max() or 1.0
        unit = Gram.exact(np.broadcast_to((loss / size) @ (loss / size).T / loss.shape[1], shape))
        return unit.along(size), None
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
    return Gram.of(matrix, matrix * found.error, ((exponent - odd) // 2)[:, None]), found.square[0, 0]
