"""PyTorch's initializers drawn by themselves, against what our names for them say."""

from itertools import pairwise

import numpy as np
import pytest
from evidence import assert_agree, assert_rejected
from sampled_weights import hold, hold_biases

from varprop import Network, frameworks, theory
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


def test_what_theory_says_mends_pytorchs_default():
    widths = [64] * 7
    found = theory.tune(Network(widths, "relu", "torch:linear"))

    def changes(multiplier, networks=1000):
        """Return how much signal and gradient of PyTorch's networks change over the depth, a network a row."""
        rows = []
        for _ in range(networks):
            layers, z = [torch.nn.Linear(n, m) for n, m in pairwise(widths)], []
            a = torch.randn(widths[0])
            for layer in layers:
                layer.weight.data *= multiplier**0.5
                z.append(layer(a))
                a = torch.relu(z[-1])
            (back,) = torch.autograd.grad(z[-1], z[0], gradient := torch.randn(widths[-1]))
            sizes = [z[0], z[-1], gradient, back]
            rows.append([float(v.detach().square().mean()) for v in sizes])
        size = np.mean(rows, axis=0)
        return np.stack([np.diff(np.array(rows)[:, 2 * i : 2 * i + 2])[:, 0] / size[2 * i] for i in range(2)], axis=1)

    def z_scores(multiplier):
        sample = changes(multiplier)
        return sample.mean(axis=0) / sample.std(axis=0, ddof=1) * np.sqrt(len(sample))

    assert_agree(z_scores(found.multiplier))  # where either changes by some 0.2%, which no such sample shows
    assert_rejected(z_scores(0.75 * found.multiplier).max())
