"""What theory says of a model's places from the law of its weights, and residual sums."""

import math

import numpy as np
import pytest
from evidence import assert_agree, assert_rejected, fresh_seed

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

from varprop.pytorch import audit  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_torch_thread")


def convolutions():
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(8, 16, 3, stride=2, groups=2, padding=(2, 0), dilation=2),
        nn.BatchNorm2d(16),
        nn.Conv2d(16, 16, 3, padding=2, padding_mode="circular", bias=False),
        nn.Flatten(),
        nn.Linear(384, 16),
    )


def tokens():
    return nn.Sequential(nn.Embedding(20, 16, padding_idx=0), nn.Linear(16, 32), nn.Tanh(), nn.Linear(32, 32))


def positive():
    model = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 32))
    with torch.no_grad():
        model[2].weight.abs_()
    return model


IMAGES, TOKENS = (
    torch.linspace(-1, 2, 4 * 3 * 8 * 8).sin().reshape(4, 3, 8, 8) + 0.5,
    torch.arange(24).reshape(4, 6) % 20,
)


@pytest.mark.parametrize(("make", "inputs"), [(convolutions, IMAGES), (tokens, TOKENS)])
def test_weights_give_the_second_moment_of_their_law(make, inputs):
    found = audit(make, inputs, networks=40, seed=fresh_seed())
    known = np.isfinite(found.predicted.z)
    kinds = {kind for kind, there in zip(found.kinds, known, strict=True) if there}
    assert kinds == {"Conv2d", "Linear"} if make is convolutions else {"Embedding", "Linear"}
    assert_agree(found.predicted.z[known])
    for reason, there in zip(found.predicted.reasons, known, strict=True):
        assert bool(reason) != there


def test_weights_of_one_sign_are_rejected():
    found = audit(positive, torch.ones(4, 16), networks=40)
    assert_agree(found.predicted.z[0])
    assert_rejected(found.predicted.z[2])


def test_padding_is_counted():
    """By brute force: the expected second moment of a convolution of ones, pixel by pixel."""

    def make():
        model = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1, bias=False))
        nn.init.normal_(model[0].weight)
        return model

    found = audit(make, torch.ones(1, 1, 3, 3), networks=30)
    seen = (4 * 4 + 4 * 6 + 9) / 9  # corners, edges, the middle
    assert found.predicted.second_moment[0] == pytest.approx(seen, rel=1e-6)


def test_where_the_input_depends_on_the_same_weights_theory_is_silent():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.two, self.copy, self.other = (nn.Linear(8, 8) for _ in range(4))
            self.two.weight = self.one.weight
            self.copy.load_state_dict(self.one.state_dict())

        def forward(self, x):
            return self.other(self.copy(self.two(self.one(self.one(x)))))

    found = audit(Tied, torch.randn(4, 8), networks=3)
    assert found.names == ("one", "one:2", "two", "copy", "other")
    reasons = found.predicted.reasons
    assert [bool(reason) for reason in reasons] == [False, True, True, True, False]
    assert "called before" in reasons[1]
    assert "shares those of one" in reasons[2]
    assert "copy of one" in reasons[3]
    assert np.isnan(found.predicted.z[1:4]).all()
    assert np.isnan(found.weight_gradient_variance.values[:3]).all()


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm, self.up, self.down = nn.LayerNorm(32), nn.Linear(32, 64), nn.Linear(64, 32)

    def forward(self, x):
        return x + self.down(torch.relu(self.up(self.norm(x))))


def test_the_architecture_alone_foretells_the_stream():
    x = torch.randn(16, 32)
    found = audit(lambda: nn.Sequential(*[Block() for _ in range(4)]), x, networks=40, seed=fresh_seed())
    theory = found.predicted.network
    sums = [l for l, name in enumerate(found.names) if "sum" in name]
    assert [found.names[l] for l in sums] == [f"{i} sum 1" for i in range(4)]
    assert all(found.kinds[l] == "sum" for l in sums)
    stream = found.second_moment
    np.testing.assert_allclose(stream.values[sums], theory.values[sums], rtol=0.1)
    assert_agree(((stream.values - theory.values) / np.hypot(stream.errors, 0.01 * theory.values))[sums])
    assert not found.predicted.network_reason


def test_what_cannot_be_imported_says_why():
    found = audit(convolutions, IMAGES, networks=2)
    assert found.predicted.network is None
    assert found.predicted.network_reason


class Oddities(nn.Module):
    """Additions that are no residual sums, and one in place that is."""

    def __init__(self):
        super().__init__()
        self.position = nn.Parameter(torch.zeros(6, 8))
        self.embed, self.up, self.down = nn.Embedding(9, 8), nn.Linear(8, 8), nn.Linear(8, 8)

    def forward(self, tokens):
        x = self.embed(tokens) + self.position
        h = self.up(x)
        h = 0.5 * h * (1 + torch.tanh(math.sqrt(2 / math.pi) * (h + 0.044715 * h**3)))
        h = h + 1e-3 + torch.ones(8)
        half = h.chunk(2, dim=-1)
        h = torch.cat((half[0] + half[1], half[1]), dim=-1)
        h = self.down(h)
        h += x
        return h


def test_only_residual_sums_are_sums():
    found = audit(Oddities, torch.arange(6).repeat(4, 1), networks=2)
    assert found.names == ("embed", "up", "down", "sum 1")
    assert found.kinds[-1] == "sum"


def test_a_layer_that_copies_its_weights_is_found():
    """nn.TransformerEncoder copies its layer; with weights of its own in each, the stream ends lower."""

    def copies():
        layer = nn.TransformerEncoderLayer(32, 4, 64, dropout=0.0, batch_first=True, norm_first=True)
        return nn.TransformerEncoder(layer, 6, enable_nested_tensor=False)

    def own():
        model = copies()
        for layer in model.layers:
            for module in layer.modules():
                draw = getattr(module, "reset_parameters", getattr(module, "_reset_parameters", None))
                if draw:
                    draw()
        return model

    x = torch.randn(8, 12, 32)
    alike, apart = (audit(make, x, networks=20) for make in (copies, own))
    last = alike.index("layers.5 sum 2")
    assert alike.second_moment[last] > 1.1 * apart.second_moment[last]
    assert "copy of layers.0" in alike.predicted.reasons[alike.index("layers.3.linear1")]
    assert apart.predicted.reasons[apart.index("layers.3.linear1")] == ""
    assert any(truth.equal_to for truth in alike.weights)
    assert not any(truth.equal_to for truth in apart.weights)
    assert alike.cosine_of_positions[last] > alike.cosine_of_positions[alike.index("layers.0 sum 1")]
