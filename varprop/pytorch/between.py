"""Means between networks with their standard errors, place by place, in memory that no number of networks enlarges."""

import numpy as np


class Means:
    """Running means and variances between networks of named numbers at named places (Welford's)."""

    def __init__(self):
        self._kept: dict[tuple[str, str], tuple[int, float, float]] = {}

    def add(self, place: str, quantity: str, value: float) -> None:
        """Add one network's number; NaN counts as none."""
        if np.isnan(value):
            return
        n, mean, squares = self._kept.get((place, quantity), (0, 0.0, 0.0))
        with np.errstate(all="ignore"):  # of infinite ones the error is unknown
            step = value - mean
            mean = mean + step / (n + 1) if np.isfinite(step) else np.float64(value) + mean
            squares = squares + step * (value - mean)
        self._kept[place, quantity] = n + 1, mean, squares

    def of(self, place: str, quantity: str) -> tuple[int, float, float]:
        """Return how many networks had it, their mean and its standard error; NaN where that is unknown."""
        n, mean, squares = self._kept.get((place, quantity), (0, np.nan, np.nan))
        with np.errstate(all="ignore"):
            error = np.sqrt(squares / (n - 1) / n) if n > 1 else np.nan
        return n, float(mean), float(error)
