"""Products of two samples or positions in every place, predicted."""

from numpy.typing import ArrayLike

from ..grams import Grams
from ..network import Network


def gram(network: Network, inputs: ArrayLike, *, backward: bool = False) -> Grams:
    """Return E[z z'] between all samples and positions in every place of a random network, at infinite width.

    Parameters
    ----------
    network
        What to describe.
    inputs
        The samples, all of which go through one network: (n_0,) or (samples, n_0); with positions (P, n_0) or
        (samples, P, n_0).
    backward
        Whether to give E[delta delta'] instead, delta the gradients by each place where the gradient by the output is
        N(0, I), the same for all samples and independent between positions.

    Returns
    -------
    Grams
        ``values`` and ``errors`` of shape (places, S, S), S = samples * positions, a sample's positions one after
        the other.

    Raises
    ------
    TypeError, ValueError
        For a network or inputs that are not what they should be, and where infinite width has no theory.

    Examples
    --------
    >>> from varprop import Network, theory
    >>> theory.gram(Network([2, 64, 64], "relu", "he"), [[1.0, 1.0], [1.0, -1.0]]).at("2").round(4).tolist()
    [[2.0, 0.6366], [0.6366, 2.0]]
    """
    from .infinite.samples import gram

    return gram(network, inputs, backward)
