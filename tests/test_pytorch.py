"""What the README says of PyTorch: its default and its initializers' names. Skipped where there is no PyTorch."""

from itertools import pairwise

import numpy as np
import pytest
from evidence import assert_agree, assert_rejected

from varprop import Network, theory

torch = pytest.importorskip("torch")
WIDTHS = [64] * 5  # wide enough for near normal means
DEFAULT = Network(WIDTHS, "relu", "torch:linear")
INITIALIZERS = {
    "kaiming_normal_": ("he", {"nonlinearity": "relu"}),
    "kaiming_uniform_": ("he_uniform", {"nonlinearity": "relu"}),
    "xavier_normal_": ("glorot", {}),
    "xavier_uniform_": ("glorot_uniform", {}),
    "orthogonal_": ("orthogonal", {}),
}


def mean_squares(networks, prepare):
    """Return the mean of z^2 over units, shape (networks, layers), of PyTorch's networks on N(0, I)."""
    found = []
    with torch.no_grad():
        for _ in range(networks):
            a = torch.randn(WIDTHS[0])
            found.append([])
            for fan_in, fan_out in pairwise(WIDTHS):
                layer = torch.nn.Linear(fan_in, fan_out)
                prepare(layer)
                z = layer(a)
                found[-1].append(float(z.square().mean()))
                a = torch.relu(z)
    return np.array(found)


def z_scores(sample, network):
    error = sample.std(axis=0, ddof=1) / np.sqrt(len(sample))
    return (sample.mean(axis=0) - theory.forward(network).variance.values) / error


def test_the_default():
    torch.seed()
    sample = mean_squares(2000, lambda layer: None)
    assert_agree(z_scores(sample, DEFAULT))
    assert_rejected(z_scores(sample, Network(WIDTHS, "relu", "lecun")))


@pytest.mark.parametrize("name", INITIALIZERS)
def test_names(name):
    ours, options = INITIALIZERS[name]

    def prepare(layer):
        getattr(torch.nn.init, name)(layer.weight, **options)
        torch.nn.init.zeros_(layer.bias)

    torch.seed()
    sample = mean_squares(1000, prepare)
    assert_agree(z_scores(sample, Network(WIDTHS, "relu", ours)))
    assert_rejected(z_scores(sample, Network(WIDTHS, "relu", ours, multiplier=1.3)))
