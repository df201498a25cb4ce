"""How alike two inputs are in every layer, predicted."""

from numpy.typing import ArrayLike

from ..network import Network, check_network
from ..records import Pair
from .slow import says_when_slow


@says_when_slow
def pair(
    network: Network, correlation: float | None = None, *, inputs: ArrayLike | None = None, order: str | None = None
) -> Pair:
    """Return the correlation of two inputs' preactivations in a random network, computed: no randomness.

    Both inputs go through one network. Given the layer below, (z_i, z_i') are Gaussian with covariance
    Var(W^l) Gram(a, a') + bias_variance.

    Parameters
    ----------
    network
        What to describe: L layers, each with its own width, weight law, bias and activation.
    correlation
        Between -1 and 1: two inputs of N(0, 1) features, each pair of features of this correlation.
    inputs
        Instead of ``correlation``: an array (2, n_0), two given inputs.
    order
        ``"infinite"`` width; ``"first"`` order in 1/width; ``"exact"`` at every width, where each
        hidden layer is linear. By default the best there is, field by field.

    Returns
    -------
    Pair
        Arrays over layers have layer l at entry l - 1. Each profile's ``origin`` says its order.
        Only ``correlation`` is ever exact, for any weights and biases; the cosine of a finite layer is
        of first order at best. At infinite width every network has the same cosine, but for stochastic depth.

    Notes
    -----
    ``errors`` estimate rounding and quadrature errors, by a second, coarser quadrature carried through
    the layers. They do not count what the order leaves out, about the square of depth over width (``left_out``);
    where depth passes width the values are no more than bounded. ``correlation`` is NaN in a layer where z is 0.

    Raises
    ------
    TypeError, ValueError
        For arguments that are not what they should be, both or neither of ``correlation`` and
        ``inputs``, an order that is unknown or not possible here, or an activation that gives NaN or
        infinity or grows so fast that the quadrature misses its moments.

    Sources
    -------
    Infinite width: Poole et al., NIPS 2016. First order: derived in docs/derivations/pair.md.

    Examples
    --------
    >>> from varprop import Network, theory
    >>> theory.pair(Network([64] * 4, "relu", "he"), correlation=0.5, order="infinite").correlation
    LayerProfile([0.5, 0.608998, 0.683906], origin='infinite width')
    """
    check_network(network)
    if network.is_chain:
        from .chain.pair import pair
    else:
        from .infinite.records import pair
    return pair(network, correlation, inputs, order)
