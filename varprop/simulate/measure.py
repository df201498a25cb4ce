"""What every measurement shares: its checks, how many networks it draws, and the way to its record."""

from collections.abc import Callable

import numpy as np

from .. import checks
from ..kernels import LANES
from ..network import Network, check_network
from ..progress import wanted
from ..tails import JUDGED
from .ensemble import Reduction, run
from .memory import check_memory, say_time

FIRST_STAGE = 64 * LANES
MOST = 10**12
SOME = 10**6  # networks to draw before their skewness is believed to be past all numbers


def check_network_and_seed(network, seed) -> None:
    """Raise TypeError or ValueError unless ``network`` is a `Network` and ``seed`` one that Philox takes."""
    check_network(network)
    checks.whole(seed, "seed", 0, 2**64 - 1)


def measure(
    sample: Callable,
    network: Network,
    reduction: Reduction,
    estimate: Callable,
    *,
    networks,
    relative_error,
    draws: int,
    memory: int = 0,
    rows: int | None = None,
    **options,
) -> tuple:
    """Return what ``estimate(sums, pivots, networks)`` makes of the networks drawn, and how many they were.

    ``rows`` is the number of rows of a record, by default the network's depth; ``memory`` is what a thread takes, in
    bytes. With ``relative_error`` the estimate must be profiles by name, the main one first. ``options`` are threads,
    block_size and progress. The rest is as in `ensemble.run` and `simulate.forward`.
    """
    for name in ("threads", "block_size"):
        if options[name] is not None:
            options[name] = checks.whole(options[name], name, 1, 2**20)
    plan = _plan(networks, relative_error, estimate)
    said = wanted(options["progress"])
    check_memory(memory, options["threads"], networks, say=said)
    if said and networks is not None and relative_error is None:
        say_time(draws, options["threads"], int(networks))
    sums, pivots, drawn = run(sample, network.depth if rows is None else rows, plan, reduction, draws=draws, **options)
    return estimate(sums, pivots, drawn), drawn


def _plan(networks, relative_error, estimate):
    """Return the plan that `ensemble.run` follows: a fixed number, or stages towards an error."""
    if networks is None and relative_error is None:
        raise TypeError("give networks=, how many to draw, or relative_error=, such as 0.01.")
    if networks is not None:
        networks = checks.whole(networks, "networks", 2, MOST)
    if relative_error is None:
        return lambda sums, pivots, done: networks
    relative_error = checks.part(relative_error, "relative_error", "0.01", least=checks.LEAST_ERROR)
    most = networks or MOST

    def plan(sums, pivots, done):
        if done == 0:
            return min(most, FIRST_STAGE)
        main = next(iter(estimate(sums, pivots, done).values()))
        # a sample that is too skewed to tell its own error understates it, and has not reached any
        skewed = np.max(np.abs(main.skewness), initial=0.0, where=~np.isnan(main.skewness)) / JUDGED
        short = max(main.relative_error / relative_error, skewed)
        if short <= 1 or done >= most:
            return done
        if networks is None and done >= SOME and short**2 * done > MOST:
            raise ValueError(
                f"a relative error of {relative_error:g} needs some {short**2 * done:.0e} networks, so much do they "
                "differ; give networks=, the most to draw, or look at log_mean, which a few thousand tell."
            )
        # A tenth more than the sample asks for, but never over four times what it has seen.
        wanted = min(1.1 * short**2, 4.0) * done
        return min(most, -(-int(wanted) // LANES) * LANES)

    return plan
