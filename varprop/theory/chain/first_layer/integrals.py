"""Integrals of functions of z against given densities, panel by panel, where needed in ever shorter ones."""

from collections.abc import Callable

import numpy as np

from ...gaussian.panels import ROUNDING, rule

_ORDERS = 16, 11
_WANTED = 1e-13  # error of one panel, relative to the whole; or a tenth of the density's own
_HALVINGS = 14
_MOST = 1 << 17  # panels at a time
_CHUNK = 1 << 19  # nodes at a time


def integrals(density, ends: np.ndarray, integrand: Callable) -> tuple[np.ndarray, np.ndarray]:
    """Return the integrals of k functions against R densities, and bounds on their errors, both (k, R).

    Parameters
    ----------
    density
        One of `densities` or `spheres`: ``density.nodes(rows, y, weights)`` makes nodes z and their weights of those y
        on panels; ``density.error`` (R,) is its own.
    ends
        Where panels begin and end, shape (R, count).
    integrand
        ``integrand(rows, z)`` is k functions there, shape (k, m, nodes).
    """
    count = ends.shape[0]
    rows = np.repeat(np.arange(count), ends.shape[1] - 1)
    low, high = ends[:, :-1].ravel(), ends[:, 1:].ravel()
    rows, low, high = (v[high > low] for v in (rows, low, high))
    wanted = _WANTED + 0.1 * density.error
    total, error, size = np.zeros((3, 1, 1))
    for halving in range(_HALVINGS + 1):
        fine, off, weight = _panels(density, integrand, rows, low, high)
        if halving == 0:
            total, error = np.zeros((2, len(fine), count))
            size = np.maximum(_per_row(weight, rows, count), 1e-300)
        last = halving == _HALVINGS or 2 * len(rows) > _MOST
        done = (off <= wanted[rows] * size[:, rows]).all(axis=0) | last
        total += _per_row(fine[:, done], rows[done], count)
        error += _per_row(off[:, done], rows[done], count)
        if done.all():
            break
        rows, low, high = rows[~done], low[~done], high[~done]
        middle = 0.5 * (low + high)
        rows, low, high = np.tile(rows, 2), np.concatenate([low, middle]), np.concatenate([middle, high])
    return total, error + ROUNDING * size


def _panels(density, integrand, rows, low, high):
    """Return integrals over panels, how far a second rule is off, and integrals of absolute values."""
    parts = []
    step = max(1, _CHUNK // sum(_ORDERS))
    for i in range(0, len(rows), step):
        some = slice(i, i + step)
        both = []
        for order in _ORDERS:
            points, weights = rule(order)
            half = 0.5 * (high[some] - low[some])[:, None]
            y = 0.5 * (high[some] + low[some])[:, None] + half * points
            z, weight = density.nodes(rows[some], y, half * weights)
            both.append(integrand(rows[some], z) * weight)
        fine = both[0].sum(axis=-1)
        parts.append((fine, np.abs(fine - both[1].sum(axis=-1)), np.abs(both[0]).sum(axis=-1)))
    return (np.concatenate(part, axis=1) for part in zip(*parts, strict=True))


def _per_row(values, rows, count):
    return np.stack([np.bincount(rows, v, minlength=count) for v in values])
