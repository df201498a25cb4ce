"""Moments at a variance near others that were asked for before: interpolated in ln q, to rounding.

Quadrature in each of hundreds of layers, most of them near a fixed point, is nearly all the time that theory takes.
Moments are analytic for |Im ln q| < pi / 2, so that on stretches of length 2 their coefficients fall as 3.4^-k.
"""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.polynomial import chebyshev

from ...activations import Activation
from . import expectations, first_moment, slope_moments
from .expectations import Moments
from .first_moment import FirstMoments
from .slope_moments import SlopeMoments

_STRETCH, _POINTS = 2.0, 32
_LEBESGUE = 3.5  # how much interpolation at 32 points may amplify an error
_TAIL = 1e-12  # of coefficients, beyond which a stretch is left to quadrature: where phi grows exponentially
OFTEN = 4  # visits of a stretch by one walk, after which it pays to interpolate


def stretches(q: np.ndarray) -> np.ndarray:
    """Return the numbers of the stretches that hold ``q``, but for zeros."""
    return np.unique(np.floor(np.log(q[q > 0]) / _STRETCH)).astype(int)


def moments(activation: Activation, q: np.ndarray) -> Moments:
    """Return what `expectations.moments` does."""
    found = _at(_moments, activation, q)
    if found is None:
        return expectations.moments(activation, q)
    (log_second, *values), errors = found
    return Moments(np.exp(log_second), *values, *errors)


def _moments(activation: Activation, q: np.ndarray):
    found = expectations.moments(activation, q)
    values = np.log(found.second), found.slope, found.curvature, found.fourth
    return np.stack(values), np.stack([found.second_error, found.slope_error, found.error])


def first_moments(activation: Activation, q: np.ndarray) -> FirstMoments:
    """Return what `first_moment.first_moments` does."""
    found = None if first_moment.constant_mean(activation) is not None else _at(_first_moments, activation, q)
    if found is None:
        return first_moment.first_moments(activation, q)
    return FirstMoments(*(np.sqrt(q) * np.concatenate(found)))


def _first_moments(activation: Activation, q: np.ndarray):
    found = first_moment.first_moments(activation, q)
    return np.stack([found.mean, found.slope, found.curvature]) / np.sqrt(q), found.error[None] / np.sqrt(q)


def slopes(activation: Activation, q: np.ndarray) -> SlopeMoments:
    """Return what `slope_moments.slope_moments` does."""
    found = _at(_slopes, activation, q)
    if found is None:
        return slope_moments.slope_moments(activation, q)
    values, errors = found
    mean, first, second = values[1:16].reshape(3, 5, -1)
    return SlopeMoments(np.exp(values[0]), mean, first, second, values[16:].reshape(5, 5, -1), *errors)


def _slopes(activation: Activation, q: np.ndarray):
    found = slope_moments.slope_moments(activation, q)
    values = np.concatenate([found.mean, found.first, found.second, found.product.reshape(25, -1)])
    return np.concatenate([np.log(found.size)[None], values]), np.stack([found.error, found.size_error])


def _at(function: Callable, activation: Activation, q: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Return values (k, R) and errors of a ``function`` at ``q``; None where a closed form or quadrature is as good."""
    if activation.slopes is not None or not (q > 0).all():
        return None
    t = np.log(q) / _STRETCH
    number = np.floor(t).astype(int)
    parts = {}
    for i in np.unique(number):
        part = _series(function, activation, i)
        if part is None:
            return None
        parts[i] = part
    coefficients, errors = (np.stack([parts[i][j] for i in number]) for j in range(2))
    basis = np.cos(np.arccos(2 * (t - number) - 1)[:, None] * np.arange(_POINTS))
    return np.einsum("rn,rnk->kr", basis, coefficients), errors.T


@lru_cache(maxsize=4096)
def _series(function: Callable, activation: Activation, number: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Return coefficients (points, k) and errors of one stretch; None where they do not fall."""
    points = chebyshev.chebpts1(_POINTS)
    try:
        with np.errstate(divide="ignore"):
            values, errors = function(activation, np.exp(_STRETCH * (number + 0.5 + points / 2)))
    except ValueError:  # phi has no moments so far out
        return None
    if not (np.isfinite(values).all() and np.isfinite(errors).all()):
        return None
    coefficients = chebyshev.chebfit(points, values.T, _POINTS - 1)
    tail = np.abs(coefficients[-3:]).max(axis=0)
    if (tail > _TAIL * (1 + np.abs(values).max(axis=1))).any():
        return None
    return coefficients, _LEBESGUE * errors.max(axis=1) + 2 * tail.max()
