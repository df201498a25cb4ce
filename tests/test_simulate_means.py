"""E[a] and the gradient at the input of simulated chains: against networks drawn by hand, theory, and each other."""

import numpy as np
import pytest
from evidence import Estimate, assert_agree, assert_rejected, fresh_seed, mean_of, needs_compiler, quick, score

from varprop import Network, simulate, theory

NETWORKS = 400_000
WIDTHS, BIAS = (4, 5, 3, 2), 0.2
PHI = [lambda z: np.maximum(z, 0), lambda z: 1 / (1 + np.exp(-z)), lambda z: z]
DPHI = [lambda z: 1.0 * (z > 0), lambda z: 1 / (2 + np.exp(z) + np.exp(-z))]
CHAIN = Network(list(WIDTHS), ["relu", "sigmoid", "linear"], "he", bias_variance=BIAS)


def by_hand(rng):
    """Return the mean activation of each layer and the mean squared gradient by the input, a network a row."""
    a, weights, z = rng.normal(size=(NETWORKS, WIDTHS[0])), [], []
    means = []
    for n, m, phi in zip(WIDTHS[:-1], WIDTHS[1:], PHI, strict=True):
        weights.append(rng.normal(size=(NETWORKS, m, n)) * np.sqrt(2 / n))
        z.append(np.einsum("bij,bj->bi", weights[-1], a) + np.sqrt(BIAS) * rng.normal(size=(NETWORKS, m)))
        a = phi(z[-1])
        means.append(a.mean(axis=1))
    d = rng.normal(size=(NETWORKS, WIDTHS[-1]))
    for l in (2, 1, 0):
        d = np.einsum("bij,bi->bj", weights[l], d)
        if l:
            d = d * DPHI[l - 1](z[l - 1])
    return np.array([*means, (d**2).mean(axis=1)]).T


@pytest.mark.slow
@needs_compiler
@pytest.mark.parametrize("method", ["conditional", "dense"])
def test_means_and_the_gradient_at_the_input_are_those_of_networks_drawn_by_hand(method):
    seed = fresh_seed()
    means = simulate.forward(CHAIN, networks=NETWORKS, seed=seed, method=method).activation_mean
    at_input = simulate.backward(CHAIN, networks=NETWORKS, seed=seed, method=method).input_gradient_variance
    assert at_input.names == ("input",)
    hand = by_hand(np.random.default_rng(fresh_seed()))

    def scores(factor):
        return np.append(score(means, mean_of(factor * hand[:, :-1])), score(at_input, mean_of(factor * hand[:, -1:])))

    assert_agree(scores(1.0))
    wrong = scores(1.15)
    assert_rejected(wrong[:2])
    assert_rejected(wrong[3])


@needs_compiler
@pytest.mark.parametrize("weights", ["he", "orthogonal"])
@pytest.mark.parametrize("widths", quick([3, 7, 2], [6, 3, 2], [1, 4, 2], slow=lambda widths: widths[0] == 3))
def test_both_methods_give_the_same_gradient_at_the_input(weights, widths):
    network, seed = Network(widths, "tanh", weights, bias_variance=0.1), fresh_seed()
    one, other = (
        simulate.backward(network, networks=NETWORKS, seed=seed, method=method).input_gradient_variance
        for method in ("conditional", "dense")
    )
    assert_agree(score(one, other))
    assert_rejected(score(one, Estimate(1.15 * other.values, other.errors)))


@needs_compiler
def test_theory_knows_them():
    network = Network([5, 6, 4, 3], "relu")
    forward, backward = (
        draw(network, networks=NETWORKS, seed=fresh_seed()) for draw in (simulate.forward, simulate.backward)
    )
    for measured, predicted in (
        (forward.activation_mean, theory.forward(network).activation_mean),
        (backward.input_gradient_variance, theory.backward(network).input_gradient_variance),
    ):
        assert predicted.origin == "exact"
        assert_agree(score(measured, predicted.values))


@needs_compiler
def test_the_mean_of_a_far_tail_is_held():
    """E gelu(z) = v / sqrt(2 pi (1 + v)) for z ~ N(0, v); here half of the networks are beyond float32."""
    network = Network([1, 1, 1], ["gelu", "linear"], multiplier=1e3)
    mean = simulate.forward(network, [1.0], networks=NETWORKS, seed=fresh_seed()).activation_mean
    v = network.layers[0].weight_variance
    assert_agree((mean[0] - v / np.sqrt(2 * np.pi * (1 + v))) / mean.errors[0])
