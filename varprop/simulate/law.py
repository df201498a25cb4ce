"""The distribution of q-hat per layer, measured."""

from concurrent.futures import Executor
from os import PathLike

from numpy.typing import ArrayLike

from ..law import Law
from ..network import Network


def law(
    network: Network,
    inputs: ArrayLike | None = None,
    *,
    networks: int,
    seed: int = 0,
    first: int = 0,
    checkpoint: str | PathLike | None = None,
    method: str = "auto",
    threads: int | None = None,
    block_size: int | None = None,
    executor: Executor | None = None,
    progress: bool | None = None,
) -> Law:
    """Return the distribution of q-hat, the mean of z^2 over the units of a layer, measured.

    Each network has weights, biases and an input of its own. Equal arguments draw the same networks
    as `simulate.forward` does.

    Parameters
    ----------
    network, inputs, seed, first, checkpoint, method, threads, block_size, executor, progress
        As in `simulate.forward`.
    networks
        How many to draw, at least 2.

    Returns
    -------
    Law
        Edges of the bins and how many networks fall below. Errors are binomial standard errors,
        sqrt(p (1 - p) / networks), and 1 / networks at least.

    Notes
    -----
    Bins are of one width in ln q-hat: a 400th of the spread among the first 64 networks; with more than 128
    layers, which share the memory, wider, up to a 25th from 2,048 on. Between edges the distribution function
    is linear, which is off by 2e-7, or 5e-5. Networks beyond 20 spreads are counted at the ends.

    Raises
    ------
    TypeError, ValueError
        As `simulate.forward`.

    Examples
    --------
    >>> from varprop import Network, simulate
    >>> law = simulate.law(Network([100] * 51, "relu", "he"), networks=10_000, seed=0)
    >>> print(f"median {law.median[-1]:.2f}, P(q-hat < 0.2) = {law.probability_below(0.2)[-1]:.2f}")
    median 0.57, P(q-hat < 0.2) = 0.26
    """
    from . import measure  # when it is called: kernels load numba

    arguments, span = {"inputs": inputs}, {"networks": networks, "first": first, "checkpoint": checkpoint}
    options = {"threads": threads, "block_size": block_size, "executor": executor, "progress": progress}
    return measure.measure("law", network, arguments, seed=seed, method=method, **span, **options)
