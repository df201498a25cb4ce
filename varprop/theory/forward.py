"""Var(z) per layer, predicted."""

import numpy as np

from ..inputs import Inputs, as_inputs
from ..network import Network, check_network
from ..origins import Origin
from ..records import Forward, LayerProfile
from .chain.signal import first, homogeneous, infinite
from .chain.signal.death import log_alive, zeros_known
from .chain.signal.layer import EPS
from .chain.signal.logarithms import log_profiles
from .infinite import records as infinite_records
from .orders import EXACT, INFINITE, Order, choose_order, correction, hidden_obstacle, with_known
from .slow import says_when_slow


@says_when_slow
def forward(network: Network, inputs=None, *, order: str | None = None) -> Forward:
    """Return the forward signal of a random network, computed: no randomness.

    Each network has weights, biases and an input of its own; z^l = W^l a^(l-1) + b^l. Given the layer
    below, z^l has variance Q^l = Var(W^l) |a^(l-1)|^2 + bias_variance.

    Parameters
    ----------
    network
        What to describe: L layers, each with its own width, weight law, bias and activation; or any
        network of `Network.sequential`, of whose places profiles hold a number each.
    inputs
        None for x ~ N(0, I); an array (n_0,) for one fixed input; an array (rows, n_0) of data,
        of which each network is fed one row, drawn uniformly. With positions (P, n_0) or (rows, P, n_0).
    order
        ``"infinite"`` width; ``"first"`` order in 1/width; ``"exact"`` at every width, where each
        hidden layer is linear, ReLU or leaky ReLU. By default the best there is, field by field.

    Returns
    -------
    Forward
        Arrays over layers have layer l at entry l - 1. Each profile's ``origin`` says its order.
        Its ``errors`` estimate rounding and quadrature errors; they do not count what the order leaves
        out. With ``"exact"``, log_mean and log_variance are exact where no layer but the first has a bias and, but
        for the first, weights are normal or orthogonal, or what they see of the layer below is known (a single unit,
        up to three behind normal weights), and second_moment if the output layer is one of those above; else they
        are of first order. So is activation_mean where a layer from the second on has a bias, or weights neither
        normal nor orthogonal; but it is exact in any order of finite width where phi less a constant is odd.
        ``dead`` is exact at any finite width; it is None for a custom activation, as nobody knows where that is 0.

        Of a network that is no chain, ``"exact"`` needs normal weights, and linear, ReLU or leaky ReLU
        behind a Dense, or a norm before the Dense; branches end in a Dense. It gives variance,
        second_moment, fluctuation and kurtosis; the rest is of infinite width. The origin says
        "exact but for eps" where the eps of a norm meets a mean square that is random: ``errors``
        bound what that leaves open.

    Notes
    -----
    The first layer is exact in every order, given its rows and the law of its weights, and with it the moments of the
    second. Beyond 64 features of equal size its weights count as Gaussian with a fourth cumulant, and ``errors`` hold
    what that leaves out. At infinite width x ~ N(0, I) has |x|^2 = n_0, elsewhere it is a mixture over |x|^2.

    Raises
    ------
    TypeError, ValueError
        For arguments that are not what they should be, inputs that do not fit, an order that is
        unknown or not possible here, or an activation that gives NaN or infinity.

    Sources
    -------
    Infinite width: Poole et al., NIPS 2016. First order: Yaida, MSML 2020; Roberts, Yaida and Hanin,
    The Principles of Deep Learning Theory, 2022. Exact: Hanin and Nica, Commun. Math. Phys. 376, 2020;
    DESIGN.md, "The mathematics".

    Examples
    --------
    >>> from varprop import Network, theory
    >>> predicted = theory.forward(Network([64, 64, 64, 10], "relu", "he"))
    >>> predicted.variance
    LayerProfile([2, 2, 2], origin='exact')
    >>> predicted.fluctuation
    LayerProfile([0.0634766, 0.146561, 0.438412], origin='exact')
    """
    check_network(network)
    if not network.is_chain:
        return infinite_records.forward(network, inputs, order)
    order = choose_order(order, hidden_obstacle(network))
    inputs = as_inputs(inputs, network.widths[0])
    if order is Order.INFINITE:
        profiles = infinite.profiles(network, infinite.start(network, inputs))
        dead = _dead(network, inputs, np.full(network.depth, np.inf), INFINITE)
        return Forward(network, **profiles, dead=dead)
    dead, moved = _dead(network, inputs, network.widths[1:], EXACT), None
    if order is Order.EXACT:
        profiles = _exact(network, inputs)
    else:
        start = first.start(network, inputs)
        profiles = first.profiles(network, start)
        moved = correction(profiles["variance"].values, infinite.variance(network, start))
    return Forward(network, **profiles, dead=dead, correction=moved)


def _exact(network: Network, inputs: Inputs) -> dict[str, LayerProfile]:
    """Return every profile exactly, and those that cannot be to first order."""
    found = homogeneous.moment_profiles(network, inputs) | log_profiles(network, inputs)
    names = ("second_moment", "log_mean", "log_variance")
    means, errors = homogeneous.activation_means(network, inputs)
    if all(name in found for name in names) and not np.isnan(means).any():
        return found | {"activation_mean": LayerProfile(means, errors, EXACT)}
    wider = first.profiles(network, first.start(network, inputs))
    found["activation_mean"] = with_known(wider["activation_mean"], means, errors)
    return {name: profile for name, profile in wider.items() if name in names} | found


def _dead(network: Network, inputs: Inputs, widths, origin: Origin) -> LayerProfile | None:
    """Return P(every activation of a layer is 0) at these ``widths``, exact for symmetric weights and biases."""
    if not all(zeros_known(layer.activation) for layer in network.layers):
        return None
    dead = np.abs(np.expm1(log_alive(network, inputs, widths)[1:]))
    return LayerProfile(dead, 4 * EPS * np.arange(1, len(dead) + 1) * dead, origin)
