"""Var(z) per layer, measured."""

from concurrent.futures import Executor
from os import PathLike

from numpy.typing import ArrayLike

from ..network import Network
from ..records import Forward


def forward(
    network: Network,
    inputs: ArrayLike | None = None,
    *,
    networks: int | None = None,
    relative_error: float | None = None,
    seed: int = 0,
    first: int = 0,
    checkpoint: str | PathLike | None = None,
    method: str = "auto",
    moments: int | None = None,
    threads: int | None = None,
    block_size: int | None = None,
    executor: Executor | None = None,
    progress: bool | None = None,
) -> Forward:
    """Return the forward signal of random networks, measured, with its standard errors.

    Each network has weights, biases and an input of its own; z^l = W^l a^(l-1) + b^l.

    Parameters
    ----------
    network
        What to draw.
    inputs
        None for x ~ N(0, I); an array (n_0,) for one fixed input; an array (rows, n_0) of data,
        of which each network is fed one row, drawn uniformly.
    networks
        How many to draw, at least 2; with ``relative_error``, the most to draw.
    relative_error
        Draw until the standard error of the variance is this part of it in every layer that is not
        dead, 0.01 for 1%, and no layer is ``heavy_tailed``: a sample that is understates its error. What was reached
        is the result's ``relative_error``; `theory.networks_needed` says before how many it may take.
    seed
        From 0 to 2^64 - 1. Equal arguments give equal bits, for any threads and block size.
    first
        The number of the first network, a multiple of 64: networks are numbered from 0 on, and `varprop.merge` makes
        one record of several.
    checkpoint
        The name of a file in which what is known is written down as it goes, every second or more seldom. A run that
        was stopped anywhere goes on from there when it is asked for again, to equal bits. A file of something else is
        refused. `varprop.load` reads it, too.
    method
        ``"conditional"`` draws each preactivation given the layer below: exact for normal and
        orthogonal weights, O(width) a layer. ``"dense"`` draws every weight, for any weight law.
        ``"auto"`` takes the first where it is exact.
    moments
        4, 6 or 8: the record has E[z^4], E[z^6] and E[z^8] up to this one, too, and is else the same to the bit.
        Where chains are drawn conditionally, they are means of what z has given the layer below, which spread less than
        powers of z. None leaves them out.
    threads
        How many to use; all cores by default.
    block_size
        Networks a task; chosen from the network's size by default.
    executor
        Where to draw instead of on threads of this process: any `concurrent.futures.Executor`, such as a
        ``ProcessPoolExecutor``, ``dask.distributed.Client(...).get_executor()``, loky's or ``mpi4py.futures``'s. Its
        workers need this version of varprop, and use one thread each. Bits are equal on one type of processor.
    progress
        Whether to say on stderr, when it takes a while, that kernels are compiled, and how many networks are
        drawn; by default, on a terminal and in a notebook.

    Returns
    -------
    Forward
        Errors are standard errors from the spread between networks. They are themselves
        uncertain where that spread is heavy tailed (depth over width near 1 and above);
        ``log_mean`` is then the safer number.

    Raises
    ------
    TypeError, ValueError
        For arguments out of range, inputs that do not fit, a method the weights do not allow, or an
        activation function of one's own that fails or gives no finite number where the signal goes.
    ExecutorError
        Where the executor's workers or scheduler are lost. It says how many networks had been drawn.

    Sources
    -------
    Philox: Salmon et al., SC 2011. Conditional sampling: DESIGN.md, "The mathematics".

    Examples
    --------
    >>> from varprop import Network, simulate
    >>> measured = simulate.forward(Network([64, 64, 64, 10], "relu", "he"), networks=10_000, seed=0)
    >>> print(measured.variance.values.round(2), measured.variance.errors.round(3))
    [2.01 2.   2.01] [0.005 0.008 0.014]
    """
    from . import measure  # when it is called: kernels load numba

    arguments = {"inputs": inputs, "moments": moments}
    span = {"networks": networks, "relative_error": relative_error, "first": first, "checkpoint": checkpoint}
    options = {"threads": threads, "block_size": block_size, "executor": executor, "progress": progress}
    return measure.measure("forward", network, arguments, seed=seed, method=method, **span, **options)
