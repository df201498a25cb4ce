"""Weights that keep the variance: theory's own numbers for networks that have them."""

import numpy as np
import pytest

from varprop import Network, VarianceScaling, theory
from varprop.layers import Dense, Dropout, Gate, LayerNorm, Residual
from varprop.theory.infinite.keep import keeping


def gain(squared):
    return VarianceScaling(squared, "fan_in")


def test_a_chain_gets_the_gains_of_its_activations():
    found = keeping(Network([8, 16, 16, 4], ["gelu", "tanh"]))
    wanted = [1.0, theory.gain("gelu") ** 2, theory.gain("tanh") ** 2]
    np.testing.assert_allclose([one.gain_squared for one in found], wanted, rtol=1e-9)
    assert [one.variance for one in found] == pytest.approx([1.0, 1.0, 1.0])


def test_dropout_and_inputs_count():
    x = np.full((3, 8), 2.0)
    found = keeping(Network.sequential(8, Dropout(0.2), Dense(16), "relu", Dropout(0.1), Dense(4)), x)
    np.testing.assert_allclose([one.gain_squared for one in found], [0.8 / 4, 2 * 0.9], rtol=1e-9)


def built(make, inputs=None):
    """Return theory's variances of a network with the weights that keep it; ``make`` takes a list of laws."""
    laws = [gain(one.gain_squared) for one in keeping(make([gain(3.0)] * 20), inputs)]
    return dict(zip((p.name for p in make(laws).places), theory.forward(make(laws), inputs).variance, strict=True))


@pytest.mark.parametrize("norm", [[LayerNorm(0.0)], []])
def test_a_stream_of_blocks_at_most_doubles(norm):
    def make(laws):
        blocks = [
            Residual(*norm, Dense(32, laws[2 * i + 1]), "silu", Dense(16, laws[2 * i + 2]), Dropout(0.1), scale=0.7)
            for i in range(4)
        ]
        return Network.sequential(8, Dense(16, laws[0]), *blocks, Dense(3, laws[9]))

    found = built(make)
    assert [found[f"block {i}"] for i in (1, 2, 3, 4)] == pytest.approx([1.25, 1.5, 1.75, 2.0])
    assert [found[f"block {i} / dense 1"] for i in (1, 2, 3, 4)] == pytest.approx([1.0] * 4)
    assert found["dense 2"] == pytest.approx(1.0)


def test_a_branch_that_ends_in_an_activation_and_a_shortcut():
    def make(laws):
        block = Residual(Dense(16, laws[0]), "gelu", shortcut=Dense(16, laws[1]))
        return Network.sequential(8, block, Gate(16, "silu", laws[2]), Dense(4, laws[4]))

    found = built(make)
    assert found["block 1 / shortcut"] == pytest.approx(1.0)
    assert found["block 1"] == pytest.approx(2.0, abs=1e-6)
    assert found["dense 1"] == pytest.approx(1.0)


def test_a_layer_that_reads_nothing_is_named():
    with pytest.raises(ValueError, match=r"^1 reads nothing but 0"):
        keeping(Network([4, 4]), np.zeros(4))
