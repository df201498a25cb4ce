"""The correlation of two inputs per layer, measured."""

from concurrent.futures import Executor
from os import PathLike

from numpy.typing import ArrayLike

from ..network import Network
from ..records import Pair


def pair(
    network: Network,
    correlation: float | None = None,
    *,
    inputs: ArrayLike | None = None,
    networks: int | None = None,
    seed: int = 0,
    first: int = 0,
    checkpoint: str | PathLike | None = None,
    method: str = "auto",
    threads: int | None = None,
    block_size: int | None = None,
    executor: Executor | None = None,
    progress: bool | None = None,
) -> Pair:
    """Return the correlation of two inputs in random networks, measured, with its standard errors.

    Each network has weights and biases of its own, which both inputs go through.

    Parameters
    ----------
    network
        What to draw.
    correlation
        Between -1 and 1: two inputs of N(0, 1) features, each pair of features of this correlation.
    inputs
        Instead of ``correlation``: an array (2, n_0), two given inputs.
    networks, seed, first, checkpoint, threads, block_size, executor, progress
        As in `simulate.forward`.
    method
        ``"conditional"`` draws both preactivations of a unit given the layer below: exact for normal
        weights, O(width) a layer. ``"dense"`` draws every weight, for any weight law. ``"auto"`` takes the
        first where it is exact.

    Returns
    -------
    Pair
        Errors are standard errors from the spread between networks. The kernels hold activations in
        float32: a correlation is known to about 1e-7 at best.

    Raises
    ------
    TypeError, ValueError
        As `simulate.forward`, and unless exactly one of ``correlation`` and ``inputs`` is given.

    Sources
    -------
    Conditional sampling of two inputs: DESIGN.md, "The mathematics".

    Examples
    --------
    >>> from varprop import Network, simulate
    >>> network = Network([64] * 4, "relu", "he")
    >>> simulate.pair(network, correlation=0.5, networks=10_000, seed=0).correlation.values.round(2)
    array([0.5 , 0.61, 0.68])
    """
    from . import measure  # when it is called: kernels load numba

    arguments = {"correlation": correlation, "inputs": inputs}
    span = {"networks": networks, "first": first, "checkpoint": checkpoint}
    options = {"threads": threads, "block_size": block_size, "executor": executor, "progress": progress}
    return measure.measure("pair", network, arguments, seed=seed, method=method, **span, **options)
