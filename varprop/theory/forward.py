"""Var(z) per layer, predicted."""

from numpy.typing import ArrayLike

from ..network import Network, check_network
from ..quantities import highest_moment
from ..records import Forward
from .slow import says_when_slow


@says_when_slow
def forward(
    network: Network, inputs: ArrayLike | None = None, *, order: str | None = None, moments: int | None = None
) -> Forward:
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
    moments
        4, 6 or 8: E[z^4], E[z^6] and E[z^8] up to this one, too, where they are known: all where "exact" is and weights
        are normal, or orthogonal without biases; elsewhere E[z^4], where there is a kurtosis.

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
    if network.is_chain:
        from .chain.forward import forward
    else:
        from .infinite.records import forward
    if moments is None:
        return forward(network, inputs, order)
    from .high_moments import with_moments

    highest = highest_moment(moments)
    return with_moments(forward(network, inputs, order), inputs, order, highest)
