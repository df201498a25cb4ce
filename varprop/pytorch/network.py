"""A PyTorch model as a `Network`."""

from dataclasses import dataclass
from typing import Any

from torch import nn

from ..network import Network
from .joins import Where, steps_of
from .laws import Fresh, Weights
from .reader import Reader
from .trace import UnknownPartError, checked_model, trace


@dataclass(frozen=True)
class Imported:
    """A model as a network, and where each of its places is in the model.

    Attributes
    ----------
    network
        The `Network`.
    places
        For each place of ``network.places``, by name: of a Dense the path of the Linear and the names of its
        parameters; of a residual block's sum ``"blocks.3 sum 1"``, the first of the module that adds, as an audit
        names it. Both places of a gate that is one Linear of twice the width, as in F.glu, are there. None for a mere
        factor's.
    shape
        Of the batch as the first layer takes it: (rows, positions ..., n_0).
    """

    network: Network
    places: dict[str, Where | None]
    shape: tuple[int, ...]

    @property
    def paths(self) -> dict[str, str | None]:
        """The paths alone."""
        return {name: None if where is None else where.path for name, where in self.places.items()}


def network(model: nn.Module, inputs: Any = None) -> Network:
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


def imported(model: nn.Module, inputs=None, *, weights: bool = True) -> Imported:
    """Return what `network` does, with where in the model each of its places is. Raises as `network` does.

    Without ``weights`` their numbers are not looked at: each is of LeCun's law, without biases.
    """
    model = checked_model(model)
    shape, parts = Reader(trace(model, inputs), Weights(model) if weights else Fresh(model)).read()
    try:
        network = Network.sequential(shape[-1], *steps_of(parts), positions=tuple(shape[1:-1]) or 1)
    except ValueError as error:
        raise UnknownPartError(str(error)) from error
    places = [place for part in parts for place in part.places]
    return Imported(network, dict(zip((place.name for place in network.places), places, strict=True)), tuple(shape))
