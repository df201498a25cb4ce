"""What a measurement takes of memory and time, and whether the machine has it: known before it is spent."""

import os

from .. import asides, kernels
from ..network import Network
from .ensemble import default_threads

WORTH_A_WORD = 2**30  # bytes
WORTH_WAITING = 10.0  # seconds
PER_DRAW = 3e-9  # seconds on one core, some: quick cores take 1, graphs and weights of few lanes up to 10


def bytes_per_thread(network: Network, method: str, *, backward: bool = False) -> int:
    """Return the bytes of the activations and gradients that a thread holds, for `kernels.LANES` networks at once."""
    fans = [layer.fan_out for layer in network.layers]
    units = 2 * sum(fans) + 2 * max(fans) if backward else 0
    if method == "dense":
        widest = max(network.widths)
        units += network.widths[0] if backward else 3 * widest
        if any(layer.distribution == "orthogonal" for layer in network.layers):
            units += widest + 2 * widest**2 // kernels.LANES
    return 4 * kernels.LANES * units


def machine_bytes() -> int | None:
    """Return the memory that the machine has, or None where it does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None


def check_memory(each: int, threads: int | None, networks: int | None, *, say: bool) -> None:
    """Raise ValueError where all threads' work takes more than the machine has; ``say`` what it takes if it is much."""
    count = threads or default_threads()
    if networks is not None:
        count = min(count, -(-int(networks) // kernels.LANES))
    total, there = count * each, machine_bytes()
    what = f"{total / 1e9:,.3g} GB of memory, {each / 1e9:,.3g} GB a thread"
    if there is not None and total > there:
        fewer = there // each
        cure = f"threads={fewer} fit" if fewer else "make the layers narrower, or fewer"
        raise ValueError(f"this takes {what}, and the machine has {there / 1e9:,.3g} GB; {cure}.")
    if say and total > WORTH_A_WORD:
        asides.say(f"varprop: this takes {what}")


def say_time(draws: int, threads: int | None, networks: int) -> None:
    """Say about how long so many ``networks`` take, of ``draws`` random numbers each, where that is long."""
    tiles = -(-networks // kernels.LANES)
    seconds = PER_DRAW * draws * kernels.LANES * -(-tiles // min(threads or default_threads(), tiles))
    if seconds > WORTH_WAITING:
        long = f"{seconds:,.0f} seconds" if seconds < 100 else f"{seconds / 60:,.0f} minutes"
        long = long if seconds < 6000 else f"{seconds / 3600:,.0f} hours"
        asides.say(f"varprop: this draws {float(draws) * networks:.1e} random numbers, which may take {long}")
