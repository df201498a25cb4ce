"""Single networks: they are those that the other functions draw, to the bit, from any number on."""

import sys
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pytest
from evidence import assert_agree, assert_rejected, fresh_seed, needs_compiler

from varprop import Network, simulate
from varprop.kernels import LANES, tally_pair
from varprop.kernels import layer as at
from varprop.layers import Dense, Residual
from varprop.simulate import ensemble, memory

sample_module = sys.modules["varprop.simulate.sample"]  # the name is the function's


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
        ({"quantity": "sideways"}, ValueError, "^unknown quantity 'sideways'; choose one of forward, backward, pair.$"),
        ({"quantity": "gradient"}, ValueError, "^unknown quantity 'gradient'; .*; did you mean backward?"),
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


@needs_compiler
def test_by_default_the_signal_of_seed_0_is_drawn():
    (block,) = simulate.sample(CHAIN, networks=64, block_size=64)
    record = simulate.forward(CHAIN, networks=64, seed=0)
    np.testing.assert_allclose(block.q.mean(axis=0), record.variance.values, rtol=1e-12)
    (one,) = simulate.sample(CHAIN, networks=1, seed=2**64 - 1)
    assert len(one) == 1
    with pytest.raises(ValueError, match="seed is 18446744073709551616"):
        simulate.sample(CHAIN, networks=1, seed=2**64)
    (back,) = simulate.sample(CHAIN, networks=64, quantity="backward", loss="half_square", block_size=64)
    gradient = simulate.backward(CHAIN, networks=64, seed=0, loss="half_square").gradient_variance
    np.testing.assert_allclose(back.d.mean(axis=0), gradient.values, rtol=1e-12)
    np.testing.assert_allclose(np.exp2(back.log2_input_d), back.input_d, rtol=1e-12)


@needs_compiler
def test_powers_keep_their_scale():
    """z^4 is of the square of the scale, however large; and a signal of 2^(-10^20) is 0 without a word."""
    network = Network([8] * 12, "linear", multiplier=1e10)
    (block,) = simulate.sample(network, networks=64, block_size=64)
    kurtosis = block.fourth.mean(axis=0) / block.q.mean(axis=0) ** 2
    np.testing.assert_allclose(kurtosis, simulate.forward(network, networks=64).kurtosis.values, rtol=1e-12)
    assert block.q[:, -1].min() > 1e100
    (tiny,) = simulate.sample(Network((1, 1, 5), "gelu", "he", multiplier=1e86), networks=64)
    assert tiny.log2_q.min() < -1e20
    assert tiny.q.min() == 0


@needs_compiler
def test_pairs_that_died_have_no_cosine():
    network = Network([4, 1, 1, 1, 1, 1, 4], "relu")
    (block,) = simulate.sample(network, networks=64, quantity="pair", correlation=0.5)
    assert block.names == tuple(place.name for place in network.places)
    np.testing.assert_array_equal(np.isnan(block.cosine), (block.q == 0) | (block.other_q == 0))
    assert np.isnan(block.cosine[:, -1]).any()
    alive = block.q > 0
    np.testing.assert_allclose(np.exp2(block.log2_q[alive]), block.q[alive], rtol=1e-12)
    alive = block.other_q > 0
    np.testing.assert_allclose(np.exp2(block.log2_other_q[alive]), block.other_q[alive], rtol=1e-12)


def test_memory_is_checked_before_anything_is_drawn(monkeypatch):
    asked = []
    monkeypatch.setattr(memory, "check_memory", lambda *given, **how: asked.append((given, how)))
    blocks = simulate.sample(CHAIN, networks=10, threads=3)
    assert asked == [((memory.bytes_per_thread(CHAIN, "conditional"), 3, 10), {"say": False})]
    blocks.close()


def drawn(first, networks, *, block, most=1):
    """Return what a plan is asked for, and the blocks, of a sampler that fills records with the networks' numbers."""
    asked = []

    def fill(first, records, stop):
        asked.append((first, len(records)))
        records[:] = 1.0
        records[:, :, at.VARIANCE] = first + np.arange(len(records) * LANES).reshape(-1, 1, LANES)

    plan = SimpleNamespace(sample=fill, rows=3, reduction=SimpleNamespace(fields=at.RECORD_FIELDS))
    here = SimpleNamespace(block=block, threads=1, most=most)
    question = SimpleNamespace(kind="forward", network=CHAIN)
    return asked, sample_module._blocks(question, plan, here, (first, first + networks))


def test_no_more_tiles_are_drawn_than_hold_the_networks():
    told = []
    asked, blocks = drawn(101, 350, block=lambda tiles: told.append(tiles) or 2)
    blocks = list(blocks)
    np.testing.assert_array_equal(joined("q", *blocks)[:, 0], 2 * np.arange(101, 451))  # times 2^1
    assert told == [7]
    assert asked == [(0, 0), (64, 2), (192, 2), (320, 2), (448, 1)]  # the first compiles
    assert [block.first for block in blocks] == [101, 192, 320, 448]


def test_no_more_blocks_wait_than_are_asked_for(monkeypatch):
    submitted = []

    @contextmanager
    def pool_of(threads, stop):
        def submit(draw, tile):
            submitted.append(tile)
            return SimpleNamespace(result=lambda: draw(tile))

        yield SimpleNamespace(submit=submit)

    monkeypatch.setattr(ensemble, "pool_of", pool_of)
    _, blocks = drawn(0, 640, block=lambda tiles: 1, most=3)
    assert next(blocks).first == 0
    assert submitted == [0, 1, 2, 3]
    assert [block.first for block in blocks] == [64 * tile for tile in range(1, 10)]


def test_cosines_are_none_beyond_one():
    columns = np.zeros((6, 2, 3))
    columns[[tally_pair.FIRST, tally_pair.SECOND]] = 1.0
    columns[tally_pair.PRODUCT] = [[1 + 1e-15] * 3, [-1 - 1e-15] * 3]
    np.testing.assert_array_equal(sample_module._pair(CHAIN, 0, columns).cosine, [[1.0] * 3, [-1.0] * 3])
