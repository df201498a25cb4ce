"""A PyTorch model as a `Network`."""

from dataclasses import dataclass

from torch import nn

from ..network import Network
from .reader import Reader
from .trace import trace


@dataclass(frozen=True)
class Imported:
    """A model as a network, and where each of its places is in the model.

    Attributes
    ----------
    network
        The `Network`.
    paths
        For each place of ``network.places``, by name: the path of the Linear; of a residual block's sum
        ``"blocks.3 sum 1"``, the first of the module that adds, as an audit names it. Both places of a gate that is one
        Linear of twice the width, as in F.glu, have its path. None for the place of a mere factor.
    """

    network: Network
    paths: dict[str, str | None]


def network(model: nn.Module, inputs=None) -> Network:
    """Return a PyTorch model's architecture as a `Network`, with the laws that its weights were drawn from.

    What torch.fx traces, and what is known: Linear, all activations of varprop and of torch.nn (as modules, functions
    or methods), LayerNorm, RMSNorm, Dropout, residual sums with factors and shortcuts, GLU forms, Flatten in front.
    Then theory, simulate, compare, gram, nngp and ntk are of that architecture. Nothing is run on data, and the model
    stays as it is.

    Parameters
    ----------
    model
        An `nn.Module` of one tensor. Dropout counts where the module is in training mode: call ``model.eval()`` first
        for the network without.
    inputs
        A batch, for its shape alone: (rows, n_0), or (rows, positions, n_0); in a tuple or a dict, as the model takes
        it. None for rows as wide as the first module is.

    Returns
    -------
    Network
        With a law for each weight: PyTorch's default, He's, LeCun's or Glorot's, and orthogonal where the numbers fit
        one; else normal of the tensor's own mean square. Biases are normal of equal variance. Weights of 0 have the
        least variance of a Dense, 1e-100.

    Raises
    ------
    TypeError
        If the model is no module, or the inputs are no tensors.
    UnknownPartError
        A ValueError, for a part that varprop has no layer for, or that theory would be wrong for: a module used
        twice, weights that are equal, constant or of a mean other than 0. It names the part by its path.
    ValueError
        If the model rejects inputs of that shape, or has no parameters.

    Examples
    --------
    >>> import torch
    >>> from varprop.pytorch import network
    >>> nn = torch.nn
    >>> _ = torch.manual_seed(0)
    >>> model = nn.Sequential(nn.Linear(784, 512), nn.GELU(), nn.Dropout(0.1), nn.Linear(512, 10))
    >>> print(network(model.eval()))
    784,512,10, gelu, torch:linear
    """
    return imported(model, inputs).network


def imported(model: nn.Module, inputs=None) -> Imported:
    """Return what `network` does, with the path in the model of each of its places. Raises as `network` does."""
    shape, parts = Reader(trace(model, inputs)).read()
    network = Network.sequential(shape[-1], *(part.step for part in parts), positions=tuple(shape[1:-1]) or 1)
    paths = [path for part in parts for path in part.paths]
    names = [place.name for place in network.places]
    return Imported(network, dict(zip(names, paths, strict=True)))
