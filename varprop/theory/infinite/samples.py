"""Samples side by side in one network: the products of all of them, and the kernels of wide networks."""

import numpy as np

from ...grams import Grams, Kernel
from ...layers import Dense
from ...network import check_network
from ...signals import as_samples
from ..orders import INFINITE
from . import evaluate
from .gram import Gram
from .scenarios import Scenarios, scenarios


def gram(network, inputs, backward: bool) -> Grams:
    """Return what `theory.gram` does."""
    given, fields = _walk(network, inputs, "gram")
    if backward:
        top = network.top
        positions = network.position_count
        samples = given.input.mean.shape[1] // positions
        same = np.kron(np.ones((samples, samples)), np.eye(positions))
        shape = fields[top].gram.matrix.shape
        found = evaluate.backward(network, given, fields, top, Gram.exact(np.broadcast_to(same, shape)))
        back = [found[place.node] if place.node <= top else None for place in network.places]
        grams = [Gram.exact(np.zeros(shape)) if gram is None else gram for gram in back]
    else:
        grams = [fields[place.node].gram for place in network.places]
    values, errors = zip(*(_averaged(g, given) for g in grams), strict=True)
    names = tuple(place.name for place in network.places)
    return Grams(network, names, np.stack(values), np.stack(errors), INFINITE)


def nngp(network, inputs) -> Kernel:
    """Return what `theory.nngp` does."""
    given, fields = _walk(network, inputs, "nngp")
    return Kernel(network, *_averaged(fields[network.output].gram, given), INFINITE, "NNGP")


def ntk(network, inputs) -> Kernel:
    """Return what `theory.ntk` does."""
    given, fields = _walk(network, inputs, "ntk")
    output = network.output
    shape = fields[output].gram.matrix.shape
    top = Gram.exact(np.full(shape, 1 / network.nodes[output].width))  # one unit of all
    gradients = evaluate.backward(network, given, fields, output, top)
    total = Gram.exact(np.zeros(shape))
    for i, node in enumerate(network.nodes):
        if isinstance(node.operation, Dense) and gradients[i] is not None:
            part = fields[i].gram.product(gradients[i]).times(node.width)
            total = total.plus(part)
    return Kernel(network, *_averaged(total, given), INFINITE, "NTK")


def _walk(network, inputs, what: str) -> tuple[Scenarios, list]:
    """Return the scenarios of given samples, all through one network, and the field of every node."""
    check_network(network)
    rows = as_samples(inputs, network, what)
    given = scenarios(network, rows.reshape(1, -1, network.width), len(rows))
    return given, evaluate.forward(network, given)


def _averaged(gram: Gram, given: Scenarios) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean over scenarios, (S, S), and its error."""
    values, errors = gram.values(), gram.value_errors()
    return given.mean(values), given.mean(errors) + given.noise(values)
