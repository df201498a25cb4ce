"""PyTorch's initializers drawn by themselves, against what our names for them say."""

import numpy as np
import pytest
from sampled_weights import hold, hold_biases

from varprop import frameworks
from varprop.activations import NAMES as ACTIVATIONS
from varprop.activations import activation
from varprop.theory.fixed.gains import torch_gain

torch = pytest.importorskip("torch")

NAMES = [
    "kaiming_uniform_",
    "kaiming_uniform_(a=math.sqrt(5))",
    "kaiming_uniform_(mode='fan_out', nonlinearity='tanh')",
    "kaiming_normal_",
    "kaiming_normal_(0.5)",
    "kaiming_normal_(nonlinearity='selu')",
    "xavier_uniform_",
    "xavier_uniform_(gain=5/3)",
    "xavier_normal_(gain=nn.init.calculate_gain('relu'))",
    "orthogonal_",
    "orthogonal_(gain=0.5)",
    "trunc_normal_",
    "trunc_normal_(std=0.02)",
    "trunc_normal_(std=0.2, a=-0.4, b=0.4)",
    "normal_",
    "normal_(std=0.02)",
    "uniform_(-0.1, 0.1)",
]
LAYERS = {
    "linear": torch.nn.Linear,
    "conv": lambda fan_in, fan_out: torch.nn.Conv2d(fan_in // 2, fan_out, 2, groups=2),
    "embedding": torch.nn.Embedding,
}


@pytest.fixture(autouse=True)
def _fresh():
    torch.seed()


@pytest.mark.parametrize("name", NAMES)
def test_initializers(name):
    word, _, arguments = name.partition("(")
    call, space = f"make(w, {arguments or ')'}", {"make": getattr(torch.nn.init, word), "nn": torch.nn, "math": np}

    def draw(fan_in, fan_out):
        return eval(call, {**space, "w": torch.empty(fan_out, fan_in)}).numpy()

    hold(f"torch:{name}", draw)


@pytest.mark.parametrize("name", LAYERS)
def test_layers(name):
    hold(f"torch:{name}", lambda *fans: LAYERS[name](*fans).weight.detach().numpy())
    if name != "embedding":
        hold_biases(f"torch:{name}", lambda *fans: LAYERS[name](*fans).bias.detach().numpy())


def test_no_name_is_left_out():
    tested = {name.partition("(")[0] for name in NAMES} | set(LAYERS)
    assert {name.partition("(")[0].partition(":")[2] for name in frameworks.signatures()["torch"]} == tested


def test_gains():
    for name in ACTIVATIONS:
        found = torch_gain(activation(name))
        try:
            assert found == torch.nn.init.calculate_gain(name, 0.01 if name == "leaky_relu" else None)
        except ValueError:
            assert found is None
