"""Sums over networks as the records that users get: what each kind of question is answered by. No kernel is needed."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ..grams import Grams
from ..inputs import Inputs
from ..law import Law
from ..layer_profile import LayerProfile
from ..origins import Origin
from ..quantities import MOMENTS
from ..records import Backward, Forward, Pair, Record
from ..runs import Question, Run
from ..statistics import (
    chain_gradients,
    forward_profiles,
    gram_estimates,
    law_layers,
    pair_profiles,
    place_gradients,
    place_profiles,
    split_input,
)
from ..sum_tree import SumTree
from ..tails import LEAST_SPREAD

Answer = Forward | Backward | Pair | Law | Grams


def answer(run: Run) -> Answer:
    """Return the record of a run; equal sums give equal bits."""
    return replace(_record(run.question, run.sums), run=run)


def main_profile(question: Question, sums: SumTree) -> LayerProfile:
    """Return the profile that names the record: the variance of what was drawn so far."""
    record = _record(question, sums)
    assert isinstance(record, Record)
    return record.profiles[record.main]


def _record(question: Question, sums: SumTree) -> Answer:
    with np.errstate(all="ignore"):  # of infinite sums, as a file may hold, means are NaN
        return _ANSWERS[question.kind](question, sums)


def place_names(network) -> tuple[str, ...]:
    return tuple(place.name for place in network.places)


def weighted(network) -> np.ndarray:
    """Return which places have weights."""
    return np.array([hasattr(network.nodes[place.node].operation, "law") for place in network.places])


def _forward(question: Question, sums: SumTree) -> Forward:
    network, found = question.network, sums.results
    highest = question.arguments.get("moments")
    if network.is_chain:
        profiles = _unsure_of_rows(forward_profiles(*found, highest), question.arguments["inputs"])
    else:
        names, positions = place_names(network), network.position_count
        profiles = place_profiles(*found, names=names, positions=positions, highest=highest)
    return Forward.from_profiles(network, profiles, networks=sums.networks)


def _unsure_of_rows(profiles: dict[str, LayerProfile], rows) -> dict[str, LayerProfile]:
    """Return profiles in which moments of the first layer are not sure of their errors where one length alone was seen.

    Given a row of data they are numbers, not samples: a few networks that were fed equal ones have no spread.
    """
    if not isinstance(rows, np.ndarray):
        return profiles
    norms = Inputs(rows.shape[1], rows).squared_norms
    if np.ptp(norms) <= 1e-9 * norms.max():
        return profiles
    found = dict(profiles)
    for name in profiles.keys() & set(MOMENTS.values()):
        profile = profiles[name]
        skewness = np.array(profile.skewness)
        skewness[:, profile.errors**2 <= LEAST_SPREAD * profile.values**2] = np.inf
        found[name] = replace(profile, skewness=skewness)
    return found


def _backward(question: Question, sums: SumTree) -> Backward:
    network, found = question.network, sums.results
    loss = question.arguments["loss"]
    loss = loss if isinstance(loss, str) else "given"
    if network.is_chain:
        return Backward.from_profiles(network, chain_gradients(*found), loss=loss, networks=sums.networks)
    names = (*place_names(network), "input")
    profiles, at_input = split_input(place_gradients(*found, names=names, positions=network.position_count))
    for name in ("weight_gradient_variance", "dead"):
        profiles[name] = profiles[name].where(weighted(network))
    profiles["input_gradient_variance"] = at_input
    return Backward.from_profiles(network, profiles, loss=loss, networks=sums.networks)


def _pair(question: Question, sums: SumTree) -> Pair:
    network, names = question.network, place_names(question.network)
    profiles = pair_profiles(*sums.results)
    profiles = {name: replace(profile, names=names) for name, profile in profiles.items()}
    return Pair.from_profiles(
        network, profiles, input_correlation=question.arguments["correlation"], networks=sums.networks
    )


def _law(question: Question, sums: SumTree) -> Law:
    layers = law_layers(*sums.results)
    return Law(question.network, layers, Origin.SIMULATION, sums.networks)


def _gram(question: Question, sums: SumTree) -> Grams:
    values, errors = gram_estimates(sums.total(), sums.networks)
    return Grams(question.network, place_names(question.network), values, errors, Origin.SIMULATION)


_ANSWERS: dict[str, Callable[[Question, SumTree], Answer]] = {
    "forward": _forward,
    "backward": _backward,
    "pair": _pair,
    "law": _law,
    "gram": _gram,
}
