"""Networks of layers: names, nodes, equality with chains, and errors that name the layer by its path."""

import pickle

import numpy as np
import pytest

from varprop import Network, VarianceScaling, compare, leaky_relu, simulate, theory
from varprop.layers import LAYERS, Dense, Dropout, Gate, LayerNorm, Residual, RMSNorm


def names(network):
    return [place.name for place in network.places]


def test_a_chain_is_the_sequence_of_its_layers():
    chain = Network([64] * 5, "tanh", "lecun", multiplier=1.5, bias_variance=0.1)
    dense = Dense(None, VarianceScaling(1.0), multiplier=1.5, bias_variance=0.1)
    other = Network.sequential(64, [dense, "tanh"] * 3, Dense(64, "lecun", multiplier=1.5, bias_variance=0.1))
    assert chain == other
    assert hash(chain) == hash(other)
    assert chain.is_chain
    assert str(other) == str(chain)
    assert names(chain) == ["1", "2", "3", "4"]
    assert chain != Network([64] * 5, "tanh", "lecun", multiplier=1.5)
    np.testing.assert_array_equal(theory.forward(other).variance, theory.forward(chain).variance)
    assert [node.path for node in chain.nodes] == ["1", "tanh 1", "2", "tanh 2", "3", "tanh 3", "4"]


@pytest.mark.parametrize(
    ("chain", "layers"),
    [
        (Network([4, 3], "relu"), [Dense(3)]),
        (Network([4, 3], ["relu"]), [Dense(3), "relu"]),
        (Network([4, 3, 2], "linear"), [Dense(3), Dense(2)]),
        (Network([4, 3, 2], "linear"), ["linear", Dense(3), "linear", Dense(2)]),
        (Network([4, 3, 2], ["relu", "tanh"], ["he", "lecun"]), [Dense(3), "relu", Dense(2, "lecun"), "tanh"]),
        (Network([4, 3, 2, 2], ["relu", "tanh"]), [Dense(3), "relu", Dense(2), "tanh", Dense(2)]),
        (
            Network([4, 4, 4], leaky_relu(0.3), "orthogonal"),
            [Dense(4, "orthogonal"), leaky_relu(0.3)] * 1 + [Dense(4, "orthogonal")],
        ),
    ],
)
def test_sequences_that_are_chains(chain, layers):
    assert Network.sequential(4, *layers) == chain
    assert type(Network.sequential(4, *layers)) is Network
    assert Network.sequential(4, *chain.sequence) == chain


def test_names_of_places():
    block = Residual(LayerNorm(), Dense(8), "relu", Residual(Dense(8)), Dense(4), shortcut=Dense(4))
    network = Network.sequential(8, Dense(8), [block, Residual(Gate(6, "gelu"), Dense(4))], "relu", Dense(2))
    assert names(network) == [
        "dense 1",
        "block 1 / dense 1",
        "block 1 / block 1 / dense 1",
        "block 1 / block 1",
        "block 1 / dense 2",
        "block 1 / shortcut",
        "block 1",
        "block 2 / gate 1",
        "block 2 / value 1",
        "block 2 / dense 1",
        "block 2",
        "dense 2",
    ]
    activated = {place.name: network.nodes[place.activated].path for place in network.places}
    assert activated["block 1 / dense 1"] == "block 1 / relu 1"
    assert activated["block 2 / gate 1"] == "block 2 / gelu 1"
    assert activated["block 2"] == "relu 1"
    assert activated["block 1"] == "block 1"
    assert names(Network.sequential(8, Dense(4), "relu", Dense(4), positions=3)) == ["1", "2"]
    pre = Network.sequential(8, Dense(8), Residual("relu", Dense(8)))  # that relu is not right after the Dense
    assert pre.places[0].activated == pre.places[0].node


def test_one_object_used_twice_is_two_layers():
    layer = Dense(8)
    assert names(Network.sequential(8, LayerNorm(), layer, layer)) == ["dense 1", "dense 2"]


@pytest.mark.parametrize("name", LAYERS)
def test_examples(name):
    layer = LAYERS[name].example
    network = Network.sequential(8, Dense(8), layer, Dense(8), positions=2)
    assert network == Network.sequential(8, Dense(8), eval(repr(layer)), Dense(8), positions=2)
    assert pickle.loads(pickle.dumps(network)) == network
    assert str(layer) in str(network)
    assert eval(repr(network)) == network
    assert network.nodes[network.output].width == 8


def test_a_graph_has_no_widths():
    network = Network.sequential(4, LayerNorm(), Dense(4))
    assert not network.is_chain
    for name in ("widths", "activation", "weights", "multiplier", "bias_variance", "depth", "layers"):
        with pytest.raises(ValueError, match=rf"no {name}.*\.nodes"):
            getattr(network, name)
    with pytest.raises(ValueError, match=r"no widths.*\.nodes"):
        Network.sequential(4, Dense(4), positions=2).widths  # noqa: B018


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: Network.sequential(8, Dense(8), Residual(Dense(4))), ValueError, r"block 1 .*8 .*4 .*Dense\(4\)"),
        (lambda: Network.sequential(8, Residual(Dense(4), shortcut=Dense(3))), ValueError, "block 1 .*3 .*4 "),
        (lambda: Network.sequential(1, Residual(LayerNorm(), Dense(1))), ValueError, "block 1 / layer norm 1 .*1"),
        (lambda: Network.sequential(4, Residual(Dense(4, multiplier=1e-200))), ValueError, "block 1 / dense 1 .*e-20"),
        (lambda: Network.sequential(4), ValueError, "at least one"),
        (lambda: Network.sequential(4, LayerNorm()), ValueError, "no Dense"),
        (lambda: Network.sequential(4, "linear"), ValueError, "no Dense"),
        (lambda: Network.sequential(4, LayerNorm), TypeError, r"LayerNorm\(\.\.\.\)"),
        (lambda: Network.sequential(4, 7), TypeError, "7"),
        (lambda: Network.sequential(4, "reul"), ValueError, "reul"),
        (lambda: Network.sequential(4, Network([4, 4])), TypeError, "Network"),
        (lambda: Network([4, 4, 4], LayerNorm()), TypeError, "LayerNorm"),
        (lambda: Gate(4, Dense(4)), TypeError, "Dense"),
        (lambda: Dense(4, Dense(4)), TypeError, "Dense"),
        (lambda: Network.sequential(0, Dense(4)), ValueError, "width is 0"),
        (lambda: Dense(2.5), TypeError, "2.5"),
        (lambda: Dense(4, multiplier=-1), ValueError, "-1"),
        (lambda: Gate(4, "gelu", bias_variance=-2), ValueError, "-2"),
        (lambda: Network.sequential(4, Dense(4), positions=0), ValueError, "positions is 0"),
        (lambda: Network.sequential(4, Dense(4), positions=()), ValueError, r"positions is \(\)"),
        (lambda: Network.sequential(4, Dense(4), positions=(3, 1.5)), TypeError, "1.5"),
        (lambda: Dropout(1), ValueError, "1.0"),
        (lambda: Dropout("half"), TypeError, "half"),
        (lambda: Residual(), ValueError, "nothing in it"),
        (lambda: Residual([]), ValueError, "nothing in it"),
        (lambda: Residual(Dense(4), drop=1.0), ValueError, "drop of Residual is 1.0"),
        (lambda: Residual(Dense(4), scale=float("nan")), ValueError, "nan"),
        (lambda: Residual(Dense(4), shortcut=3), TypeError, "3"),
        (lambda: LayerNorm(-1e-5), ValueError, "-1e-05"),
        (lambda: RMSNorm("small"), TypeError, "small"),
    ],
)
def test_bad_layers(make, error, words):
    with pytest.raises(error, match=words):
        make()


def test_what_is_known_of_chains_alone_refuses_a_graph():
    network = Network.sequential(4, Dense(4), Residual(LayerNorm(), Dense(4)))
    with pytest.raises(ValueError, match=r"simulate.law needs a chain .* block 1 / layer norm 1"):
        simulate.law(network, networks=64, seed=0)
    with pytest.raises(ValueError, match=r"theory.law needs a chain .* block 1 / layer norm 1"):
        theory.law(network)
    measured = simulate.forward(Network([4, 4, 4], "linear"), networks=640, seed=0)
    with pytest.raises(ValueError, match=r"the two networks differ"):
        compare(measured, theory.forward(network))


def test_a_transformers_mlps():
    block = [
        Residual(LayerNorm(), Dense(3072, "lecun"), "gelu", Dense(768, "lecun", multiplier=1 / 24)),
    ]
    network = Network.sequential(768, *block * 12, LayerNorm(), positions=16)
    predicted = theory.forward(network)
    assert predicted.names[-1] == "block 12"
    added = 0.4252215 / 24  # E gelu(Z)^2, by quadrature
    np.testing.assert_allclose(predicted.variance[2::3], 1 + added * np.arange(1, 13), rtol=2e-5)
    assert (np.diff(predicted.cosine[2::3]) > 0).all()
    assert "block 12 / dense 2" in str(predicted)
