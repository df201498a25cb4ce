"""Keras's initializers drawn by themselves: `make test-frameworks`, in an environment of its own."""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np
import pytest
from sampled_weights import hold, hold_biases

from varprop import frameworks

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")  # Keras's own, of NumPy 2
NAMES = [
    *(f"{name}_{shape}" for name in ("he", "glorot", "lecun") for shape in ("normal", "uniform")),
    "variance_scaling",
    "variance_scaling(2.0, 'fan_avg', 'untruncated_normal')",
    "variance_scaling(scale=0.5, mode='fan_out', distribution='uniform')",
    "orthogonal",
    "orthogonal(gain=0.5)",
    "random_normal",
    "random_normal(stddev=0.02)",
    "truncated_normal",
    "truncated_normal(stddev=1.0)",
    "random_uniform",
    "random_uniform(-2, 2)",
]
LAYERS = {
    "Dense": lambda fan_in, fan_out: (keras.layers.Dense(fan_out), (None, fan_in)),
    "Embedding": lambda fan_in, fan_out: (keras.layers.Embedding(fan_in, fan_out), (None,)),
    # fans of a convolution count the kernel's size, on both sides
    "Conv": lambda fan_in, fan_out: (keras.layers.Conv2D(fan_out // 4, 2), (None, 4, 4, fan_in // 4)),
}


@pytest.fixture(autouse=True)
def _fresh():
    keras.utils.set_random_seed(int(np.random.SeedSequence().generate_state(1)[0] >> 1))


@pytest.mark.parametrize("name", NAMES)
def test_initializers(name):
    word, _, arguments = name.partition("(")
    word = "".join(map(str.capitalize, word.split("_")))

    def draw(*shape):
        return eval(f"make({arguments or ')'}", {"make": getattr(keras.initializers, word)})(shape)

    hold(f"keras:{name}", draw)
    hold(f"keras:{word}{name.partition('(')[1]}{arguments}", draw)


@pytest.mark.parametrize("name", LAYERS)
def test_layers(name):
    def draw(fan_in, fan_out, which=0):
        layer, shape = LAYERS[name](fan_in, fan_out)
        layer.build(shape)
        return keras.ops.convert_to_numpy(layer.weights[which])

    hold(f"keras:{name}", draw)
    if name == "Dense":
        hold_biases("keras:Dense", lambda *fans: draw(*fans, which=1))


def test_no_name_is_left_out():
    tested = {*(name.partition("(")[0] for name in NAMES), *LAYERS}
    assert {name.partition("(")[0].partition(":")[2] for name in frameworks.signatures()["keras"]} == tested
