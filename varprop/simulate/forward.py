"""Var(z) per layer, measured."""

from numbers import Integral

from ..inputs import as_inputs
from ..kernels import LANES
from ..network import Network
from ..records import Forward, check_relative_error
from ..statistics import forward_profiles
from .ensemble import run
from .samplers import check_counters, choose_method, draws_per_network, forward_sampler

FIRST_STAGE = 64 * LANES
MOST = 10**12


def forward(
    network: Network,
    inputs=None,
    *,
    networks: int | None = None,
    relative_error: float | None = None,
    seed: int = 0,
    method: str = "auto",
    threads: int | None = None,
    block_size: int | None = None,
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
        dead, 0.01 for 1%. What was reached is the result's ``relative_error``. Where the spread is
        heavy tailed the sample's error is too small and so is the number drawn; ask
        `theory.networks_needed` first.
    seed
        From 0 to 2^64 - 1. Equal arguments give equal bits, for any threads and block size.
    method
        ``"conditional"`` draws each preactivation given the layer below: exact for normal and
        orthogonal weights, O(width) a layer. ``"dense"`` draws every weight, for any weight law.
        ``"auto"`` takes the first where it is exact.
    threads
        How many to use; all cores by default.
    block_size
        Networks a task; chosen from the network's size by default.
    progress
        Whether to show a bar on stderr when it takes a while; by default, if stderr is a terminal.

    Returns
    -------
    Forward
        Errors are standard errors from the spread between networks. They are themselves
        uncertain where that spread is heavy tailed (depth over width near 1 and above);
        ``log_mean`` is then the safer number.

    Raises
    ------
    TypeError, ValueError
        For arguments out of range, inputs that do not fit, a method the weights do not allow, or
        an activation function that Numba cannot compile.

    Sources
    -------
    Philox: Salmon et al., SC 2011. Conditional sampling: DESIGN.md, "The mathematics".
    """
    if not isinstance(network, Network):
        raise TypeError(f"network is {network!r}; give a varprop.Network.")
    plan = _plan(networks, relative_error)
    _check_whole(seed, "seed", 0, 2**64 - 1)
    for name, value in (("threads", threads), ("block_size", block_size)):
        if value is not None:
            _check_whole(value, name, 1, 2**20)
    inputs = as_inputs(inputs, network.widths[0])
    method = choose_method(network, method)
    check_counters(network, method)
    sums, pivots, drawn = run(
        forward_sampler(network, inputs, seed, method),
        network.depth,
        plan,
        draws=draws_per_network(network, method),
        threads=threads,
        block_size=block_size,
        progress=progress,
    )
    return Forward(network, **forward_profiles(sums, pivots, drawn), networks=drawn)


def _plan(networks, relative_error):
    """Return the plan that `ensemble.run` follows: a fixed number, or stages towards an error."""
    if networks is None and relative_error is None:
        raise TypeError("give networks=, how many to draw, or relative_error=, such as 0.01.")
    if networks is not None:
        _check_whole(networks, "networks", 2, MOST)
        networks = int(networks)
    if relative_error is None:
        return lambda sums, pivots, done: networks
    check_relative_error(relative_error)
    most = networks or MOST

    def plan(sums, pivots, done):
        if done == 0:
            return min(most, FIRST_STAGE)
        reached = forward_profiles(sums, pivots, done)["variance"].relative_error
        if reached <= relative_error or done >= most:
            return done
        # A tenth more than the sample asks for, but never over four times what it has seen.
        wanted = min(1.1 * (reached / relative_error) ** 2, 4.0) * done
        return min(most, -(-int(wanted) // LANES) * LANES)

    return plan


def _check_whole(value, name: str, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{name} is {value!r}; give a whole number.")
    if not low <= value <= high:
        raise ValueError(f"{name} is {value!r}; it must be from {low} to {high}.")
