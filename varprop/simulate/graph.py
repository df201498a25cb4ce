"""Networks that are no chain, or see several samples or positions side by side, measured."""

from dataclasses import replace
from functools import partial

import numpy as np

from ..grams import Grams
from ..inputs import as_pair
from ..kernels import places
from ..names import choose
from ..network import check_network
from ..origins import Origin
from ..positions import format_positions
from ..records import Backward, Forward, Pair
from ..signals import as_rows, as_samples, as_signal_loss
from ..statistics import gram_estimates, pair_profiles, place_gradients, place_profiles, split_input
from ..sums import PIVOTS
from . import ensemble, measure, samplers
from .program import Program

MOMENTS = ensemble.MOMENTS._replace(tally=places.tally_places, columns=places.COLUMNS, fields=places.FIELDS)


def forward(network, inputs, *, seed: int, method: str, **options) -> Forward:
    """Return what `simulate.forward` does for a network that is no chain."""
    program = _program(network, as_rows(inputs, network), network.position_count, seed, method)
    names = tuple(place.name for place in network.places)
    profiles, drawn = _measure(program, names, place_profiles, options)
    return Forward(network, **profiles, networks=drawn)


def backward(network, inputs, loss, *, seed: int, method: str, **options) -> Backward:
    """Return what `simulate.backward` does for a network that is no chain."""
    rows, loss = as_rows(inputs, network), as_signal_loss(loss, network)
    program = _program(network, rows, network.position_count, seed, method, loss)
    names = tuple(place.name for place in network.places)
    found, drawn = _measure(program, (*names, "input"), place_gradients, options)
    profiles, at_input = split_input(found)
    weighted = np.array([hasattr(network.nodes[place.node].operation, "law") for place in network.places])
    for name in ("weight_gradient_variance", "dead"):
        profiles[name] = profiles[name].where(weighted)
    name = loss if isinstance(loss, str) else "given"
    return Backward(network, name, **profiles, networks=drawn, input_gradient_variance=at_input)


def pair(network, correlation, inputs, *, networks, seed: int, method: str, **options) -> Pair:
    """Return what `simulate.pair` does."""
    measure.check_network_and_seed(network, seed)
    if network.position_count > 1:
        there = format_positions(network.positions)
        raise ValueError(f"pair takes a network of one position, but this has {there}; use simulate.gram.")
    cosine, rows = as_pair(correlation, inputs, network.width)
    program = pair_program(network, cosine, rows, seed, method)
    profiles, drawn = measure.measure(
        program.sample_pair,
        network,
        ensemble.PAIR_MOMENTS,
        pair_profiles,
        networks=networks,
        relative_error=None,
        draws=program.draws,
        memory=program.memory,
        rows=len(network.places),
        **options,
    )
    names = tuple(place.name for place in network.places)
    profiles = {name: replace(profile, names=names) for name, profile in profiles.items()}
    return Pair(network, cosine, **profiles, networks=drawn)


def pair_program(network, cosine: float, rows, seed: int, method: str) -> Program:
    """Return what draws two inputs: these ``rows``, (2, n_0), or N(0, 1) features of correlation ``cosine``."""
    return _program(network, cosine if rows is None else rows[None], 2, seed, method)


def gram(network, inputs, backward: bool, *, networks, seed: int, method: str, **options) -> Grams:
    """Return what `simulate.gram` does."""
    measure.check_network_and_seed(network, seed)
    rows = as_samples(inputs, network, "gram").reshape(1, -1, network.width)
    signals = rows.shape[1]
    program = _program(network, rows, signals, seed, method, "linear" if backward else None)
    reduction = ensemble.Reduction(places.tally_gram, 2 * signals**2, _no_pivots, fields=signals**2)
    (values, errors), _ = measure.measure(
        program.sample_gram,
        network,
        reduction,
        lambda sums, pivots, drawn: gram_estimates(sums, drawn),
        networks=networks,
        relative_error=None,
        draws=program.draws,
        memory=program.memory,
        rows=len(network.places),
        **options,
    )
    return Grams(network, tuple(place.name for place in network.places), values, errors, Origin.SIMULATION)


def _no_pivots(records: np.ndarray) -> np.ndarray:
    return np.ones((len(records), len(PIVOTS.names)))


def _program(network, rows, signals: int, seed: int, method: str, loss=None) -> Program:
    check_network(network)
    choose(method, samplers.METHODS, "unknown method {}", kind="method")
    return Program(network, rows, signals, seed, method, loss)


def _measure(program: Program, names: tuple[str, ...], estimate, options: dict):
    positions = program.signals
    rows = len(names) * (positions + (positions > 1))
    return measure.measure(
        program.sample,
        program.network,
        MOMENTS,
        partial(estimate, names=names, positions=positions),
        draws=program.draws,
        memory=program.memory,
        rows=rows,
        **options,
    )
