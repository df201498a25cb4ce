"""What theory's functions share: the names of the orders, and the choice of one."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from enum import StrEnum
from types import MappingProxyType

import numpy as np

from ..activations import Activation
from ..names import choose
from ..network import Network
from ..origins import Origin
from ..own_weights import OwnDistribution
from ..quantities import QUANTITIES
from ..records import LayerProfile
from ..variance_scaling import fourth_cumulant

INFINITE, FIRST, EXACT = Origin.INFINITE, Origin.FIRST, Origin.EXACT


class Order(StrEnum):
    """How well a network is followed; the better the later."""

    INFINITE = "infinite"
    FIRST = "first"
    EXACT = "exact"


def choose_order(
    order: str | None, obstacles: dict[Order, str], errors: Mapping[Order, type[ValueError]] = MappingProxyType({})
) -> Order:
    """Return ``order``, or the best that is possible where it is None.

    ``obstacles`` holds what each order that is not possible would need. Raises ValueError, or what
    ``errors`` has for it, for such an order, and ValueError for an unknown one.
    """
    possible = [name for name in reversed(Order) if name not in obstacles]
    if order is None:
        return possible[0]
    order = Order(choose(order, tuple(map(str, Order)), "unknown order {}", kind="order", more=", or leave it out"))
    if order in obstacles:
        others = " or ".join(f"order='{name}'" for name in possible)
        raise errors.get(order, ValueError)(f"order '{order}' needs {obstacles[order]}; use {others}, or leave it out.")
    return order


def correction(first: np.ndarray, infinite: np.ndarray) -> np.ndarray:
    """Return by how much, relatively, first order moves infinite width; 0 where both are 0 or infinite."""
    with np.errstate(all="ignore"):
        moved = first / infinite - 1
    return np.where(np.isnan(moved), 0.0, moved)


def homogeneous(activation: Activation) -> bool:
    """Whether phi(s z) = s phi(z) for s > 0: linear, relu or leaky_relu."""
    return activation.slopes is not None


def hidden_obstacle(network: Network, known: Callable = homogeneous, names="linear, relu or leaky_relu") -> dict:
    """Return the obstacle to order "exact" where it needs hidden layers that are ``known``; {} if all are."""
    for l, layer in enumerate(network.layers[:-1], 1):
        if not known(layer.activation):
            return {Order.EXACT: f"{names} in every hidden layer, but layer {l} is {layer.activation}"}
    return {}


def weights_obstacle(network: Network) -> dict[Order, str]:
    """Return the obstacle to all but infinite width where a weight law of one's own has no expansion; else {}."""
    for l, layer in enumerate(network.layers, 1):
        if isinstance(layer.distribution, OwnDistribution) and (why := layer.distribution.obstacle) is not None:
            return dict.fromkeys((Order.FIRST, Order.EXACT), f"{why}, in layer {l}")
    return {}


def cumulant(distribution) -> float:
    """Return the fourth cumulant by which a layer of independent weights is told from a Gaussian one.

    Of a law of one's own that has no expansion it is 0: then nobody but infinite width asks.
    """
    own = isinstance(distribution, OwnDistribution)
    return 0.0 if own and distribution.obstacle is not None else fourth_cumulant(distribution)


def zeros_have_no_chance(network: Network) -> bool:
    """Whether signs of units are fair, and no preactivation of a layer that sees a signal is 0 by chance."""
    laws = [layer.distribution for layer in network.layers]
    return not any(isinstance(law, OwnDistribution) and (law.atoms or not law.symmetric) for law in laws)


def doubted(profiles: dict[str, LayerProfile], left_out: dict[str, np.ndarray]) -> dict[str, LayerProfile]:
    """Return profiles of first order with what that may have left out."""
    return {
        name: replace(profile, left_out=left_out[name], doubt_beyond=QUANTITIES[name].doubt_beyond)
        for name, profile in profiles.items()
    }


def at_input(value, error, origin: str, left_out=None) -> LayerProfile:
    """Return a profile of the one number at the input."""
    doubt = None if left_out is None else QUANTITIES["input_gradient_variance"].doubt_beyond
    left_out = None if left_out is None else np.array([float(left_out)])
    values, errors = np.array([float(value)]), np.array([float(error)])
    return LayerProfile(values, errors, origin, left_out, doubt_beyond=doubt, names=("input",))


def with_known(profile: LayerProfile, values: np.ndarray, errors: np.ndarray) -> LayerProfile:
    """Return a profile of first order with what is exactly known put in; NaN where nothing is."""
    known = ~np.isnan(values)
    if known.all():
        return replace(profile, values=values, errors=errors, origin=EXACT, left_out=None, doubt_beyond=None)
    found = replace(
        profile, values=np.where(known, values, profile.values), errors=np.where(known, errors, profile.errors)
    )
    return found if found.left_out is None else replace(found, left_out=np.where(known, 0.0, found.left_out))
