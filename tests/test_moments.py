"""Moments of z up to the eighth: exact ones of linear and ReLU chains, infinite width, and networks drawn by hand."""

import math

import numpy as np
import pytest
from evidence import assert_agree, assert_rejected, fresh_seed, needs_compiler

from varprop import Network, simulate, theory
from varprop.layers import Dense

GAUSSIAN = {4: 3, 6: 15, 8: 105}


def unit_moment(j, phi):
    """E phi(Z)^2j of one unit."""
    return math.prod(range(1, 2 * j, 2)) * (0.5 if phi == "relu" and j else 1.0)


def power_of_sum(n, k, phi):
    """E (sum over n units of phi(Z)^2)^k, unit by unit."""
    found = [1.0] + [0.0] * k
    for _ in range(n):
        found = [sum(math.comb(m, j) * found[m - j] * unit_moment(j, phi) for j in range(m + 1)) for m in range(k + 1)]
    return found[k]


def exact(widths, phi, scale, k):
    """E Q^k in each layer without biases: a product over layers."""
    found = [power_of_sum(widths[0], k, "linear") * (scale / widths[0]) ** k]
    for n in widths[1:-1]:
        found.append(found[-1] * power_of_sum(n, k, phi) * (scale / n) ** k)
    return np.array(found)


@needs_compiler
@pytest.mark.parametrize(("phi", "weights", "scale"), [("linear", "lecun", 1.0), ("relu", "he", 2.0)])
def test_chains_have_their_exact_moments(phi, weights, scale):
    widths = (64, 64, 96, 16)
    network = Network(widths, phi, weights)
    found = simulate.moments(network, networks=20_000, seed=fresh_seed())
    wanted = {power: GAUSSIAN[power] * exact(widths, phi, scale, power // 2) for power in found}
    assert list(found) == [4, 6, 8]
    np.testing.assert_allclose([found[power].values[0] for power in found], [wanted[power][0] for power in found])
    z = [(found[power].values[1:] - wanted[power][1:]) / found[power].errors[1:] for power in found]
    assert_agree(z)
    assert_rejected([(found[p].values[1:] - GAUSSIAN[p] * scale ** (p // 2)) / found[p].errors[1:] for p in found])
    known = theory.forward(network)
    fourth = known.kurtosis.values * known.variance.values**2
    assert_agree((found[4].values[1:] - fourth[1:]) / found[4].errors[1:])


@needs_compiler
def test_any_activation_with_biases_as_networks_drawn_by_hand():
    rng, count, x = np.random.default_rng(fresh_seed()), 20_000, np.array([0.5, -1.0, 2.0])
    found = simulate.moments(
        Network([3, 8, 8], "tanh", "lecun", bias_variance=0.2), x, networks=count, seed=fresh_seed(), highest=6
    )
    z = rng.normal(size=(count, 8)) * math.sqrt((x @ x) / 3 + 0.2)
    for power in (4, 6):
        assert found[power].values[0] == pytest.approx(GAUSSIAN[power] * ((x @ x) / 3 + 0.2) ** (power // 2))
    w = rng.normal(size=(count, 8, 8)) / math.sqrt(8)
    z = np.einsum("noi,ni->no", w, np.tanh(z)) + rng.normal(size=(count, 8)) * math.sqrt(0.2)
    for power in (4, 6):
        own = (z**power).mean(axis=1)
        error = math.hypot(found[power].errors[1], own.std() / math.sqrt(count))
        assert_agree((found[power].values[1] - own.mean()) / error)
        assert found[power].errors[1] < own.std() / math.sqrt(count)


@needs_compiler
def test_equal_bits_for_any_threads():
    one, other = (simulate.moments(Network([8] * 4), networks=300, threads=t)[8] for t in (1, 2))
    np.testing.assert_array_equal(one.values, other.values)


@pytest.mark.parametrize(
    ("network", "given", "words"),
    [
        (Network([8] * 3, "relu", "he_uniform"), {}, "needs normal weights, but layer 1 has uniform ones"),
        (Network.sequential(8, Dense(8), "relu", "relu"), {}, "simulate.moments needs a chain"),
        (Network([8] * 3), {"highest": 10}, "highest is 10"),
        (Network([8] * 3), {"networks": 1}, "networks is 1"),
    ],
)
def test_wrong_arguments_are_one_error(network, given, words):
    with pytest.raises(ValueError, match=words):
        simulate.moments(network, **({"networks": 10} | given))
