"""What a slope means: how fast in layers, which phase, and in words; numbers with the errors that matter."""

import math

import numpy as np

from ...tables import known
from .variance_map import SAME


def depth(slope: np.ndarray) -> np.ndarray:
    """Return -1 / ln |slope|; infinity where the slope is 1."""
    with np.errstate(divide="ignore", invalid="ignore"):
        size = np.abs(slope)
        return np.where(np.abs(size - 1) <= SAME, np.inf, -1 / np.log(size))


def phases(chi: np.ndarray, error: np.ndarray) -> list:
    """Return ``"ordered"``, ``"critical"``, ``"chaotic"`` or, where the error hides which, ``"unknown"``."""
    known = np.where(np.abs(chi - 1) <= SAME, "critical", np.where(chi > 1, "chaotic", "ordered"))
    return np.where((error > SAME) & (np.abs(chi - 1) <= error), "unknown", known).tolist()


def shown(point, field: str) -> str:
    """Return one number of a result, with its error where that matters."""
    return precise(getattr(point, field), getattr(point, f"{field}_error"))


def precise(value: float, error: float = 0.0) -> str:
    """Return a number in ten figures, or as many as its error leaves, and then that too."""
    return "∞" if math.isinf(value) else known(value, error, 10)


def rate_in_words(point, slope: str, what: str) -> str:
    """Return how fast ``what`` falls or grows, from a slope of a result and its error."""
    value, error = abs(getattr(point, slope)), getattr(point, f"{slope}_error")
    if error > SAME and not abs(value - 1) > error:
        return f"whether {what} falls or grows is not known"
    return depth_in_words(float(depth(value)), what)


def depth_in_words(xi: float, what: str) -> str:
    """Return a depth scale in words."""
    if math.isinf(xi):
        return f"{what} changes slower than exponentially"
    if xi == 0:  # of slope 0, or infinity
        return f"{what} {'is gone' if math.copysign(1, xi) > 0 else 'grows without bound'} in one layer"
    return f"{what} {'falls' if xi >= 0 else 'grows'} by e in {abs(xi):.5g} layers"
