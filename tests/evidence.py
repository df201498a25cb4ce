"""When a set of z-scores is evidence: one false alarm in a million runs of a test."""

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
