"""The two kernels of the output of a wide network: of its values (NNGP), and of its gradients (NTK)."""

from numpy.typing import ArrayLike

from ..grams import Kernel
from ..network import Network


def nngp(network: Network, inputs: ArrayLike) -> Kernel:
    """Return E[f f'] of one output unit f between all samples and positions, at infinite width.

    Parameters
    ----------
    network
        What to describe.
    inputs
        The samples: (n_0,) or (samples, n_0); with positions (P, n_0) or (samples, P, n_0).

    Raises
    ------
    TypeError, ValueError
        As `gram` does.

    Sources
    -------
    Lee et al., ICLR 2018; Matthews et al., ICLR 2018.

    Examples
    --------
    >>> from varprop import Network, theory
    >>> theory.nngp(Network([2, 64, 1], "relu", "he"), [[1.0, 1.0], [1.0, -1.0]]).values.round(4).tolist()
    [[2.0, 0.6366], [0.6366, 2.0]]
    """
    from .infinite.samples import nngp

    return nngp(network, inputs)


def ntk(network: Network, inputs: ArrayLike) -> Kernel:
    """Return the neural tangent kernel of one output unit between all samples and positions, at infinite width.

    The sum over Dense of (gain_squared K + bias_variance) S, with K the second moments below it and S those of the
    derivatives by its z, summed over units: the kernel of neural-tangents with parameterization="ntk". Gains and
    shifts of norms are no parameters.

    Parameters
    ----------
    network, inputs
        As in `nngp`.

    Raises
    ------
    TypeError, ValueError
        As `gram` does, and for an activation without a derivative.

    Sources
    -------
    Jacot, Gabriel and Hongler, NeurIPS 2018.

    Examples
    --------
    >>> from varprop import Network, theory
    >>> theory.ntk(Network([2, 64, 1], "relu", "he"), [[1.0, 1.0], [1.0, -1.0]]).values.round(4).tolist()
    [[4.0, 0.6366], [0.6366, 4.0]]
    """
    from .infinite.samples import ntk

    return ntk(network, inputs)
