"""The law of q-hat as a table of quantiles, and as data."""

import math

import numpy as np

from ..exported import plain
from .records import network_data, profile_columns, provenance

_SHOWN = (0.05, 0.5, 0.95)
_KEPT = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)
_BINS = 50  # about, of a histogram
_INSIDE = 0.001, 0.999  # of the networks where q-hat is not 0: between these its bins lie


def law_parts(law) -> list:
    """Return a `law.Law` as a table of quantiles."""
    quantiles = [law.log_quantile(p).values for p in _SHOWN]
    rows = [
        [str(l + 1), *(_from_log(q[l]) for q in quantiles), f"{law.layers[l].zero:.5g}"] for l in range(len(law.layers))
    ]
    how = f"theory, {law.origin}" if law.networks is None else f"{law.networks:,} networks"
    title = f"{law.network}; q̂, the mean of z² over units; {how}"
    return [title, (["layer", "5%", "median", "95%", "P(q̂ = 0)"], rows)]


def _from_log(y: float) -> str:
    """Return e^y in five figures, also where it is beyond float64."""
    if not math.isfinite(y):
        return "0" if y < 0 else "inf"
    if abs(y) < 690:
        return f"{math.exp(y):.5g}"
    exponent = math.floor(y / math.log(10))
    return f"{10 ** (y / math.log(10) - exponent):.4f}e{exponent:+d}"


def law_json(law) -> dict:
    """Return quantiles of a `law.Law`, P(q-hat = 0) and a histogram of each layer, as plain values."""
    columns = law_columns(law)
    names = columns.pop("place")
    return {
        "network": str(law.network),
        "network_data": network_data(law.network),
        "names": names,
        "networks": law.networks,
        "origin": plain(law.origin),
        **plain(columns),
        "histograms": [plain(_histogram(layer, law.networks)) for layer in law.layers],
        **provenance(law),
    }


def law_columns(law) -> dict:
    """Return quantiles and P(q-hat = 0) as columns, a layer a row; quantiles are of ln q-hat, with their errors."""
    quantiles = {f"log_quantile_{p}": law.log_quantile(p) for p in _KEPT}
    return {
        "place": [str(l + 1) for l in range(len(law.layers))],
        **profile_columns(quantiles),
        "zero": law.zero,
    }


def _histogram(layer, networks: int | None) -> dict:
    """Return the probability of each bin of ln q-hat, whose edges are some at which a `law.LayerLaw` is kept.

    Of a simulation, counts as well, which are whole: networks with q-hat = 0 are among those ``below``.
    """
    below, last = np.maximum.accumulate(layer.cumulative), len(layer.edges) - 1
    first, end = np.searchsorted(below, layer.zero + (1 - layer.zero) * np.array(_INSIDE))
    first = np.clip(first - 1, 0, last - 1)
    at = np.unique(np.linspace(first, np.clip(end, first + 1, last), _BINS + 1).astype(int))
    shares = np.diff(below[at])
    found = {"edges": layer.edges[at], "probabilities": shares}
    if networks is None:
        return {**found, "errors": 2 * layer.errors[at[1:]], "below": below[at[0]], "above": 1 - below[at[-1]]}
    errors = np.sqrt(np.maximum(shares * (1 - shares), 1 / networks) / networks)
    counts = np.rint(np.diff(below[at], prepend=0.0, append=1.0) * networks).astype(int)
    return {**found, "errors": errors, "counts": counts[1:-1], "below": counts[0], "above": counts[-1]}
