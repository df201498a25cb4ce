"""Variance of the gradient per layer, predicted."""

from numpy.typing import ArrayLike

from ..network import Network, check_network
from ..records import Backward
from .slow import says_when_slow


@says_when_slow
def backward(
    network: Network, inputs: ArrayLike | None = None, *, loss: str | ArrayLike = "linear", order: str | None = None
) -> Backward:
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
    if network.is_chain:
        from .chain.backward import backward
    else:
        from .infinite.records import backward
    return backward(network, inputs, loss, order)
