"""When a set of z-scores is evidence: one false alarm in a million runs of a test."""

from typing import NamedTuple

import numba
import numpy as np
import pytest
from scipy import stats

LEVEL = 1e-6

# Coverage is measured with the compiler off, where a statistical budget would take hours.
needs_compiler = pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="needs compiled kernels")


def fresh_seed() -> int:
    """Return a seed that no run has used, with room above it to count on: a test must pass for any."""
    return int(np.random.SeedSequence().generate_state(1, np.uint64)[0] >> np.uint64(1))


def threshold(count: int) -> float:
    """Return the |z| that any of ``count`` z-scores passes once in a million runs."""
    return stats.norm.isf(LEVEL / 2 / count)


class Estimate(NamedTuple):
    """Estimates, their standard errors, and the least and the most that their skewness may be: all of one shape."""

    value: np.ndarray
    error: np.ndarray | float = 0.0
    skewness: tuple = (0.0, 0.0)


def mean_of(sample) -> Estimate:
    """Return what a sample says of its means along axis 0."""
    sample = np.asarray(sample, float)
    mean, spread, n = sample.mean(axis=0), sample.std(axis=0), len(sample)
    skewness = ((sample - mean) ** 3).mean(axis=0) / np.where(spread > 0, spread, 1.0) ** 3 / np.sqrt(n)
    return Estimate(mean, spread / np.sqrt(n), (skewness, skewness))


def score(one, other, rounding=0.0) -> np.ndarray:
    """Return z-scores of the differences of two estimates, fit for the tails that `threshold` looks at.

    Each is an Estimate, a simulated profile, or known numbers. A skewed sample that misses its tail has too low a mean
    and too small an error at once. Hall's transformation takes the skewness out of z (P. Hall, JRSS B 54, 1992); what
    it leaves grows with that skewness, and widens the error.
    """
    (a, da, s), (b, db, t) = map(_estimate, (one, other))
    error, off = np.hypot(da, db) + rounding, a - b
    z = np.divide(off, error, out=np.where(off == 0, 0.0, np.copysign(np.inf, off)), where=error > 0)
    ours, theirs = ((part / np.where(error > 0, error, 1.0)) ** 3 for part in (da, db))
    least, most = (_unskewed(z, s[i] * ours - t[1 - i] * theirs) for i in (0, 1))
    return np.where(np.abs(least) < np.abs(most), least, most)


def _estimate(x) -> Estimate:
    if isinstance(x, Estimate):
        return x
    if hasattr(x, "errors"):
        return Estimate(x.values, x.errors, (0.0, 0.0) if x.skewness is None else tuple(x.skewness))
    return Estimate(np.asarray(x, float))


def _unskewed(z, skewness):
    skewness = np.clip(np.nan_to_num(skewness), -1.0, 1.0)  # beyond, a sample says nothing of its error
    z = z + skewness * z**2 / 3 + skewness**2 * z**3 / 27 + skewness / 6
    return z / (1 + 2 * np.abs(skewness))


def share_of(happened, p) -> Estimate:
    """Return how often something of probability ``p`` happened, in a sample of 0 and 1."""
    return Estimate(np.mean(happened), np.sqrt(max(p * (1 - p), 0.0) / len(happened)))


def assert_agree(z) -> None:
    z = np.ravel(z)
    assert np.isfinite(z).all(), z
    worst = np.abs(z).max()
    assert worst < threshold(z.size), f"|z| reaches {worst:.2f}: {z}"


def assert_rejected(z) -> None:
    """The negative control: the same evidence must reject something slightly wrong."""
    z = np.ravel(z)
    assert np.abs(z).max() > threshold(z.size), f"not rejected: {z}"


def quick(*values, slow) -> list:
    """Return parameters, of which those that ``slow`` holds for are left to `make test-slow`."""
    return [pytest.param(value, marks=[pytest.mark.slow] * bool(slow(value))) for value in values]


def close(profile, values, rtol=1e-12, atol=0.0) -> None:
    """Assert that a profile has these values."""
    np.testing.assert_allclose(profile.values, values, rtol=rtol, atol=atol)


def origins(record) -> dict[str, str]:
    """Return each profile's origin by name."""
    return {name: profile.origin for name, profile in record.profiles.items()}
