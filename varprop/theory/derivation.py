"""The way to a prediction, step by step, with a network's own numbers: what each layer makes of signal and gradient."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from ..activations import Activation
from ..exported import columns_of
from ..inputs import as_inputs
from ..layers import Dense, Dropout, LayerNorm, RMSNorm
from ..layers.gate import Product
from ..layers.residual import Sum
from ..network import Network, check_network
from ..signals import as_rows, as_signal_loss
from ..tables import Tabular
from ..tables.derivations import derivation_parts
from .backward import backward
from .forward import forward
from .orders import INFINITE
from .slow import says_when_slow


@dataclass(frozen=True)
class Step:
    """What one layer, or one node of a graph, makes of what it reads.

    Attributes
    ----------
    name
        A layer's number, or a node's path.
    kind
        ``"dense"``, ``"activation"``, ``"sum"``, ``"layer norm"``, ``"rms norm"``, ``"dropout"`` or ``"product"``.
    terms
        The numbers that go in, by name.
    value
        What comes out, a mean square; inf or 0 where that is beyond float64.
    """

    name: str
    kind: str
    terms: dict[str, float]
    value: float


@dataclass(frozen=True, repr=False)
class Derivation(Tabular):
    """How theory comes to its numbers.

    Attributes
    ----------
    network, description
        What was asked, and in words.
    loss
        Of the gradient.
    origin
        The order of the theory.
    input
        E[x^2] of a feature of the input.
    signal
        A `Step` a node in order of execution. A chain has two a layer, E[z^2] and, where it has an activation, E[a^2].
    gradient
        From the output down, E of the squared derivative by a unit: of each layer of a chain by its z, of each node of
        a graph. Empty where theory does not know it; ``unknown`` says why.
    """

    network: Network = field(metadata={"plain": False})
    description: str
    loss: str
    origin: str
    input: float
    signal: tuple[Step, ...]
    gradient: tuple[Step, ...]
    unknown: str = ""

    def __repr__(self) -> str:
        return str(self)

    def _parts(self) -> list:
        return derivation_parts(self)

    def _columns(self) -> dict:
        sides = ["signal"] * len(self.signal) + ["gradient"] * len(self.gradient)
        steps = columns_of((*self.signal, *self.gradient), Step)
        return {"side": sides, **{name: steps[name] for name in ("name", "kind", "value")}}


@says_when_slow
def derivation(
    network: Network,
    inputs: ArrayLike | None = None,
    *,
    loss: str | ArrayLike = "linear",
    order: str | None = None,
) -> Derivation:
    """Return the steps by which theory comes to E[z^2] of each layer and to the gradient, with the network's numbers.

    Parameters
    ----------
    network, inputs, loss
        As in `backward`.
    order
        As in `forward`, for chains. A graph is walked at infinite width.

    Notes
    -----
    E[z^2] = n Var(W) E[a^2] + Var(b) holds at every width, since weights have mean 0 and are independent of a. In a
    step of the gradient ``slope`` is what is left when n Var(W) is taken out: E[phi'^2] at infinite width with a
    linear loss.

    Raises
    ------
    TypeError, ValueError
        As `forward` does, and for a loss that is none or does not fit.

    Examples
    --------
    >>> from varprop import Network, theory
    >>> steps = theory.derivation(Network([4, 8, 1], "relu", "lecun")).signal
    >>> [(step.name, step.kind, step.value) for step in steps]
    [('1', 'dense', 1.0), ('1', 'activation', 0.5), ('2', 'dense', 0.5)]
    """
    check_network(network)
    return (_chain if network.is_chain else _graph)(network, inputs, loss, order)


def _chain(network: Network, inputs, loss, order) -> Derivation:
    ahead = forward(network, inputs, order=order)
    given = as_inputs(inputs, network.width)
    start = 1.0 if inputs is None else float(given.squared_norms.mean()) / network.width
    signal, below = [], start
    for l, layer in enumerate(network.layers):
        terms = _dense(layer.fan_in, layer.weight_variance, below, layer.bias_variance)
        value, below = float(ahead.variance[l]), float(ahead.profiles["second_moment"][l])
        signal.append(Step(str(l + 1), "dense", terms, value))
        if layer.activation.name != "linear":
            terms = {"phi": str(layer.activation), "below": value}
            signal.append(Step(str(l + 1), "activation", terms, below))
    gradient, unknown = [], ""
    try:
        back = backward(network, inputs, loss=loss, order=order).gradient_variance.values
    except ValueError as obstacle:
        unknown = str(obstacle)
    else:
        for l in reversed(range(network.depth)):
            terms = {}
            if l + 1 < network.depth:
                above = network.layers[l + 1]
                gain, size = above.fan_out * above.weight_variance, float(back[l + 1])
                with np.errstate(all="ignore"):
                    slope = float(np.divide(back[l], gain * size))
                terms = {"n": above.fan_out, "weight_variance": above.weight_variance, "slope": slope, "above": size}
            gradient.append(Step(str(l + 1), "dense", terms, float(back[l])))
    words = _words(loss)
    return Derivation(
        network, str(network), words, str(ahead.variance.origin), start, tuple(signal), tuple(gradient), unknown
    )


def _dense(n: int, weights: float, below: float, biases: float) -> dict:
    return {"n": n, "weight_variance": weights, "below": below, "bias_variance": biases}


def _words(loss) -> str:
    return loss if isinstance(loss, str) else "given"


def _graph(network: Network, inputs, loss, order) -> Derivation:
    from .infinite import evaluate
    from .infinite.losses import gradient_at
    from .infinite.scenarios import scenarios

    if order not in (None, "infinite"):
        forward(network, inputs, order=order)  # refuses what is no order, or is not possible here
    rows, loss = as_rows(inputs, network), as_signal_loss(loss, network)
    given = scenarios(network, rows)
    fields = evaluate.forward(network, given)
    mean = _Mean(given)
    sizes = [mean(each.gram.sizes()) for each in fields]
    means = [mean(each.means()) for each in fields]
    signal = [
        Step(node.path, kind(node), _terms(node, sizes, means, sizes[i], given.drawn is None), sizes[i])
        for i, node in enumerate(network.nodes)
    ]
    gradient, unknown = [], ""
    try:
        top = gradient_at(network, fields, loss)[0]
        grams = evaluate.backward(network, given, fields[: network.top + 1] + fields[-1:], network.top, top)
    except ValueError as obstacle:
        unknown = str(obstacle)
    else:
        for i in range(network.top, -1, -1):
            node, gram = network.nodes[i], grams[i]
            if gram is not None:
                gradient.append(Step(node.path, kind(node), {}, mean(gram.sizes())))
    return Derivation(
        network, str(network), _words(loss), str(INFINITE), sizes[-1], tuple(signal), tuple(gradient), unknown
    )


class _Mean:
    """Means over scenarios and signals."""

    def __init__(self, given):
        self._weights = given.weights[:, None]

    def __call__(self, sizes) -> float:
        signals = sizes.mantissa.shape[1]
        return float(sizes.mean(np.broadcast_to(self._weights / signals, sizes.mantissa.shape)).values())


KINDS = {
    Dense: "dense",
    Activation: "activation",
    Sum: "sum",
    LayerNorm: "layer norm",
    RMSNorm: "rms norm",
    Dropout: "dropout",
    Product: "product",
}


def kind(node) -> str:
    """Return what a node does, in a word."""
    return KINDS[type(node.operation)]


def _terms(node, sizes, means, value: float, exact: bool) -> dict:
    """Return the numbers that a node's mean square is made of."""
    operation, read = node.operation, [sizes[i] for i in node.sources]
    if isinstance(operation, Dense):
        return _dense(node.fan_in, operation.weight_variance(node.fan_in), read[0], operation.biases(node.fan_in))
    if isinstance(operation, Activation):
        return {"phi": str(operation), "below": read[0]}
    if isinstance(operation, Sum):
        kept = 1 - operation.drop
        terms = {"skip": operation.skip, "x": read[0], "scale": operation.scale, "branch": read[1], "kept": kept}
        rest = value - operation.skip**2 * read[0] - operation.scale**2 / kept * read[1]
        terms["cross"] = rest if exact and abs(rest) > 1e-9 * value else 0.0  # else rounding, or which gates were drawn
        return terms
    if isinstance(operation, Dropout):
        return {"below": read[0], "kept": 1 - operation.p}
    if isinstance(operation, Product):
        return {"gate": read[0], "value": read[1]}
    mean = means[node.sources[0]] if isinstance(operation, LayerNorm) else 0.0
    return {"below": read[0], "mean": mean, "eps": operation.eps}
