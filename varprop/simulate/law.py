"""The distribution of q-hat per layer, measured."""

import numpy as np

from ..inputs import as_inputs
from ..kernels.histogram import FIRST_BIN, ZERO, histogram
from ..kernels.layer import EXPONENT, VARIANCE
from ..law import Law, LayerLaw
from ..network import Network
from ..statistics import SIMULATION
from .ensemble import Reduction
from .measure import check_network_and_seed, measure
from .samplers import choose_method, draws_per_network, forward_sampler

_SPREADS = 20.0  # of the pilot's standard deviation, on either side of its mean, that bins cover
_MOST_BINS, _FEWEST_BINS, _ALL_BINS = 2**14, 2**10, 2**21  # of one layer, and of all together


def law(
    network: Network,
    inputs=None,
    *,
    networks: int,
    seed: int = 0,
    method: str = "auto",
    threads: int | None = None,
    block_size: int | None = None,
    progress: bool | None = None,
) -> Law:
    """Return the distribution of q-hat, the mean of z^2 over the units of a layer, measured.

    Each network has weights, biases and an input of its own. Equal arguments draw the same networks
    as `simulate.forward` does.

    Parameters
    ----------
    network, inputs, seed, method, threads, block_size, progress
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
    check_network_and_seed(network, seed)
    inputs = as_inputs(inputs, network.widths[0])
    method = choose_method(network, method)
    bins = int(np.clip(_ALL_BINS // network.depth, _FEWEST_BINS, _MOST_BINS))
    layers, drawn = measure(
        forward_sampler(network, inputs, seed, method),
        network,
        Reduction(histogram, FIRST_BIN + bins + 1, lambda records: _ranges(records, bins), counts=True),
        _layers,
        networks=networks,
        relative_error=None,
        draws=draws_per_network(network, method),
        threads=threads,
        block_size=block_size,
        progress=progress,
    )
    return Law(network, layers, SIMULATION, drawn)


def _ranges(records: np.ndarray, bins: int) -> np.ndarray:
    """Return each layer's first edge and bin width, (L, 5), from the records of the first tile."""
    ranges = np.zeros((len(records), 5))
    for l, record in enumerate(records):
        usable = (record[VARIANCE] > 0) & np.isfinite(record[VARIANCE])
        logs = np.log(record[VARIANCE][usable]) + record[EXPONENT][usable] * np.log(2.0)
        centre, spread = (logs.mean(), logs.std()) if len(logs) else (0.0, 1.0)
        # a fixed norm, or a single living network: float32 sums scatter by 1e-7 all the same
        spread = max(spread, 1.0 if len(logs) < 2 else 1e-6)
        ranges[l, :2] = centre - _SPREADS * spread, 2 * _SPREADS * spread / bins
    return ranges


def _layers(sums: np.ndarray, pivots: np.ndarray, networks: int) -> tuple[LayerLaw, ...]:
    layers = []
    for counts, (low, width, *_) in zip(sums, pivots, strict=True):
        below = np.cumsum(counts)[FIRST_BIN - 1 : -1] / networks
        edges = low + width * np.arange(len(below))
        inside = np.flatnonzero(np.diff(below) > 0)
        part = slice(inside[0], inside[-1] + 2) if len(inside) else slice(0, 2)
        below = below[part]
        errors = np.sqrt(np.maximum(below * (1 - below), 1 / networks) / networks)
        layers.append(LayerLaw(edges[part], below, errors, None, counts[ZERO] / networks))
    return tuple(layers)
