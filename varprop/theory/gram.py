"""Products of two samples or positions in every place, predicted."""

import numpy as np

from ..grams import Grams
from ..network import check_network
from ..signals import as_samples
from .infinite import evaluate
from .infinite.field import Gram
from .infinite.scenarios import Scenarios, scenarios
from .orders import INFINITE


def gram(network, inputs, *, backward: bool = False) -> Grams:
    """Return E[z z'] between all samples and positions in every place of a random network, at infinite width.

    Parameters
    ----------
    network
        What to describe.
    inputs
        The samples, all of which go through one network: (n_0,) or (samples, n_0); with positions (P, n_0) or
        (samples, P, n_0).
    backward
        Whether to give E[delta delta'] instead, delta the gradients by each place where the gradient by the output is
        N(0, I), the same for all samples and independent between positions.

    Returns
    -------
    Grams
        ``values`` and ``errors`` of shape (places, S, S), S = samples * positions, a sample's positions one after
        the other.

    Raises
    ------
    TypeError, ValueError
        For a network or inputs that are not what they should be, and where infinite width has no theory.

    Examples
    --------
    >>> from varprop import Network, theory
    >>> theory.gram(Network([2, 64, 64], "relu", "he"), [[1.0, 1.0], [1.0, -1.0]]).at("2").round(4).tolist()
    [[2.0, 0.6366], [0.6366, 2.0]]
    """
    given, fields = walk(network, inputs, "gram")
    if backward:
        top = network.top
        positions = network.position_count
        samples = given.input.mean.shape[1] // positions
        same = np.kron(np.ones((samples, samples)), np.eye(positions))
        shape = fields[top].gram.matrix.shape
        found = evaluate.backward(network, given, fields, top, Gram.exact(np.broadcast_to(same, shape)))
        grams = [found[place.node] if place.node <= top else None for place in network.places]
        grams = [Gram.exact(np.zeros(shape)) if g is None else g for g in grams]
    else:
        grams = [fields[place.node].gram for place in network.places]
    values, errors = zip(*(averaged(g, given) for g in grams), strict=True)
    names = tuple(place.name for place in network.places)
    return Grams(network, names, np.stack(values), np.stack(errors), INFINITE)


def walk(network, inputs, what: str) -> tuple[Scenarios, list]:
    """Return the scenarios of given samples, all through one network, and the field of every node."""
    check_network(network)
    rows = as_samples(inputs, network, what)
    given = scenarios(network, rows.reshape(1, -1, network.width), len(rows))
    return given, evaluate.forward(network, given)


def averaged(gram: Gram, given: Scenarios) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean over scenarios, (S, S), and its error."""
    values, errors = gram.values(), gram.value_errors()
    return given.mean(values), given.mean(errors) + given.noise(values)
