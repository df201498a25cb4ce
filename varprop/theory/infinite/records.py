"""Records of any network at infinite width."""

from dataclasses import replace

import numpy as np

from ...chains import NotAChainError, chain_obstacle
from ...inputs import as_pair
from ...positions import format_positions
from ...records import Backward, Forward, LayerProfile, Pair
from ...signals import as_rows, as_signal_loss
from ..blocks import backward as blocks_backward
from ..blocks import profiles as blocks
from ..blocks.forward import Walk
from ..blocks.laws import NotExactError
from ..orders import INFINITE, Order, choose_order
from ..scaled import top_exponent
from . import evaluate
from .gram import EPS, Gram, zero_free
from .losses import gradient_at
from .profiles import backward_profiles, forward_profiles
from .scenarios import Scenarios, check_bytes, scenarios


def forward(network, inputs, order: str | None) -> Forward:
    """Return what `theory.forward` does for a network that is no chain."""
    rows = as_rows(inputs, network)
    check_bytes(network, rows)
    walk, obstacle = _exact(network, rows)
    chosen = _choose_order(order, network, obstacle)
    found = forward_profiles(network, scenarios(network, rows))
    return Forward.from_profiles(
        network, found | (blocks.forward_profiles(network, walk) if chosen is Order.EXACT else {})
    )


def _exact(network, rows):
    """Return the walk that gives exact moments, or None, and what the network would need for it."""
    try:
        with np.errstate(over="ignore", invalid="ignore"):  # what is beyond float64 is refused
            return Walk(network, rows), None
    except NotExactError as obstacle:
        return None, str(obstacle)


def _exact_back(network, walk: Walk, loss):
    """Return the way back that gives exact moments, or None, and what the network would need for it."""
    if isinstance(loss, str) and loss != "linear":
        return None, f"a loss that is linear or given, but this is {loss}"
    if not isinstance(loss, str) and len(loss) > 1:
        return None, "one position, for a given gradient"
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            return blocks_backward.Back(network, walk, None if isinstance(loss, str) else loss), None
    except NotExactError as obstacle:
        return None, str(obstacle)


def backward(network, inputs, loss, order: str | None) -> Backward:
    """Return what `theory.backward` does for a network that is no chain."""
    rows, loss = as_rows(inputs, network), as_signal_loss(loss, network)
    check_bytes(network, rows)
    walk, obstacle = _exact(network, rows)
    back, obstacle = _exact_back(network, walk, loss) if walk else (None, obstacle)
    chosen = _choose_order(order, network, obstacle)
    given, top = scenarios(network, rows), network.top
    fields = evaluate.forward(network, given, top)
    found = backward_profiles(network, given, fields, top, *gradient_at(network, fields, loss))
    if chosen is Order.EXACT and walk is not None and back is not None:
        found |= blocks_backward.backward_profiles(network, walk, back)
    return Backward.from_profiles(network, found, loss=loss if isinstance(loss, str) else "given")


def pair(network, correlation, inputs, order: str | None) -> Pair:
    """Return what `theory.pair` does for a network that is no chain."""
    _choose_order(order, network, chain_obstacle(network))
    if network.position_count > 1:
        there = format_positions(network.positions)
        raise ValueError(f"pair takes a network of one position, but this has {there}; use theory.gram.")
    cosine, rows = as_pair(correlation, inputs, network.width)
    given = scenarios(network, None if rows is None else rows[None], 2, cosine)
    fields = evaluate.forward(network, given)
    grams = [fields[place.node].gram for place in network.places]
    found = [(_correlation(gram, given), *_cosine(gram, given)) for gram in grams]
    names = tuple(place.name for place in network.places)
    correlation, cosines, spread = (
        LayerProfile(np.array(values), np.array(errors), INFINITE, names=names)
        for values, errors in (zip(*parts, strict=True) for parts in zip(*found, strict=True))
    )
    return Pair(network, cosine, correlation, cosines, spread)


def _correlation(gram: Gram, given: Scenarios) -> tuple[float, float]:
    """Return E z z' over the root of E z^2 E z'^2, each a mean over scenarios, and its error; NaN where one is 0.

    No mean of the scenarios' cosines: who keeps a branch has the larger z, and counts for more.
    """
    plain = replace(gram, exponent=gram.exponent - top_exponent(gram.diagonal > 0, gram.exponent, axis=0))
    each = plain.values()
    sizes, roots = np.diagonal(each, axis1=1, axis2=2), np.sqrt(each[:, 0, 0]) * np.sqrt(each[:, 1, 1])
    mean = given.mean(sizes)
    with np.errstate(divide="ignore", invalid="ignore"):
        size = np.sqrt(mean[0] * mean[1])
        share = roots / size
        apart = given.mean(share * gram.gap[:, 0, 1])
        found = np.clip(1 - apart if len(share) == 1 else given.mean(each[:, 0, 1]) / size, -1.0, 1.0)
        error = given.mean(share * gram.cosine_error[:, 0, 1]) + EPS * (1 + np.abs(found))
        if len(share) > 1:
            error += given.mean(share * gram.size_error.sum(axis=1))
        moved = each[:, 0, 1] / size - found * (sizes[:, 0] / mean[0] + sizes[:, 1] / mean[1]) / 2
    return found, error + given.noise(moved)


def _cosine(gram: Gram, given: Scenarios) -> tuple[tuple, tuple]:
    """Return mean and variance of the scenarios' cosines where neither signal is 0, each with its error; else NaN."""
    live = (gram.diagonal > 0).all(axis=1)
    share = live / zero_free(given.mean(live))
    gap, off = gram.gap[:, 0, 1], gram.cosine_error[:, 0, 1]
    one = gap[np.argmax(live)]  # so that equal ones have no variance, not even of rounding
    mean, error = one + given.mean(share * (gap - one)), given.mean(share * off)
    variance = given.mean(share * (gap - mean) ** 2)
    noise = given.noise(share * (gap - mean)), given.noise(share * ((gap - mean) ** 2 - variance))
    known = 1.0 if live.any() else np.nan
    spread = 2 * error * np.sqrt(variance) + 4 * EPS * variance
    return ((1 - mean) * known, error + EPS + noise[0]), (variance * known, spread + noise[1])


def _choose_order(order: str | None, network, exact: str | None) -> Order:
    """Return the order; ``exact`` is what that would need, None where nothing. First order is of chains alone."""
    obstacles = {Order.FIRST: chain_obstacle(network)} | ({} if exact is None else {Order.EXACT: exact})
    return choose_order(order, obstacles, {Order.FIRST: NotAChainError})
