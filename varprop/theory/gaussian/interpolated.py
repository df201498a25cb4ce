"""Moments of an activation as good as an estimate needs, interpolated in ln q."""

from functools import lru_cache

import numpy as np
from numpy.polynomial import chebyshev

from ...activations import Activation
from .expectations import moments
from .first_moment import first_moments

_STRETCH, _POINTS = 2.0, 14  # of ln q, in which moments are analytic for |Im| < pi / 2: 3.4^-14 is 4e-8


def interpolated_moments(activation: Activation, q: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return E phi^2, E phi^4 / (E phi^2)^2 and E phi at any ``q`` > 0 to some 1e-6, which is plenty for an estimate.

    Interpolated in ln q, on stretches that all layers share: quadrature in each layer took nine tenths of the time.
    """
    t, table = np.log(q), _table(activation)
    stretch = np.floor(t / _STRETCH).astype(int)
    there = np.unique(stretch)
    _fill(activation, table, np.array([i for i in there if i not in table], dtype=int))
    second, fourth, mean = (np.empty(q.shape) for _ in range(3))
    for i in there:
        mine = stretch == i
        if table[i] is None:
            found = moments(activation, q[mine])
            second[mine], fourth[mine] = found.second, found.fourth
            mean[mine] = first_moments(activation, q[mine]).mean
        else:
            angle = np.arccos(np.clip(2 * t[mine] / _STRETCH - 2 * i - 1, -1.0, 1.0))
            *logs, ratio = (np.cos(angle[:, None] * np.arange(_POINTS)) @ table[i]).T
            second[mine], fourth[mine] = np.exp(logs)
            mean[mine] = ratio * np.sqrt(second[mine])
    return second, fourth, mean


@lru_cache(maxsize=64)
def _table(activation: Activation) -> dict:
    """Return Chebyshev coefficients of ln E phi^2, of ln of the fourth moment over its square, and of E phi over its
    root, by stretch of ln q; None where there are none."""
    return {}


def _fill(activation: Activation, table: dict, missing: np.ndarray) -> None:
    if not len(missing):
        return
    points = chebyshev.chebpts1(_POINTS)
    try:
        q = np.exp(_STRETCH * (missing[:, None] + 0.5 + points / 2)).ravel()
        found, means = moments(activation, q), first_moments(activation, q).mean
    except ValueError:  # phi has no moments so far out, or has them nearer by alone
        if len(missing) == 1:
            table[missing[0]] = None
        else:
            for i in missing:
                _fill(activation, table, np.array([i]))
        return
    both = np.stack([found.second, found.fourth]).reshape(2, len(missing), _POINTS)
    for i, values, mean in zip(missing, both.swapaxes(0, 1), means.reshape(-1, _POINTS), strict=True):
        usable = np.isfinite(values).all() and (values > 0).all()
        if usable:
            values = np.stack([*np.log(values), mean / np.sqrt(values[0])], axis=1)
        table[i] = chebyshev.chebfit(points, values, _POINTS - 1) if usable else None
