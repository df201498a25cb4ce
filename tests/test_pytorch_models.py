"""Models as people have them: what an audit must find, and what plain PyTorch without varprop's hooks finds."""

import math
from itertools import pairwise

import numpy as np
import pytest
from evidence import assert_agree, fresh_seed

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

from varprop.pytorch import audit  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_torch_thread")

WIDTHS = [784] + [512] * 5 + [10]


def mlp(variance=None):
    """Six layers of nn.Linear's defaults, GELU, dropout; or of Var(w) = ``variance`` / n, the first 1 / n, no bias."""
    layers = []
    for fan_in, fan_out in pairwise(WIDTHS):
        layer = nn.Linear(fan_in, fan_out)
        if variance is not None:
            nn.init.normal_(layer.weight, std=math.sqrt((variance if layers else 1.0) / fan_in))
            nn.init.zeros_(layer.bias)
        layers += [layer, nn.GELU(), nn.Dropout(0.1)]
    return nn.Sequential(*layers[:-2])


def by_hand(make, x, networks):
    """Return E[z^2] and E[delta^2] of the Linear layers, shape (networks, layers), by autograd alone."""
    squares, gradients = [], []
    for _ in range(networks):
        model, kept, a = make(), [], x
        for module in model:
            a = module(a)
            if isinstance(module, nn.Linear):
                a.retain_grad()
                kept.append(a)
        a.backward(torch.randn(a.shape))
        squares.append([float(z.detach().square().mean()) for z in kept])
        gradients.append([float(z.grad.square().mean()) for z in kept])
    return np.array(squares), np.array(gradients)


def linear_places(found):
    return [l for l, kind in enumerate(found.kinds) if kind == "Linear"]


def test_an_mlp_of_defaults_loses_signal_and_gradient():
    torch.manual_seed(fresh_seed() >> 1)
    x = torch.randn(64, 784)
    found = audit(mlp, x, networks=12, seed=fresh_seed())
    places = linear_places(found)
    squares, gradients = by_hand(mlp, x, 12)
    for profile, sample in ((found.second_moment, squares), (found.gradient_variance, gradients)):
        error = np.hypot(profile.errors[places], sample.std(axis=0, ddof=1) / math.sqrt(12))
        # relative differences: of some dozen networks the error is a sample's, and Student's t of 22 is forgiven
        assert_agree((profile.values[places] - sample.mean(axis=0)) / (1.6 * error))
    expected = [0.338, 0.0445, 0.0052, 0.0011, 0.00075, 0.00072]
    np.testing.assert_allclose(found.second_moment.values[places[:5]], expected[:5], rtol=0.1)
    np.testing.assert_allclose(found.second_moment.values[places[5]], expected[5], rtol=0.5)  # ten biases
    growth = found.gradient_variance.values[places][:-2] / found.gradient_variance.values[places][1:-1]
    assert ((1 / growth > 6) & (1 / growth < 12)).all()
    np.testing.assert_allclose(found.predicted.network.values[places], expected, rtol=0.1)


def test_its_mend_keeps_the_signal():
    x = torch.randn(64, 784)
    found = audit(lambda: mlp(2 * 1.176 * 0.9), x, networks=10)
    hidden = linear_places(found)[:-1]
    assert ((found.second_moment.values[hidden] > 0.9) & (found.second_moment.values[hidden] < 1.25)).all()
    gradients = found.gradient_variance.values[hidden]
    assert gradients.max() < 2 * gradients.min()


class Stage(nn.Module):
    def __init__(self, channels, stride=1):
        super().__init__()
        old = channels // stride
        self.conv1 = nn.Conv2d(old, channels, 3, stride=stride, padding=1, bias=False)
        self.norm1, self.relu = nn.BatchNorm2d(channels), nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels)
        self.shortcut = nn.Conv2d(old, channels, 1, stride=stride, bias=False) if stride > 1 else nn.Identity()

    def forward(self, x):
        y = self.norm2(self.conv2(self.relu(self.norm1(self.conv1(x)))))
        y += self.shortcut(x)
        return self.relu(y)


def resnet():
    pooled = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10))
    stem = (nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(inplace=True))
    return nn.Sequential(*stem, Stage(16), Stage(32, stride=2), Stage(32), *pooled)


def test_a_small_resnet_hides_a_third_behind_its_norms():
    found = audit(resnet, torch.randn(8, 3, 16, 16), networks=10)
    gains = {truth.name: truth.gain_squared for truth in found.weights if "conv" in truth.name}
    assert len(gains) == 6
    np.testing.assert_allclose(list(gains.values()), 1 / 3, rtol=0.05)
    norms = [l for l, kind in enumerate(found.kinds) if kind == "BatchNorm2d"]
    np.testing.assert_allclose(found.second_moment.values[norms], 1.0, atol=0.01)
    assert [name for name, kind in zip(found.names, found.kinds, strict=True) if kind == "sum"] == [
        "3 sum 1",
        "4 sum 1",
        "5 sum 1",
    ]
    z = found.predicted.z[[l for l, kind in enumerate(found.kinds) if kind == "Conv2d"]]
    assert (np.abs(z) < 6).all()


class Steps(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell = nn.LSTMCell(64, 128)

    def forward(self, x):
        state = None
        for t in range(x.shape[1]):
            state = self.cell(x[:, t], state)
        return state[0]


def test_an_lstm_loses_its_gradient_step_by_step():
    found = audit(Steps, torch.randn(16, 12, 64), networks=8)
    assert found.names == ("cell", *(f"cell:{t}" for t in range(2, 13)))
    back = found.gradient_variance.values[:-2] / found.gradient_variance.values[1:-1]
    assert 0.3 < np.exp(np.log(back).mean()) < 0.45
    assert np.isnan(found.weight_gradient_variance.values).all()
    assert np.isnan(found.predicted.z).all()


class Whole(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm, self.out = nn.LSTM(64, 128, batch_first=True), nn.Linear(128, 4)

    def forward(self, x):
        return self.out(self.lstm(x)[0][:, -1])


def test_the_steps_within_one_call_of_an_lstm():
    x = torch.randn(16, 12, 64)
    found = audit(Whole, x, networks=8)
    assert found.names == ("lstm", "out")
    steps = found.steps["lstm"]
    assert steps.names[0] == "lstm, 0 steps back"
    assert 0.3 < (steps.values[-1] / steps.values[0]) ** (1 / 11) < 0.45
    (fate,) = (fate for fate in found.judged.fates if fate.chain == "time")
    assert 0.3 < fate.factor < 0.45
    assert "gradient vanishes" in found.verdict
    own = []
    for _ in range(8):  # by a cell in a loop, without the package
        cell, state, inputs = nn.LSTMCell(64, 128), None, [row.clone().requires_grad_() for row in x.unbind(1)]
        for row in inputs:
            state = cell(row, state)
        state[0].backward(torch.randn(16, 128))
        own.append([float(row.grad.square().mean()) for row in inputs[::-1]])
    expected, error = np.mean(own, axis=0), np.std(own, axis=0, ddof=1) / math.sqrt(8)
    assert (np.abs(steps.values - expected) < 8 * np.hypot(steps.errors, error)).all()


def test_steps_are_seen_only_where_a_whole_sequence_is_given():
    class Packed(Whole):
        def forward(self, x):
            return self.lstm(nn.utils.rnn.pack_padded_sequence(x, [6, 5, 4], batch_first=True))[0].data

    assert not audit(Packed, torch.randn(3, 6, 64), networks=2).steps
    state = torch.zeros(2, 4, 16)
    found = audit(lambda: nn.GRU(8, 16, bidirectional=True), (torch.randn(6, 4, 8), state), networks=2)
    assert len(found.steps["GRU"].values) == 6


def test_a_tanh_mlp_with_gain_five_thirds():
    def make():
        layers = []
        for fan_in, fan_out in pairwise([64, 128, 128, 128]):
            layers += [nn.Linear(fan_in, fan_out), nn.Tanh()]
            nn.init.normal_(layers[-2].weight, std=nn.init.calculate_gain("tanh") / math.sqrt(fan_in))
            nn.init.zeros_(layers[-2].bias)
        return nn.Sequential(*layers)

    found = audit(make, torch.randn(64, 64), networks=20)
    places = linear_places(found)
    theory = found.predicted.network.values[places]
    np.testing.assert_allclose(found.second_moment.values[places], theory, rtol=0.1)
    np.testing.assert_allclose(theory, [2.78, 1.67, 1.44], rtol=0.1)


def gpt2():
    transformers = pytest.importorskip("transformers")
    config = transformers.GPT2Config(
        n_embd=256, n_layer=8, n_head=4, vocab_size=500, n_positions=64, bos_token_id=0, eos_token_id=0,
        resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0,
    )  # fmt: skip
    return transformers.GPT2Model(config)


def test_gpt2_grows_tenfold_in_eight_blocks():
    found = audit(gpt2, torch.randint(0, 500, (4, 32)), networks=4)
    stream = found.second_moment
    growth = stream[found.index("h.7 sum 2")] / stream[found.index("drop")]
    assert 8 < growth < 13
    rule = next(truth.rule for truth in found.weights if truth.name == "h.0.attn.c_attn.weight")
    assert "std 0.02 whatever the width" in rule
    known = np.isfinite(found.predicted.z)
    assert {kind for kind, there in zip(found.kinds, known, strict=True) if there} == {"Conv1D", "Embedding"}
    assert (np.abs(found.predicted.z[known]) < 8).all()  # Student's t of four networks is taken for normal far out


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet", "vit"])
def test_large_models_of_transformers(name):
    """Ten networks each take some 40 s of one core."""
    transformers = pytest.importorskip("transformers")
    makers = {
        "resnet": lambda: transformers.ResNetModel(transformers.ResNetConfig()),
        "vit": lambda: transformers.ViTModel(transformers.ViTConfig(image_size=64)),
    }
    found = audit(makers[name], torch.randn(8, 3, 64, 64), networks=10)
    sums = [l for l, kind in enumerate(found.kinds) if kind == "sum"]
    assert len(sums) == {"resnet": 16, "vit": 24}[name]
    assert np.isfinite(found.second_moment.values).all()
    known = np.isfinite(found.predicted.z)
    assert known.sum() == {"resnet": 53, "vit": 74}[name]
    if name == "vit":
        assert (np.abs(found.predicted.z[known]) < 6).all()
