"""What single networks give: one record a block of networks, with a row a network."""

from dataclasses import dataclass

import numpy as np

from .exported import Exported


@dataclass(frozen=True, eq=False)
class Sample(Exported):
    """A block of networks, one after the other.

    Attributes
    ----------
    first
        The number of the first of them.
    names
        Of the columns of arrays (networks, L): layers, or places of a network that is no chain.
    """

    first: int
    names: tuple[str, ...]

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays by name, each (networks, L) or (networks,)."""
        return {name: value for name, value in vars(self).items() if isinstance(value, np.ndarray)}

    def __len__(self) -> int:
        return len(next(iter(self.arrays.values())))

    def __repr__(self) -> str:
        last = self.first + len(self) - 1
        return f"{type(self).__name__}(networks {self.first:,} to {last:,}: {', '.join(self.arrays)})"

    def _columns(self) -> dict:
        networks, places = len(self), len(self.names)
        each = (networks, places)
        return {
            "network": np.repeat(np.arange(self.first, self.first + networks), places),
            "place": list(self.names) * networks,
            **{name: np.broadcast_to(value.reshape(networks, -1), each).ravel() for name, value in self.arrays.items()},
        }


@dataclass(frozen=True, eq=False, repr=False)
class ForwardSample(Sample):
    """The forward signal of single networks, each array (networks, L).

    Attributes
    ----------
    q, log2_q
        q-hat, the mean of z^2 over the units of a layer, and over positions where there are several; and its logarithm,
        which holds where q is beyond float64, -inf where q is 0.
    fourth
        The mean of z^4.
    second_moment, log2_second_moment
        The mean of a^2, and its logarithm.
    """

    q: np.ndarray
    log2_q: np.ndarray
    fourth: np.ndarray
    second_moment: np.ndarray
    log2_second_moment: np.ndarray


@dataclass(frozen=True, eq=False, repr=False)
class BackwardSample(Sample):
    """The gradients of single networks, each array (networks, L) but for those at the input, (networks,).

    Attributes
    ----------
    d, log2_d
        d-hat, the mean of delta^2 over the units of a layer, and its logarithm.
    weight_gradient, log2_weight_gradient
        The mean of (d loss / d W)^2, NaN at a place without weights.
    input_d, log2_input_d
        The mean of (d loss / d x)^2 over the features.
    """

    d: np.ndarray
    log2_d: np.ndarray
    weight_gradient: np.ndarray
    log2_weight_gradient: np.ndarray
    input_d: np.ndarray
    log2_input_d: np.ndarray


@dataclass(frozen=True, eq=False, repr=False)
class PairSample(Sample):
    """Two inputs in single networks, each array (networks, L).

    Attributes
    ----------
    q, log2_q, other_q, log2_other_q
        q-hat of either input, and its logarithm.
    cosine
        That of z and z', NaN where one of them is 0.
    """

    q: np.ndarray
    log2_q: np.ndarray
    other_q: np.ndarray
    log2_other_q: np.ndarray
    cosine: np.ndarray
