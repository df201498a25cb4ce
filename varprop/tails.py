"""How skewed a mean over networks is, and what a sample tells of its own spread."""

import numpy as np
from scipy import special

NEARLY_NORMAL = 0.1  # skewness of a mean up to which its sample tells its own spread


def least_fluctuation(record) -> np.ndarray:
    """Return the fluctuation of a sample, or what its logarithms say if that is more, shape (L,).

    A sample too small to hold the largest networks understates its fluctuation. Its logarithms do not: their
    variance, less that of the logarithm of a layer's own chi-square, is that of ln Q, near normal.
    """
    widths = np.array(record.network.widths[1:])
    log_variance = np.maximum(record.log_variance.values - special.polygamma(1, widths / 2), 0.0)
    return np.fmax(record.fluctuation.values, np.exp(log_variance) * (1 + 2 / widths) - 1)


def lognormal_skewness(relative_variance):
    """Return the skewness of a log-normal (a deep network's q-hat is like one) from its variance over squared mean."""
    return (3 + relative_variance) * np.sqrt(relative_variance)
