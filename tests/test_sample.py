"""Single networks: they are those that the other functions draw, to the bit, from any number on."""

import numpy as np
import pytest
from evidence import assert_agree, assert_rejected, fresh_seed, needs_compiler

from varprop import Network, simulate
from varprop.layers import Dense, Residual

CHAIN = Network([8, 16, 8, 4], "tanh", "lecun", bias_variance=0.1)
GRAPH = Network.sequential(8, Dense(8), Residual("relu", Dense(8)), "relu", Dense(4), positions=3)


def joined(name, *blocks):
    return np.concatenate([getattr(block, name) for block in blocks])


@needs_compiler
@pytest.mark.parametrize("network", [CHAIN, GRAPH], ids=["chain", "graph"])
@pytest.mark.parametrize("quantity", ["forward", "backward"])
def test_means_are_those_of_the_record(network, quantity):
    seed, count = fresh_seed(), 300
    blocks = list(simulate.sample(network, networks=count, seed=seed, quantity=quantity, block_size=64))
    assert [(block.first, len(block)) for block in blocks] == [(0, 64), (64, 64), (128, 64), (192, 64), (256, 44)]
    record = getattr(simulate, quantity)(network, networks=count, seed=seed)
    assert blocks[0].names == tuple(place.name for place in network.places)
    names = {"forward": [("q", "variance"), ("second_moment", "second_moment")]}
    names["backward"] = [("d", "gradient_variance"), ("weight_gradient", "weight_gradient_variance")]
    for name, profile in names[quantity]:
        mine = joined(name, *blocks)
        assert mine.shape == (count, len(network.places))
        np.testing.assert_allclose(mine.mean(axis=0), getattr(record, profile).values, rtol=1e-12)
        logs = joined(f"log2_{name}", *blocks)
        np.testing.assert_allclose(np.exp2(logs), mine, rtol=1e-12)
    if quantity == "backward":
        at_input = joined("input_d", *blocks).mean()
        np.testing.assert_allclose(at_input, record.input_gradient_variance.values[0], rtol=1e-12)
    elif network is CHAIN:
        kurtosis = joined("fourth", *blocks).mean(axis=0) / joined("q", *blocks).mean(axis=0) ** 2
        np.testing.assert_allclose(kurtosis, record.kurtosis.values, rtol=1e-12)


@needs_compiler
def test_pairs_are_those_of_the_record():
    options = {"correlation": 0.5, "networks": 200, "seed": fresh_seed()}
    (block,) = simulate.sample(CHAIN, quantity="pair", **options, block_size=256)
    record = simulate.pair(CHAIN, **options)
    np.testing.assert_allclose(block.cosine.mean(axis=0), record.cosine.values, rtol=1e-12)
    np.testing.assert_allclose(block.cosine.var(axis=0, ddof=1), record.cosine_variance.values, rtol=1e-9)
    assert block.q.shape == block.other_q.shape == (200, 3)


@needs_compiler
@pytest.mark.parametrize("quantity", ["forward", "backward", "pair"])
def test_any_first_network_any_blocks_any_threads_give_the_same_bits(quantity):
    seed, more = fresh_seed(), {"correlation": 0.2} if quantity == "pair" else {}
    options = {"seed": seed, "quantity": quantity, **more}
    (whole,) = simulate.sample(CHAIN, networks=500, block_size=512, threads=1, **options)
    some = list(simulate.sample(CHAIN, first=101, networks=350, block_size=64, threads=3, **options))
    assert (some[0].first, sum(map(len, some))) == (101, 350)
    for name in [name for name, value in vars(whole).items() if isinstance(value, np.ndarray)]:
        np.testing.assert_array_equal(joined(name, *some), getattr(whole, name)[101:451])


@needs_compiler
def test_numbers_beyond_float64_have_logarithms():
    network = Network([16] * 40, "relu", "he", multiplier=1e40)
    (block,) = simulate.sample(network, networks=64)
    assert np.isinf(block.q[:, -1]).all()
    steps = np.diff(block.log2_q, axis=1)
    assert_agree((steps.mean(axis=0) - steps.mean()) / (steps.std(axis=0) / 8))
    assert_rejected((steps.mean(axis=0) - steps.mean() - 1) / (steps.std(axis=0) / 8))
    dead = Network([4, 1, 1, 1, 1, 1, 4], "relu")
    (block,) = simulate.sample(dead, networks=64)
    assert (block.q[:, -1] == 0).any()
    assert np.array_equal(np.isneginf(block.log2_q), block.q == 0)


@needs_compiler
def test_who_stops_early_waits_for_nobody():
    blocks = simulate.sample(CHAIN, networks=10**12, block_size=64)
    assert len(next(blocks)) == 64
    blocks.close()


@pytest.mark.parametrize(
    ("given", "kind", "words"),
    [
        ({"quantity": "sideways"}, ValueError, "unknown quantity 'sideways'"),
        ({"loss": "half_square"}, ValueError, "loss is of quantity='backward'"),
        ({"correlation": 0.5}, ValueError, "correlation is of quantity='pair'"),
        ({"quantity": "pair"}, ValueError, "neither of correlation and inputs given"),
        ({"networks": 0}, ValueError, "networks is 0"),
        ({"first": -1}, ValueError, "first is -1"),
        ({"seed": 0.5}, TypeError, "seed is 0.5"),
        ({"method": "guess"}, ValueError, "unknown method"),
    ],
)
def test_wrong_arguments_are_one_error_at_once(given, kind, words):
    with pytest.raises(kind, match=words):
        simulate.sample(CHAIN, **({"networks": 10} | given))


def test_a_block_says_what_it_is():
    (block,) = simulate.sample(CHAIN, networks=10, first=5)
    assert repr(block) == "ForwardSample(networks 5 to 14: q, log2_q, fourth, second_moment, log2_second_moment)"
