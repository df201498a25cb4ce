"""A network as a table and as data: what its layers do, and the variance of their weights."""

from itertools import groupby

from ..exported import numbers
from ..layers import Dense, Dropout
from ..layers.gate import Product
from ..layers.residual import Sum
from .folding import folded
from .numbers import number
from .text import Tabular

_WEIGHTS = ["weights", "Var(W)", "n Var(W)", "Var(b)"]


class NetworkTable(Tabular):
    """A network with a row a layer, or a node; those that are alike and follow one another share one."""

    def __init__(self, network):
        self.network = network

    def _parts(self) -> list:
        return network_parts(self.network)

    def _fields(self) -> dict:
        return {"network": str(self.network), "positions": self.network.positions, **self._columns()}

    def _columns(self) -> dict:
        return network_columns(self.network)


def network_columns(network) -> dict:
    """Return a `network.Network` as columns, a node a row; NaN where there are no weights."""
    nodes = network.nodes
    found = {name: [getattr(node, name) for node in nodes] for name in ("path", "fan_in", "width")}
    dense = [node if isinstance(node.operation, Dense) else None for node in nodes]
    return {
        **found,
        "weights": ["" if node is None else str(node.operation.weights) for node in dense],
        "weight_variance": numbers([node and node.operation.weight_variance(node.fan_in) for node in dense]),
        "bias_variance": numbers([node and node.operation.bias_variance for node in dense]),
        "value": [does(node) for node in nodes],
    }


def network_parts(network) -> list:
    """Return a `network.Network` as a line and a table."""
    count = sum(node.fan_in * node.width for node in network.nodes if isinstance(node.operation, Dense))
    title = f"{network}; {count:,} weight{'s' * (count != 1)}"
    return [title, _chain(network) if network.is_chain else _graph(network)]


def _chain(network) -> tuple:
    rows = []
    for place, layer, dense in zip(network.places, network.layers, _dense(network), strict=True):
        sizes = [f"{layer.fan_in:,}", f"{layer.fan_out:,}"]
        rows.append((place.name, [*sizes, *_weights(dense), str(layer.activation)]))
    found = []
    for cells, same in groupby(rows, key=lambda row: row[1]):
        names = [name for name, _ in same]
        found.append([names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}", *cells])
    return ["layer", "n, from", "to", *_WEIGHTS, "activation"], found


def _dense(network) -> list:
    return [node for node in network.nodes if isinstance(node.operation, Dense)]


def _graph(network) -> tuple:
    rows = [(node.path, (f"{node.fan_in:,}", f"{node.width:,}", *_weights(node), does(node))) for node in network.nodes]
    names, cells = zip(*rows, strict=True)
    found = [[name, *cells[members[0]]] for name, members in folded(names, cells)]
    return ["node", "n, from", "to", *_WEIGHTS, "value"], found


def _weights(node) -> list[str]:
    """Return the weights' law and variances of a node; nothing of one that has no weights."""
    if not isinstance(node.operation, Dense):
        return [""] * len(_WEIGHTS)
    dense, variance = node.operation, node.operation.weight_variance(node.fan_in)
    law = f"{dense.weights}" + f" × {dense.multiplier:.6g}" * (dense.multiplier != 1.0)
    return [law, number(variance), number(variance * node.fan_in), number(dense.biases(node.fan_in))]


def does(node) -> str:
    """Return the value of a node, in the words of formulas."""
    operation = node.operation
    if isinstance(operation, Dense):
        return "W x + b"
    if isinstance(operation, Sum):
        shortcut, branch = (_times(factor) for factor in (operation.skip, operation.scale))
        kept = f", branch dropped with probability {operation.drop:.6g}" if operation.drop else ""
        return f"{shortcut}x + {branch}branch{kept}"
    if isinstance(operation, Product):
        return "gate × value"
    if isinstance(operation, Dropout):
        return f"x, 0 with probability {operation.p:.6g}, else over {1 - operation.p:.6g}"
    return f"{operation}(x)"


def _times(factor: float) -> str:
    return "" if factor == 1.0 else f"{factor:.6g} "
