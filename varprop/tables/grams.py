"""Products between samples and positions as tables and as data."""

import numpy as np

from ..exported import plain
from .numbers import known
from .records import network_data, provenance

_MOST = 8  # signals whose table is shown whole


def kernel_parts(kernel) -> list:
    """Return a `grams.Kernel` as a table, one signal a row."""
    words, table = _matrix(kernel.network, kernel.values, kernel.errors)
    return [f"{kernel.network}; {kernel.what}, {kernel.origin}", table, *words]


def grams_parts(grams) -> list:
    """Return `grams.Grams` as a table: a place a row with its mean square and what its signals' cosines are."""
    values, errors = grams.values, grams.errors
    signals = values.shape[1]
    rows = []
    for name, value, error in zip(grams.names, values, errors, strict=True):
        size, bound = np.diagonal(value).mean(), np.diagonal(error).mean()
        cosines = off_diagonal(cosines_of(value))
        spread = [f"{f(cosines):.5g}" for f in (np.min, np.mean, np.max)] if cosines.size else ["-"] * 3
        rows.append([name, known(size, bound), *spread])
    title = f"{grams.network}; {signals} signal{'s' * (signals > 1)}, {grams.origin}"
    return [title, (["place", "mean of the squares", "least cosine", "mean cosine", "largest cosine"], rows)]


def gram_json(grams) -> dict:
    """Return `grams.Grams` or a `grams.Kernel` as plain values; null is a number beyond float64 or unknown."""
    own = {"names": list(grams.names)} if hasattr(grams, "names") else {"what": grams.what}
    return {
        "network": str(grams.network),
        "network_data": network_data(grams.network),
        **own,
        "signals": signal_names(grams.network, grams.values.shape[-1]),
        "origin": plain(grams.origin),
        "values": plain(grams.values),
        "errors": plain(grams.errors),
        **provenance(grams),
    }


def gram_columns(grams) -> dict:
    """Return `grams.Grams` or a `grams.Kernel` as columns, a row for each two signals i and j, in every place.

    Signals count from 0, sample by sample: of P positions, signal i is position i % P of sample i // P.
    """
    signals = grams.values.shape[-1]
    places = len(getattr(grams, "names", "1"))
    i, j = (index.ravel() for index in np.indices((signals, signals)))
    own = {"place": np.repeat(np.array(grams.names, dtype=object), signals**2)} if hasattr(grams, "names") else {}
    return {
        **own,
        "i": np.tile(i, places),
        "j": np.tile(j, places),
        "value": grams.values.ravel(),
        "value_error": grams.errors.ravel(),
    }


def cosines_of(matrix: np.ndarray) -> np.ndarray:
    """Return the cosines of a matrix of products; NaN beside a signal that is 0."""
    root = np.sqrt(np.diagonal(matrix))
    with np.errstate(all="ignore"):
        return matrix / np.outer(root, root)


def off_diagonal(matrix: np.ndarray) -> np.ndarray:
    """Return the entries of different signals that are known."""
    found = matrix[~np.eye(len(matrix), dtype=bool)]
    return found[np.isfinite(found)]


def _matrix(network, values, errors) -> tuple[list[str], tuple]:
    """Return words and the table of a matrix, of which only a corner is shown where it is large."""
    shown = min(len(values), _MOST)
    names = signal_names(network, len(values))[:shown]
    rows = [[names[i], *(known(values[i, j], errors[i, j]) for j in range(shown))] for i in range(shown)]
    words = [] if shown == len(values) else [f"The first {shown} of {len(values)} signals; .values has all."]
    return words, (["signal", *names], rows)


def signal_names(network, signals: int) -> list[str]:
    """Return what the rows of a matrix are of: samples, and with positions sample and position, from 0 on."""
    positions = network.position_count
    if positions == 1:
        return [str(i) for i in range(signals)]
    return [f"{i // positions}, {i % positions}" for i in range(signals)]
