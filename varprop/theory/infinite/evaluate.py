"""One walk forward and one back over a network's nodes. To add a layer, add its file and a line to ``RULES``."""

from types import ModuleType

from ...activations import Activation
from ...layers import Dense, Dropout, LayerNorm, RMSNorm
from ...layers.gate import Product
from ...layers.residual import Sum
from . import activation, dense, dropout, gate, layer_norm, residual, rms_norm
from .field import Field
from .gram import Gram
from .scenarios import Scenarios

RULES: dict[type, ModuleType] = {
    Dense: dense,
    Activation: activation,
    Sum: residual,
    LayerNorm: layer_norm,
    RMSNorm: rms_norm,
    Dropout: dropout,
    Product: gate,
}


def forward(network, given: Scenarios, last: int | None = None) -> list[Field]:
    """Return the field of every node up to ``last``, by default of all; entry -1 is the input's.

    Raises ValueError that names a node by its path where infinite width has no theory for it.
    """
    count = len(network.nodes) if last is None else last + 1
    fields: list = [None] * (count + 1)
    fields[-1] = given.input
    for i, node in enumerate(network.nodes[:count]):
        sources = [fields[j] for j in node.sources]
        fields[i] = RULES[type(node.operation)].forward(node, i, sources, given.kept.get(i))
    return fields


def backward(network, given: Scenarios, fields: list[Field], top: int, gradient: Gram) -> list[Gram | None]:
    """Return E of the products of the derivatives by every node's units up to ``top``; entry -1 is the input's.

    ``gradient`` is that of node ``top``. Entries that it does not depend on are None.
    """
    found: list = [None] * (top + 2)
    found[top] = gradient
    for i in range(top, -1, -1):
        node, own = network.nodes[i], found[i]
        if own is None:
            continue
        parts = RULES[type(node.operation)].backward(node, own, [fields[j] for j in node.sources], given.kept.get(i))
        for j, part in zip(node.sources, parts, strict=True):
            found[j] = part if found[j] is None else found[j].plus(part)
    return found
