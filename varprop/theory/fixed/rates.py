"""What a slope means: how fast, in layers, and which phase."""

import numpy as np

from .variance_map import SAME


def depth(slope: np.ndarray | float) -> np.ndarray:
    """Return -1 / ln |slope|; infinity where the slope is 1."""
    with np.errstate(divide="ignore", invalid="ignore"):
        size = np.abs(slope)
        return np.where(np.abs(size - 1) <= SAME, np.inf, -1 / np.log(size))


def phases(chi: np.ndarray, error: np.ndarray) -> list:
    """Return ``"ordered"``, ``"critical"``, ``"chaotic"`` or, where the error hides which, ``"unknown"``."""
    known = np.where(np.abs(chi - 1) <= SAME, "critical", np.where(chi > 1, "chaotic", "ordered"))
    return np.where((error > SAME) & (np.abs(chi - 1) <= error), "unknown", known).tolist()


class Rated:
    """What has slopes with errors."""

    def hides(self, slope: str) -> bool:
        """Return whether the error of a slope hides on which side of 1 its size is."""
        size, error = abs(getattr(self, slope)), getattr(self, f"{slope}_error")
        return error > SAME and not abs(size - 1) > error
