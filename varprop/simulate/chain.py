"""How chains of Dense layers are drawn: a question's arguments checked, and the plan that answers it."""

from dataclasses import replace

from ..activations import known_derivative
from ..inputs import as_inputs, as_loss
from ..network import check_chain
from ..quantities import highest_moment
from ..runs import Question
from . import bins, ensemble, memory, samplers
from .ensemble import Plan


def forward(question: Question) -> tuple[Question, Plan]:
    """Return a question of `simulate.forward` with its arguments checked, and its plan."""
    return _forward(question, ensemble.MOMENTS, asked_moments(question))


def asked_moments(question: Question) -> dict[str, int]:
    """Return up to which moment of z a question asks, as an argument by its name; {} where it does not."""
    highest = question.arguments.get("moments")
    return {} if highest is None else {"moments": highest_moment(highest)}


def law(question: Question) -> tuple[Question, Plan]:
    """Return a question of `simulate.law` with its arguments checked, and its plan."""
    check_chain(question.network, "simulate.law")
    return _forward(question, bins.reduction(question.network.depth), {})


def _forward(question: Question, reduction: ensemble.Reduction, more: dict) -> tuple[Question, Plan]:
    network, highest = question.network, more.get("moments")
    inputs = as_inputs(question.arguments["inputs"], network.widths[0])
    method = samplers.choose_method(network, question.method)
    plan = Plan(
        samplers.forward_sampler(network, inputs, question.seed, method, highest),
        network.depth,
        reduction.with_moments(highest),
        samplers.draws_per_network(network, method),
        memory.bytes_per_thread(network, method),
    )
    return replace(question, arguments={"inputs": inputs.rows, **more}, method=method), plan


def backward(question: Question) -> tuple[Question, Plan]:
    """Return a question of `simulate.backward` with its arguments checked, and its plan."""
    network, asked = question.network, question.arguments
    inputs, loss = as_inputs(asked["inputs"], network.widths[0]), as_loss(asked["loss"], network.widths[-1])
    method = samplers.choose_method(network, question.method)
    for layer in network.layers[:-1]:
        known_derivative(layer.activation)
    plan = Plan(
        samplers.backward_sampler(network, inputs, loss, question.seed, method),
        network.depth + 1,
        ensemble.MOMENTS,
        2 * samplers.draws_per_network(network, method),
        memory.bytes_per_thread(network, method, backward=True),
    )
    return replace(question, arguments={"inputs": inputs.rows, "loss": loss}, method=method), plan
