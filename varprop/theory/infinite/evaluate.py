"""One walk forward and one back over a network's nodes. To add a layer, add its file and a line to ``RULES``."""

from types import ModuleType

import numpy as np

from ...activations import Activation
from ...layers import Dense, Dropout, LayerNorm, RMSNorm
from ...layers.gate import Product
from ...layers.residual import Sum
from ..scaled import Scaled
from . import activation, dense, dropout, gate, layer_norm, residual, rms_norm
from .field import Field
from .gram import Gram, common
from .scenarios import Scenarios
from .together import Gradient, TogetherError, crossed

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
    parts: list[list] = [[] for _ in range(top + 2)]
    parts[top].append(Gradient(gradient, frozenset([top])))
    found: list = [None] * (top + 2)
    for i in range(top, -2, -1):
        own = _total(parts[i], network.nodes[i].path if i >= 0 else "the input")
        found[i] = own and own.gram
        if own is None or i < 0:
            continue
        node, rule = network.nodes[i], RULES[type(network.nodes[i].operation)]
        sources, kept = [fields[j] for j in node.sources], given.kept.get(i)
        grams = rule.backward(node, own.gram, sources, kept)
        passed = rule.passes(node, sources, kept) if hasattr(rule, "passes") else None
        for k, (j, gram) in enumerate(zip(node.sources, grams, strict=True)):
            if isinstance(node.operation, Dense):
                parts[j].append(Gradient(gram, frozenset([i])))  # through weights of mean 0
            else:
                parts[j].append(Gradient(gram, own.roots, () if passed is None else ((own, passed[k]),)))
    return found


def _total(parts: list, path: str) -> "Gradient | None":
    """Return the sum of what comes back to one node; None where nothing does."""
    if len(parts) < 2:
        return parts[0] if parts else None
    total = parts[0]
    for part in parts[1:]:
        a, b = common(total.gram, part.gram)
        try:
            cross = crossed(total, part, a, b)
        except TogetherError:
            raise ValueError(
                f"gradients reach {path} by two paths with no Dense on either: theory does not know how far they go "
                "together. Put a Dense into one of them."
            ) from None
        gram = a.plus(b, *(cross or ()))
        root = Scaled.of(np.sqrt(gram.diagonal), gram.exponent)
        own = (np.where(root.mantissa > 0, Scaled.of(np.sqrt(x.diagonal), x.exponent).over(root), 0.0) for x in (a, b))
        made = tuple(zip((total, part), own, strict=True))
        total = Gradient(gram, total.roots | part.roots, made)
    return total
