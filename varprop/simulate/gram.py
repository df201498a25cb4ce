"""Products of two samples or positions in every place, measured."""

from concurrent.futures import Executor
from os import PathLike

from numpy.typing import ArrayLike

from ..grams import Grams
from ..network import Network


def gram(
    network: Network,
    inputs: ArrayLike,
    *,
    networks: int,
    seed: int = 0,
    first: int = 0,
    checkpoint: str | PathLike | None = None,
    backward: bool = False,
    method: str = "auto",
    threads: int | None = None,
    block_size: int | None = None,
    executor: Executor | None = None,
    progress: bool | None = None,
) -> Grams:
    """Return E[z z'] between all samples and positions in every place of random networks, measured.

    Parameters
    ----------
    network
        What to draw.
    inputs
        The samples, all of which go through one network: (n_0,) or (samples, n_0); with positions (P, n_0) or
        (samples, P, n_0).
    networks
        How many to draw, at least 2.
    backward
        Whether to give E[delta delta'] instead, as `theory.gram` does.
    seed, first, checkpoint, method, threads, block_size, executor, progress
        As in `simulate.forward`.

    Returns
    -------
    Grams
        ``values`` and standard ``errors`` of shape (places, S, S), S = samples * positions, a sample's positions one
        after the other.

    Raises
    ------
    TypeError, ValueError
        For a network, inputs or numbers that are not what they should be.

    Examples
    --------
    >>> from varprop import Network, simulate
    >>> network = Network([2, 64, 64], "relu", "he")
    >>> simulate.gram(network, [[1.0, 1.0], [1.0, -1.0]], networks=10_000).at("2").round(1).tolist()
    [[2.0, 0.6], [0.6, 2.0]]
    """
    from . import measure  # when it is called: kernels load numba

    arguments = {"inputs": inputs, "backward": backward}
    span = {"networks": networks, "first": first, "checkpoint": checkpoint}
    options = {"threads": threads, "block_size": block_size, "executor": executor, "progress": progress}
    return measure.measure("gram", network, arguments, seed=seed, method=method, **span, **options)
