"""How networks that are no chain, or see several samples or positions side by side, are drawn."""

from dataclasses import replace

import numpy as np

from ..inputs import as_pair
from ..kernels import places
from ..names import choose
from ..network import check_network
from ..positions import format_positions
from ..runs import METHODS, Question
from ..signals import as_rows, as_samples, as_signal_loss, given_shape
from ..sums import PIVOTS, columns
from . import ensemble
from .chain import asked_moments
from .ensemble import Plan
from .program import Program

MOMENTS = ensemble.MOMENTS._replace(tally=places.tally_places, columns=places.COLUMNS, fields=places.FIELDS)


def forward(question: Question) -> tuple[Question, Plan]:
    """Return a question of `simulate.forward` with its arguments checked, and its plan."""
    network, more = question.network, asked_moments(question)
    rows = as_rows(question.arguments["inputs"], network)
    program = _program(network, rows, network.position_count, question.seed, question.method, records=True)
    plan = _of_places(program, len(network.places))
    plan = plan._replace(reduction=plan.reduction.with_moments(more.get("moments")))
    return replace(question, arguments={"inputs": _as_given(rows, network), **more}), plan


def backward(question: Question) -> tuple[Question, Plan]:
    """Return a question of `simulate.backward` with its arguments checked, and its plan."""
    network, asked = question.network, question.arguments
    rows, loss = as_rows(asked["inputs"], network), as_signal_loss(asked["loss"], network)
    program = _program(network, rows, network.position_count, question.seed, question.method, loss)
    plan = _of_places(program, len(network.places) + 1)  # the input is one
    return replace(
        question, arguments={"inputs": _as_given(rows, network), "loss": _loss_as_given(loss, network)}
    ), plan


def pair(question: Question) -> tuple[Question, Plan]:
    """Return a question of `simulate.pair` with its arguments checked, and its plan."""
    network, asked = question.network, question.arguments
    if network.position_count > 1:
        there = format_positions(network.positions)
        raise ValueError(f"pair takes a network of one position, but this has {there}; use simulate.gram.")
    cosine, rows = as_pair(asked["correlation"], asked["inputs"], network.width)
    program = pair_program(network, cosine, rows, question.seed, question.method)
    plan = Plan(program.sample_pair, len(network.places), ensemble.PAIR_MOMENTS, program.draws, program.memory)
    return replace(question, arguments={"correlation": cosine, "inputs": rows}), plan


def pair_program(network, cosine: float, rows, seed: int, method: str) -> Program:
    """Return what draws two inputs: these ``rows``, (2, n_0), or N(0, 1) features of correlation ``cosine``."""
    given = cosine if rows is None else rows[None]
    return _program(network, given, 2, seed, method)


def gram(question: Question) -> tuple[Question, Plan]:
    """Return a question of `simulate.gram` with its arguments checked, and its plan."""
    network, asked = question.network, question.arguments
    samples = as_samples(asked["inputs"], network, "gram")
    rows = samples.reshape(1, -1, network.width)
    signals = rows.shape[1]
    loss = "linear" if asked["backward"] else None
    program = _program(network, rows, signals, question.seed, question.method, loss)
    reduction = ensemble.Reduction(places.tally_gram, 2 * signals**2, _no_pivots, fields=signals**2)
    plan = Plan(program.sample_gram, len(network.places), reduction, program.draws, program.memory)
    return replace(
        question, arguments={"inputs": _as_given(samples, network), "backward": bool(asked["backward"])}
    ), plan


def _as_given(rows, network):
    """Return samples (samples, P, n_0) as a user gives them: without an axis where P is 1, else with its shape."""
    return None if rows is None else rows.reshape(len(rows), *given_shape(network), network.width)


def _loss_as_given(loss, network):
    return loss if isinstance(loss, str) else np.array(loss).reshape(*given_shape(network), loss.shape[1])


def _no_pivots(records: np.ndarray) -> np.ndarray:
    return np.ones((len(records), columns(PIVOTS)))


def _program(network, rows, signals: int, seed: int, method: str, loss=None, *, records: bool = False) -> Program:
    check_network(network)
    choose(method, METHODS, "unknown method {}", kind="method")
    return Program(network, rows, signals, seed, method, loss, records=records)


def _of_places(program: Program, places: int) -> Plan:
    """Return the plan of records of places: a row a position, and one of their mean where there are several."""
    positions = program.signals
    rows = places * (positions + (positions > 1))
    return Plan(program.sample, rows, MOMENTS, program.draws, program.memory)
