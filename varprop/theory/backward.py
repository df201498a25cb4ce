"""Variance of the gradient per layer, predicted."""

import numpy as np

from ..activations import Kind
from ..initializers import EXCESS_KURTOSIS
from ..inputs import Inputs, as_inputs, as_loss
from ..network import Network, check_network
from ..origins import Origin
from ..records import Backward, LayerProfile
from .chain.distribution.half_square import log_moments as half_square_logs
from .chain.gradient import exact, first, infinite, square, walk
from .chain.gradient.left_out import left_out
from .chain.signal import homogeneous
from .chain.signal.death import log_alive, log_passes, zeros_known
from .chain.signal.layer import EPS
from .chain.signal.left_out import left_out as signal_left_out
from .chain.signal.logarithms import log_profiles
from .chain.signal.signal import Start
from .chain.signal.walk import signals
from .infinite import records as infinite_records
from .orders import EXACT, FIRST, INFINITE, Order, choose_order, correction, doubted, hidden_obstacle, with_known
from .slow import says_when_slow


@says_when_slow
def backward(network: Network, inputs=None, *, loss="linear", order: str | None = None) -> Backward:
    """Return the gradient of a random network, computed: no randomness.

    delta^l = d loss / d z^l = phi'(z^l) * (W^(l+1))^T delta^(l+1), with the very weights of the forward pass.
    At infinite width E[(delta^l_i)^2] = n_(l+1) Var(W^(l+1)) E[phi'(z^l)^2] E[(delta^(l+1)_i)^2].

    Parameters
    ----------
    network
        What to describe. The loss is a function of z^L, so an activation of the output layer plays no part;
        of a network that is no chain it is a function of the output, before an activation that ends it.
    inputs
        As in `forward`.
    loss
        What delta^L is: ``"linear"``, independent N(0, I); ``"half_square"``, z^L itself, for the loss
        |z^L|^2 / 2; ``"cross_entropy"``, softmax of z^L less a label that is drawn uniformly; or an array
        (n_L,), that given vector.
    order
        ``"infinite"`` width, to which widths go by their ratios; ``"first"`` order in 1/width, for normal
        weights, and in the first layer any but orthogonal ones; ``"exact"`` at every width, where each hidden
        layer is linear, ReLU or leaky ReLU, and the loss is linear, given, or half_square with normal weights.
        By default the best there is, field by field.

    Returns
    -------
    Backward
        Arrays over layers have layer l at entry l - 1; ``input_gradient_variance`` has one entry, of the input. Each
        profile's ``origin`` says its order.

        With ``"exact"``, log_mean and log_variance are exact for linear and given losses and normal or
        orthogonal weights, or others in the first layer and where the direction of the gradient that meets them
        is known; and fluctuation but for half_square with biases. Those of half_square are exact where slopes are 0
        or of one size, as of ReLU, and no layer but the first has a bias. Else they are of first order, but for
        the last entry of half_square, whose delta^L is z^L, and as exact as `forward` has it.
        For half_square the limit of infinite width takes the outputs along: behind n units, the part of the
        gradient along the activations is about n_L / n of the rest, and is kept.
        log_mean and log_variance are None for cross_entropy: ln |delta^L|^2 has no formula.
        ``dead`` is exact; it is None where a hidden layer is hardtanh or custom, as nobody knows how often
        all its slopes are 0.

        Of a network that is no chain, ``"exact"`` needs what it needs in `forward`, no norm or gate, no ReLU that
        may see a layer of zeros, and a linear loss, or one position and a given one. At infinite width half_square and
        cross_entropy need a Dense at the output, of a width that is small against those behind it. Losses are summed
        over positions, and linear is independent over them; gradients by weights are of all positions together.

    Notes
    -----
    ``errors`` estimate rounding and quadrature errors; they do not count what the order leaves out.
    First order takes some 5 to 10 ms of CPU a layer: a minute or more for ten thousand.
    Beyond a variance of 10^4, logits of cross_entropy count as of 10^4, for an error of 0.6% with
    two outputs, 1.6% with a thousand.
    relu'(0) is 0 here, as in PyTorch and TensorFlow. It matters only where a whole layer is dead and no bias
    revives it: then every z above is 0, and so is the gradient. With the 1/2 of jax.numpy.maximum the
    gradient would go on there, halved at each ReLU. First order neglects dead networks, of probability 2^-width.

    Raises
    ------
    TypeError, ValueError
        For arguments that are not what they should be, inputs or a given vector that do not fit, an order
        that is unknown or not possible here, or an activation that gives NaN, or that came without its derivative
        and waves too fast for it to be found.

    Sources
    -------
    Infinite width: Schoenholz et al., ICLR 2017. Exact: Hanin and Nica, Commun. Math. Phys. 376, 2020.
    First order: derived in docs/derivations/backward.md.

    Examples
    --------
    >>> from varprop import Network, theory
    >>> theory.backward(Network([64, 128, 32, 10], "relu", "he")).gradient_variance
    LayerProfile([0.078125, 0.3125, 1], origin='exact')
    """
    check_network(network)
    if not network.is_chain:
        return infinite_records.backward(network, inputs, loss, order)
    inputs = as_inputs(inputs, network.widths[0])
    loss = as_loss(loss, network.widths[-1])
    name, given = (loss, None) if isinstance(loss, str) else ("given", loss)
    order = choose_order(order, _obstacles(network, name))
    if order is Order.INFINITE:
        start = Start.of(network, infinite.rows_of(network, inputs))
        profiles = walk.profiles(network, start, name, given, infinite)
        dead = _dead(network, inputs, name, given, [np.inf] * network.depth, INFINITE)
        return Backward(network, name, **profiles, dead=dead)
    profiles, known, moved = {}, {}, None
    if order is Order.EXACT and name == "half_square":
        known = square.profiles(network, inputs) | half_square_logs(network, inputs)
    elif order is Order.EXACT:
        known = exact.profiles(network, inputs, given)
    if not {"fluctuation", "log_mean"} <= known.keys():
        profiles, moved = _first(network, inputs, name, given)
        profiles |= known
        if order is Order.EXACT:
            profiles, moved = _with_output(profiles, network, inputs), None
    else:
        profiles = known
    dead = _dead(network, inputs, name, given, network.widths[1:], EXACT)
    return Backward(network, name, **profiles, dead=dead, correction=moved)


def _first(network: Network, inputs: Inputs, loss: str, given):
    """Return profiles of first order with what it leaves out, and by how much it moves infinite width."""
    start = Start.of(network, first.rows_of(network, inputs))
    passed = list(signals(network, start, first.SIGNAL))
    profiles = walk.profiles(network, start, loss, given, first, passed)
    wider = walk.profiles(network, start, loss, given, infinite)
    rest = left_out(network, loss, profiles, wider, signal_left_out(passed, start.rows.weights))
    moved = correction(profiles["gradient_variance"].values, wider["gradient_variance"].values)
    return doubted(profiles, rest), moved


def _with_output(profiles: dict[str, LayerProfile], network: Network, inputs: Inputs) -> dict[str, LayerProfile]:
    """Return profiles of half_square with what is exactly known of delta^L, which is z^L."""
    known = homogeneous.moment_profiles(network, inputs) | log_profiles(network, inputs)
    for name in ("fluctuation", "log_mean", "log_variance"):
        if name in known and name in profiles and profiles[name].origin is FIRST:
            values = np.append(np.full(network.depth - 1, np.nan), known[name].values[-1])
            profiles[name] = with_known(profiles[name], values, known[name].errors)
    return profiles


def _obstacles(network: Network, loss: str) -> dict[Order, str]:
    """Return what each order that is not possible would need."""
    laws = [layer.distribution for layer in network.layers]
    other = next((l for l, law in enumerate(laws, 1) if law != "normal"), None)
    found = {Order.FIRST: f"normal weights in every layer, but layer {other} is {laws[other - 1]}"} if other else {}
    if other == 1 and laws[0] in EXCESS_KURTOSIS and laws[1:].count("normal") == len(laws) - 1:
        found = {}  # the gradient does not go through the first layer, whose units are independent given the input
    if loss == "cross_entropy":
        return found | {Order.EXACT: "a loss that softmax has no part in, but this is cross_entropy"}
    if loss == "half_square" and other:
        found[Order.EXACT] = f"normal weights in every layer, but layer {other} is {laws[other - 1]}"
    return found | hidden_obstacle(network)


def _dead(network: Network, inputs: Inputs, loss: str, given, widths, origin: Origin) -> LayerProfile | None:
    """Return P(a^(l-1) = 0 or delta^l = 0), exact for symmetric weights and biases.

    Given that a^(l-1) is not 0, neither is z^l, and the gradient passes each layer from l on whose slopes
    are not all 0, with fair and independent signs. Then no layer on the way is 0.
    """
    hidden = [layer.activation for layer in network.layers[:-1]]
    if not all(zeros_known(phi) and phi.kind is not Kind.HARDTANH for phi in hidden):
        return None
    alive = log_alive(network, inputs, widths)[:-1]
    passes = [log_passes(phi, width) for phi, width in zip(hidden, widths, strict=False)]
    nothing = (given is not None and not given.any()) or (loss == "cross_entropy" and network.widths[-1] == 1)
    passes.append(-np.inf if nothing else 0.0)
    dead = np.abs(np.expm1(alive + np.cumsum(passes[::-1])[::-1]))
    return LayerProfile(dead, 4 * EPS * network.depth * dead, origin)
