"""What the gradient's theory is made of: jets, expected products of sums, moments of each loss."""

import mpmath as mp
import numpy as np
import pytest
from evidence import assert_agree, assert_rejected, fresh_seed, mean_of, score
from scipy import special

from varprop.theory.chain.gradient.jets import Jet
from varprop.theory.losses import softmax
from varprop.theory.losses.output import output
from varprop.theory.losses.sums import expected_product, partitions
from varprop.theory.scaled import Scaled


def test_jets():
    """f = x y / (x + 2) + log(x) (3 - y)^2 at (1.5, 0.7), with its derivatives by hand."""
    x, y = Jet.variables(np.array([[1.5], [0.7]]))
    f = x * y / (x + 2) + x.log() * ((3 - y) * (3 - y)) - 1 / y
    a, b = mp.mpf("1.5"), mp.mpf("0.7")

    def g(u, v):
        return u * v / (u + 2) + mp.log(u) * (3 - v) ** 2 - 1 / v

    assert f.value[0] == pytest.approx(float(g(a, b)))
    for i, orders in enumerate(((1, 0), (0, 1))):
        assert f.slope[i, 0] == pytest.approx(float(mp.diff(g, (a, b), orders)))
    for (i, j), orders in (((0, 0), (2, 0)), ((0, 1), (1, 1)), ((1, 0), (1, 1)), ((1, 1), (0, 2))):
        assert f.curve[i, j, 0] == pytest.approx(float(mp.diff(g, (a, b), orders)))


def test_expected_products_of_sums():
    assert [len(partitions(k)) for k in range(6)] == [1, 1, 2, 5, 15, 52]  # Bell numbers
    values, n = np.array([0.3, 1.0, 2.5]), 3  # one unit takes each with probability 1/3
    grid = np.stack(np.meshgrid(*[values] * n, indexing="ij")).reshape(n, -1)
    brute = np.mean(grid.sum(0) ** 2 * (grid**2).sum(0) * (grid**3).sum(0))
    found = expected_product(n, [(1,), (1,), (2,), (3,)], lambda p: np.mean(values**p))
    assert found == pytest.approx(brute, rel=1e-13)


def test_softmax_of_two_logits():
    """With two, delta = +-(p, -p) with p the logistic of a normal of variance 2q."""
    for q in (1e-4, 0.7, 1.0, 30.0, 5e3):
        z, w = special.roots_hermitenorm(400)
        w = w / w.sum()
        width = np.sqrt(2 * q)
        if q > 10:
            z = np.linspace(-12, 12, 200_001)
            w = np.exp(-0.5 * z * z) / np.exp(-0.5 * z * z).sum()
        p = special.expit(width * z)
        d, eta = 2 * p**2, 2 * (z * p) ** 2
        by_hand = [(w * f).sum() for f in (d, eta, d * d, d * eta, eta * eta)]
        np.testing.assert_allclose(softmax.softmax_moments(2, q), by_hand, rtol=1e-9)


def test_softmax_moments_by_sampling():
    rng, n, q, count = np.random.default_rng(fresh_seed()), 6, 2.3, 200_000
    z = rng.standard_normal((count, n))
    p = special.softmax(np.sqrt(q) * z, axis=1)
    p[np.arange(count), rng.integers(n, size=count)] -= 1
    d, eta = (p**2).sum(1), (z * p).sum(1) ** 2
    drawn = np.stack([d, eta, d * d, d * eta, eta * eta])
    found = softmax.softmax_moments(n, q)
    assert_agree(score(mean_of(drawn.T), found))
    assert_rejected(score(mean_of(drawn.T), softmax.softmax_moments(n, q * 1.05)))


def test_cross_entropy_between_its_nodes():
    q = np.array([3e-9, 0.02, 0.9999, 1.0001, 77.0])
    found = output("cross_entropy", 5, None, Scaled.of(q))
    step = 1e-2
    for i, value in enumerate(np.maximum(q, softmax.SMALLEST)):
        at = [softmax.softmax_moments(5, value * np.exp(k * step)) for k in (-1, 0, 1)]
        size = found.size.values()[i]
        assert size == pytest.approx(at[1][0], rel=1e-9)
        np.testing.assert_allclose(found.mean[0, :, i] * size, at[1][:2], rtol=1e-9)
        np.testing.assert_allclose(found.square[0, :, i] * size**2, at[1][2:], rtol=1e-9)
        np.testing.assert_allclose(found.mean[1, :, i] * size, (at[2] - at[0])[:2] / 2 / step, atol=1e-4)
        np.testing.assert_allclose(
            found.square[2, :, i] * size**2, (at[2] - 2 * at[1] + at[0])[2:] / step**2, atol=5e-3
        )
