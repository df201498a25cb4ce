"""z-scores to normal scores and p-values, where what is averaged is skewed.

The mean of n networks has the skewness of what is averaged over sqrt(n), and q-hat of a deep narrow network is as
skewed as a log-normal of its spread. So tails are those of a shifted log-normal with the skewness of the mean.
"""

import numpy as np
import scipy

from .tails import JUDGED, NEARLY_NORMAL


def skewed_score(z, skewness):
    """Return the normal score of ``z`` under a standardised log-normal of this skewness, mirrored where it is below 0.

    Its parameter s has (w + 2) sqrt(w - 1) = skewness, w = exp(s^2); infinite beyond its support.
    """
    z, size = np.asarray(z), np.abs(skewness)
    side = np.where(np.asarray(skewness) < 0, -1.0, 1.0)
    y = 2 * np.sinh(np.arcsinh(size / 2) / 3)  # sqrt(w - 1), a root of y^3 + 3y = skewness
    s = np.sqrt(np.log1p(y * y))
    with np.errstate(all="ignore"):
        score = side * (np.log1p(np.maximum(side * y * z, -1.0)) + s * s / 2) / s
    return np.where(y < 1e-8, z, score)


def score_of_known(z, skewness):
    """Return normal scores of z-scores of means whose spread theory knows, and of which it says how they lean.

    Far from normal the skewness is only a bound: then it may lessen a score, on the side to which means lean.
    """
    full = skewed_score(z, skewness)
    lessened = np.where(z * skewness > 0, np.sign(z) * np.minimum(np.abs(z), np.abs(full)), z)
    return np.where(np.abs(skewness) <= NEARLY_NORMAL, full, lessened)


def score_of_sample(z, skewness, count):
    """Return normal scores of z-scores whose error is the sample's, the smaller for its least and most skewness.

    Student's t of a sample that leans right has its mean below 0, by half the skewness of the sample's mean, and
    leans left, twice as much (Hall 1992, The Bootstrap and Edgeworth Expansion, 2.6).
    """
    student = -np.sign(z) * scipy.special.ndtri(scipy.special.stdtr(np.maximum(count - 1, 1), -np.abs(z)))
    student = np.where(np.isfinite(student), student, z)
    least, most = (skewed_score(student + s / 2, -2 * s) for s in skewness)
    score = np.where(np.abs(least) < np.abs(most), least, most)
    score = np.where(least * most < 0, 0.0, score)  # and no number stays none
    return np.where(np.abs(skewness).max(axis=0) <= JUDGED, score, np.nan)


def binomial(share, probability, n: int) -> np.ndarray:
    """Return two-sided p-values of ``share`` of n networks under ``probability``."""
    k = np.rint(share * n)
    below, above = scipy.special.bdtr(k, n, probability), scipy.special.bdtrc(k - 1, n, probability)
    return np.minimum(1.0, 2 * np.minimum(below, above))
