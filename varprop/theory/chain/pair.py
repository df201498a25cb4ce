"""Two inputs of a chain, to the best order there is, field by field."""

from dataclasses import replace

import numpy as np

from ...inputs import as_pair
from ...network import Network
from ...records import Pair
from ...variance_scaling import fourth_cumulant
from ..orders import EXACT, Order, choose_order, doubted, hidden_obstacle, weights_obstacle
from .two_inputs import first, infinite, walk
from .two_inputs.gram import Gram, given_gram, random_gram


def pair(network: Network, correlation: float | None, inputs, order: str | None) -> Pair:
    """Return what `theory.pair` does for a chain."""
    obstacles = hidden_obstacle(network, lambda phi: phi.slopes == (1.0, 1.0), "linear") | weights_obstacle(network)
    order = choose_order(order, obstacles)
    width = network.widths[0]
    cosine, rows = as_pair(correlation, inputs, width)
    gram = random_gram(width, cosine) if rows is None else given_gram(rows)
    found = walk.profiles(network, gram, infinite if order is Order.INFINITE else first)
    if order is not Order.INFINITE:
        rest = _left_out(network, gram, random=rows is None)
        known = rest * (np.arange(network.depth) > 0)  # in the first layer E z z' is known
        found = doubted(found, dict.fromkeys(found, rest) | {"correlation": known})
    if order is Order.EXACT:
        found["correlation"] = replace(found["correlation"], origin=EXACT, left_out=None, doubt_beyond=None)
    return Pair.from_profiles(network, found, input_correlation=cosine)


def _left_out(network: Network, gram: Gram, *, random: bool) -> np.ndarray:
    """Return about how much first order leaves out in each layer, absolutely: depth over width, squared.

    Beside it the square of the first layer's excess kurtosis, for weights that are not normal.
    """
    noise = [1 / network.widths[0] if random else 0.0, *(1 / layer.fan_out for layer in network.layers[:-1])]
    inputs = np.array([[1, 2, 1], [1, -2, 1]])  # (S + T)^2 and (S - T)^2
    fourth = max(row @ gram.fourth @ row for row in inputs)
    excess = fourth_cumulant(network.layers[0].distribution) * fourth
    return np.cumsum(noise) ** 2 + excess**2
