"""Records of any network at infinite width."""

from ...inputs import as_pair
from ...network import chain_obstacle
from ...records import Backward, Forward, LayerProfile, Pair
from ...signals import as_rows
from ..orders import INFINITE, choose_order
from . import evaluate
from .losses import checked_loss, gradient_at, top_node
from .profiles import backward_profiles, forward_profiles
from .scenarios import scenarios


def forward(network, inputs, order: str | None) -> Forward:
    """Return what `theory.forward` does for a network that is no chain."""
    choose_order(order, _obstacles(network))
    return Forward(network, **forward_profiles(network, scenarios(network, as_rows(inputs, network))))


def backward(network, inputs, loss, order: str | None) -> Backward:
    """Return what `theory.backward` does for a network that is no chain."""
    choose_order(order, _obstacles(network))
    given, loss = scenarios(network, as_rows(inputs, network)), checked_loss(loss, network)
    top = top_node(network)
    fields = evaluate.forward(network, given, top)
    found = backward_profiles(network, given, fields, top, *gradient_at(network, fields, loss))
    return Backward(network, loss if isinstance(loss, str) else "given", **found)


def pair(network, correlation, inputs, order: str | None) -> Pair:
    """Return what `theory.pair` does for a network that is no chain; at infinite width every network has one cosine."""
    choose_order(order, _obstacles(network))
    if network.position_count > 1:
        raise ValueError(f"pair takes a network of one position, but this has {network.positions}; use theory.gram.")
    cosine, rows = as_pair(correlation, inputs, network.width)
    given = scenarios(network, None if rows is None else rows[None], 2, cosine)
    fields = evaluate.forward(network, given)
    found = {"correlation": [], "errors": []}
    for place in network.places:
        for name, value in zip(found, fields[place.node].gram.cosines(), strict=True):
            found[name].append(value[:, 0, 1] @ given.weights)
    names = tuple(place.name for place in network.places)
    return Pair(network, cosine, LayerProfile(found["correlation"], found["errors"], INFINITE, names=names))


def _obstacles(network) -> dict[str, str]:
    return {order: chain_obstacle(network) for order in ("first", "exact")}
