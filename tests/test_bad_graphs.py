"""What tired people write of networks as graphs: each ends in one error, which says what and where."""

import math
from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from varprop import Network, VarianceScaling, custom_activation, simulate, theory
from varprop.cli.program import is_about_arguments
from varprop.layers import Dense, Dropout, Gate, LayerNorm, Residual, RMSNorm

S = Network.sequential
ONE = S(4, Residual(LayerNorm(), Dense(4)))
THREE = S(4, Residual(LayerNorm(), Dense(4)), positions=3)
X = np.ones((2, 3, 4))
LOOP = []
LOOP.append(LOOP)


def nested(depth):
    layer = Dense(4)
    for _ in range(depth):
        layer = Residual(layer)
    return layer


class Module:
    """What looks like one of PyTorch's."""

    def named_parameters(self):
        return []

    def __call__(self, x):
        return x


def draw(network, x=None, **how):
    return simulate.forward(network, x, networks=10, **how)


WRONG = {
    "no layer": (lambda: S(4, 3), "a layer is 3"),
    "none": (lambda: S(4, Residual(None)), "a layer is None"),
    "a class": (lambda: Residual(LayerNorm, Dense(4)), r"the class LayerNorm; give an object"),
    "a class as shortcut": (lambda: Residual(Dense(4), shortcut=Dense), "the class Dense"),
    "a class of ones own": (lambda: S(4, Module), "Module"),
    "a network": (lambda: S(4, ONE), "Network.sequential"),
    "a module": (lambda: S(4, Module()), "Module object at .* a module of PyTorch"),
    "a dict": (lambda: S(4, {"Dense": {}}), "{'Dense': {}}"),
    "a set": (lambda: S(4, {Dense(4)}), r"a layer is {Dense\(4\)}"),
    "a generator": (lambda: S(4, (Dense(4) for _ in range(2))), "generator"),
    "a list in itself": (lambda: S(4, LOOP), "lists within lists"),
    "blocks in blocks": (lambda: nested(3000), "blocks within blocks"),
    "layers as a name": (lambda: S(4, "layernorm"), r"'layernorm'.* it is a layer of varprop.layers: LayerNorm\(\)"),
    "gate as a name": (lambda: S(4, "swiglu"), r"Gate\(64, 'silu'\)"),
    "conv as a name": (lambda: S(4, "conv"), "there is no such layer yet"),
    "weights as a layer": (lambda: S(4, "he"), r"it is a law of weights: Dense\(64, 'he'\)"),
    "activation as weights": (lambda: Dense(4, "relu"), "'relu'.* it is an activation"),
    "class as weights": (lambda: Network([4, 4], "relu", Dropout), "weights is .*Dropout"),
    "scaling's class": (lambda: Dense(4, VarianceScaling), "weights is .*VarianceScaling"),
    "class as activation": (lambda: Network([4, 4, 4], LayerNorm), "activation is .*LayerNorm"),
    "layer as activation": (lambda: Network([4, 4, 4], [LayerNorm(), "relu"]), r"activation is LayerNorm\(\)"),
    "block as activation": (lambda: Gate(4, Residual(Dense(4))), "activation is Residual"),
    "layer as a function": (lambda: custom_activation(RMSNorm()), r"phi is RMSNorm\(\)"),
    "layer of a gain": (lambda: theory.gain(LayerNorm()), r"activation is LayerNorm\(\)"),
    "layer as network": (lambda: theory.forward(Dense(4)), r"network is Dense\(4\)"),
    "list as network": (lambda: draw([Dense(4)]), r"network is \[Dense\(4\)\]"),
    "layers as widths": (lambda: Network([Dense(4), "relu"]), r"width n_0 is Dense\(4\)"),
    "widths as width": (lambda: S([4, 4]), r"width is \[4, 4\]"),
    "width as text": (lambda: S("4", Dense(4)), "width is '4'"),
    "width of a fraction": (lambda: Dense(4.0), "4.0; give a whole number such as 4"),
    "empty branch": (lambda: Residual([], []), "nothing in it"),
    "empty": (lambda: S(4, []), "layers is empty"),
    "nothing drawn": (lambda: S(4, np.tanh, LayerNorm()), r"\['tanh', LayerNorm\(\)\], with no Dense"),
    "width changed": (
        lambda: S(4, Dense(4), Residual(Residual(Dense(3)))),
        r"block 1 / block 1 adds 4 .* 3 .*Dense\(3\)",
    ),
    "shortcut's width": (lambda: S(4, Residual(Dense(3), shortcut=[Dense(5), "relu"])), "block 1 adds 5 .* 3"),
    "norm of one": (lambda: S(8, Residual(Dense(1), LayerNorm(), Dense(8))), "block 1 / layer norm 1 has a width of 1"),
    "huge factor": (lambda: Residual(Dense(4), scale=1e300), r"scale of Residual is 1e\+300"),
    "no factor": (lambda: Residual(Dense(4), skip=None), "skip of Residual is None"),
    "array as factor": (lambda: Residual(Dense(4), scale=np.ones(3)), "scale of Residual is array"),
    "drop all": (lambda: Residual(Dense(4), drop=1), "drop of Residual is 1.0"),
    "dropout of 1": (lambda: Dropout(1), "p of Dropout is 1.0"),
    "dropout of nan": (lambda: Dropout(math.nan), "p of Dropout is nan"),
    "dropout of True": (lambda: Dropout(True), "p of Dropout is True"),
    "huge eps": (lambda: RMSNorm(1e308), r"eps of RMSNorm is 1e\+308"),
    "a width as eps": (lambda: LayerNorm(64), r"eps of LayerNorm is 64, which looks like a width; LayerNorm\(\) takes"),
    "infinite eps": (lambda: LayerNorm(math.inf), "eps of LayerNorm is inf"),
    "no positions": (lambda: S(4, Dense(4), positions=0), "positions is 0"),
    "positions as text": (lambda: S(4, Dense(4), positions="16"), "positions is '16'"),
    "positions in positions": (lambda: S(4, Dense(4), positions=((3, 3), 3)), r"positions is \(3, 3\)"),
    "many positions": (lambda: theory.forward(S(4, Dense(4), positions=10**9)), "48,000,000,000,000,000,000 bytes"),
    "many by many": (lambda: theory.backward(S(4, Dense(4), positions=(10**6, 10**6))), "bytes"),
    "many drawn": (lambda: draw(S(4, Dense(4), positions=10**5)), r"GB of memory.* the machine has"),
    "wide": (lambda: draw(S(4, Residual(Dense(2**40), Dense(4)))), "block 1 / dense 1 of 1099511627776 × 4 .* bytes"),
    "wide gram": (
        lambda: simulate.gram(S(4, Residual(Dense(2**40), Dense(4))), X[0, :2], networks=9),
        "dense 1 .*bytes",
    ),
    "one position": (lambda: theory.forward(THREE, np.ones(4)), r"shape \(4,\).*3 positions, takes \(3, 4\)"),
    "samples alone": (lambda: theory.forward(THREE, X[:, 0]), r"shape \(2, 4\)"),
    "too many axes": (lambda: draw(THREE, X[None]), r"shape \(1, 2, 3, 4\)"),
    "no sample": (lambda: draw(THREE, X[:0]), "at least one sample"),
    "nan": (
        lambda: draw(THREE, np.where(np.arange(24) == 14, np.nan, 1.0).reshape(X.shape)),
        "nan at sample 1, position 0",
    ),
    "masked": (lambda: theory.forward(THREE, np.ma.masked_equal(X, 1)), "masked"),
    "ragged": (lambda: theory.forward(THREE, [[1, 2], [3]]), "NumPy cannot read inputs"),
    "text": (lambda: theory.forward(THREE, "x.npy"), "inputs have dtype <U5"),
    "complex": (lambda: theory.gram(THREE, X * 1j), "complex128"),
    "tiny": (lambda: theory.ntk(THREE, X * 1e-80), "1e-80 in size at sample 0, position 0"),
    "no inputs": (lambda: simulate.gram(THREE, None, networks=9), "inputs is None"),
    "a loss's shape": (lambda: theory.backward(THREE, loss=np.ones((2, 4))), r"loss has shape \(2, 4\)"),
    "a ragged loss": (lambda: theory.backward(THREE, loss=[[1, 2], [3]]), "NumPy cannot read loss"),
    "a loss of a sum": (lambda: theory.backward(THREE, loss="half_square"), "ends in block 1"),
    "pair of positions": (lambda: theory.pair(THREE, 0.5), "one position, but this has 3"),
    "three of a pair": (lambda: simulate.pair(ONE, inputs=np.ones((3, 4)), networks=9), "3 rows"),
    "a law": (lambda: theory.law(ONE), "block 1 / layer norm 1"),
    "a precision": (lambda: theory.precision(ONE, "float16"), "theory.precision needs .* block 1 / layer norm 1"),
    "first order": (lambda: theory.forward(ONE, order="first"), "'first' needs a chain"),
    "branch of none": (lambda: theory.forward(S(4, Residual("relu"), Dense(4))), "block 1 adds .* no Dense"),
    "phi of phi": (lambda: theory.forward(S(4, Dense(4), Dropout(0.5), "tanh", Dense(4))), "tanh 1 acts on"),
    "no path": (lambda: ONE.save(None), "path is None"),
    "a path of 3": (lambda: Network.load(3), "path is 3"),
}


@pytest.mark.parametrize("name", WRONG)
def test_each_ends_in_one_error_of_ours(name):
    make, words = WRONG[name]
    with pytest.raises((ValueError, TypeError), match=words) as refused:
        make()
    assert is_about_arguments(refused.value)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 500


def test_networks_stay_as_they_were_made():
    with pytest.raises(FrozenInstanceError, match="'width'"):
        ONE.width = 3
    with pytest.raises(FrozenInstanceError):
        Dense(4).width = 3


def test_blocks_go_as_deep_as_anyone_stacks_them():
    network = S(4, nested(20))
    assert network.places[-1].name == "block 1"
    assert network == S(4, nested(20))
    assert len(repr(network)) > 20 * len("Residual()")


def test_blocks_that_give_nothing_or_all_there_is_have_numbers():
    nothing = S(4, Residual(Dense(4), skip=0, scale=0), Dense(4))
    for network in (nothing, S(4, Dense(4), Residual(Dense(4), scale=0), Dense(4))):
        for side, how in ((theory, {}), (simulate, {"networks": 10})):
            forward, backward = side.forward(network, **how), side.backward(network, **how)
            assert np.isfinite(forward.variance.values).all()
            assert np.isfinite(backward.gradient_variance.values).all()
    assert theory.forward(nothing).variance.values.tolist()[1:] == [0, 0]
    assert float(theory.backward(nothing).input_gradient_variance) == 0


@pytest.mark.slow
def test_blocks_whose_moments_pass_float64_leak_no_warning():
    large = Dense(4, multiplier=1e99)  # the square of what one block does is 1e396
    network = S(4, *[Residual(large, "relu", large)] * 10)
    found = theory.forward(network)
    assert found.variance.values[-1] == np.inf
    assert (found.activation_mean.values[2::3] == 0).all()
    assert theory.backward(network).gradient_variance.values[0] == np.inf
    heavy = S(1, *[Residual(Dense(1), "relu", Dense(1), skip=1e-3)] * 260)  # 18 times the kurtosis a block
    assert theory.forward(heavy).kurtosis.values[-1] == np.inf
