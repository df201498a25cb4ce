import numpy as np
import pytest
from evidence import assert_agree, assert_rejected, needs_compiler
from numba import njit
from reference import box_muller
from scipy import special, stats

from varprop.initializers import EXCESS_KURTOSIS
from varprop.kernels import LANES
from varprop.kernels.normal import log32, normal_pair, normals, truncated_normal, uniform

WORDS = np.unique(
    np.concatenate([2**32 - 1 - 2 ** np.arange(32), 2 ** np.arange(32), np.arange(0, 2**32, 2**32 // 199), [2**32 - 1]])
).astype(np.uint64)


@njit
def _logs(v, out):
    for i in range(v.size):
        out[i] = log32(v[i], 0)
    return out


@njit
def _pairs(words, out):
    for i in range(len(words)):
        out[i, 0], out[i, 1] = normal_pair(words[i, 0], words[i, 1])
    return out


# The errors are those that kernels/normal.py states. A thousandth more on any coefficient passes them, but for the
# first of the sine's and of the cosine's polynomial: those move no result by half a unit in its last place.


def test_log_keeps_its_relative_precision_also_next_to_zero():
    v = np.concatenate([np.geomspace(0.5, 2.0**32, 3000), 1 + np.linspace(-0.3, 0.42, 3000)]).astype(np.float32)
    got, exact = _logs(v, np.empty(len(v))), np.log(v.astype(np.float64))
    np.testing.assert_allclose(got, exact, rtol=8e-8)


def test_normal_pair_is_box_muller():
    words = np.concatenate([WORDS[::3], np.arange(2**23, 2**32, 2**32 // 47, dtype=np.uint64)])
    pairs = np.array([(a, b) for a in words for b in words])
    exact = np.array([box_muller(int(a), int(b)) for a, b in pairs])
    errors = _pairs(pairs, np.empty(exact.shape)) - exact
    radius = np.hypot(*exact.T)
    radius[radius < 1e-4] = np.inf  # word 0 at its most: the uniform rounds to 1, and x is `NOT_ZERO`
    assert np.abs(errors / radius[:, None]).max() < 2.2e-7
    assert np.abs(errors[np.isinf(radius)]).max(initial=0) < 1e-11


def test_tails_reach_beyond_six_point_six():
    assert abs(normal_pair(np.uint64(0), np.uint64(2**31))[0]) > 6.6 * np.sqrt(0.5)
    assert max(abs(x) for x in normal_pair(np.uint64(0), np.uint64((2**32 - 1) >> 2 | 0x20000000))) < 6.8
    assert np.hypot(*normal_pair(np.uint64(0), np.uint64(7))) == pytest.approx(np.sqrt(2 * 33 * np.log(2)), rel=1e-6)


def test_uniform_and_truncated_normal_are_their_quantile_functions():
    words = np.concatenate([WORDS, np.arange(12345, 2**32, 2**32 // 3001, dtype=np.uint64)])
    share = (words.astype(np.int64) + 2**31) % 2**32 / 2**32  # words are read as signed
    got = np.array([[uniform(w), truncated_normal(w)] for w in words], np.float64)
    np.testing.assert_allclose(got[:, 0], np.sqrt(3) * (2 * share - 1), rtol=1.8e-7)
    mass = special.erf(np.sqrt(2))
    exact = np.sqrt(2) * special.erfinv(mass * (2 * share - 1)) / stats.truncnorm.std(-2, 2)
    np.testing.assert_allclose(got[:, 1], exact, rtol=5e-7)


def test_excess_kurtosis():
    assert stats.truncnorm.stats(-2, 2, moments="k") == pytest.approx(EXCESS_KURTOSIS["truncated_normal"], rel=1e-9)
    assert stats.uniform.stats(moments="k") == pytest.approx(EXCESS_KURTOSIS["uniform"])


@njit(nogil=True)
def _sample(key, groups):
    out, z = np.empty((groups, 4, LANES), np.float32), np.empty(4 * LANES, np.float32)
    for i in range(groups):
        normals(z, key, np.uint64(0), np.uint64(3), np.uint64(i))
        out[i] = z.reshape(4, LANES)
    return out


@pytest.mark.slow
@needs_compiler
def test_normals_have_the_moments_and_distribution_of_normals():
    z = _sample(np.uint64(np.random.SeedSequence().entropy % 2**64), 20_000).astype(np.float64)
    n = z.size
    moments = np.array([np.mean(z), np.mean(z**2) - 1, np.mean(z**3), np.mean(z**4) - 3, np.mean(z**6) - 15])
    spread = np.sqrt([1, 2, 15, 96, 10395 - 225])
    assert_agree(moments / spread * np.sqrt(n))
    assert_rejected((np.mean((1.005 * z) ** 2) - 1) / np.sqrt(2 / n))
    # neighbours in every direction are uncorrelated, and so are their squares
    for power in (1, 2):
        y = (z**power - (z**power).mean()) / (z**power).std()
        pairs = [y[1:] * y[:-1], y[:, 1:] * y[:, :-1], y[:, :, 1:] * y[:, :, :-1], y[:, 0] * y[:, 2]]
        assert_agree([np.mean(p) * np.sqrt(p.size) for p in pairs])
    assert stats.kstest(z[:200].ravel(), "norm").pvalue > 1e-6
    assert stats.kstest(1.02 * z[:8000].ravel(), "norm").pvalue < 1e-6
