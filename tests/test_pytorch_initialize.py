"""`initialize_`: what models give before and after, measured on fresh draws."""

import doctest
import importlib
import json
import math
from itertools import pairwise

import numpy as np
import pytest
from evidence import assert_agree, assert_rejected

torch = pytest.importorskip("torch")
nn, F = torch.nn, torch.nn.functional
from varprop.pytorch import initialize_  # noqa: E402  only where there is PyTorch


@pytest.fixture(autouse=True)
def _one_thread_and_a_seed(one_torch_thread):
    torch.seed()


def mlp():
    """The issue's: 784-512x4-10, GELU, dropout 0.1."""
    widths, layers = [784, 512, 512, 512, 512, 10], []
    for fan_in, fan_out in pairwise(widths):
        layers += [nn.Linear(fan_in, fan_out), nn.GELU(), nn.Dropout(0.1)]
    return nn.Sequential(*layers[:-2])


class Block(nn.Module):
    def __init__(self, width, norm=nn.LayerNorm):
        super().__init__()
        self.norm, self.drop = norm(width), nn.Dropout(0.1)
        self.up, self.down = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, x):
        return x + self.drop(self.down(F.silu(self.up(self.norm(x)))))


class Swiglu(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.w1, self.w2, self.w3 = (nn.Linear(width, width, bias=False) for _ in range(3))

    def forward(self, x):
        return self.w2(F.silu(self.w1(x)) * self.w3(x))


class Convolutional(nn.Module):
    """A residual block of convolutions; its branch ends in one."""

    def __init__(self, channels):
        super().__init__()
        self.first, self.norm = nn.Conv2d(channels, channels, 3, padding=1), nn.BatchNorm2d(channels)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x):
        return x + self.second(F.relu(self.norm(self.first(x))))


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.cells, self.head = nn.LSTM(16, 32, batch_first=True), nn.Linear(32, 3)

    def forward(self, x):
        return self.head(self.cells(x)[0][:, -1])


def second_moments(model, x, kinds=(nn.Linear, nn.Conv2d)):
    """Return E[z^2] of every module of these kinds, in the order of calls."""
    found = []
    handles = [
        module.register_forward_hook(lambda m, inputs, z: found.append(float(z.square().mean())))
        for module in model.modules()
        if isinstance(module, kinds)
    ]
    with torch.no_grad():
        model(x)
    for handle in handles:
        handle.remove()
    return found


def sampled(make, x, networks, **how):
    """Return E[z^2] before and after, each (networks, modules), of fresh models."""
    before, after = [], []
    for _ in range(networks):
        model = make()
        before.append(second_moments(model, x(), **how))
        initialize_(model)
        after.append(second_moments(model, x(), **how))
    return np.array(before), np.array(after)


def z_scores(sample, expected):
    return (sample.mean(axis=0) - expected) / (sample.std(axis=0, ddof=1) / math.sqrt(len(sample)))


def test_the_mlp_of_the_issue_keeps_its_variance():
    before, after = sampled(mlp, lambda: torch.randn(4, 784), 40)
    np.testing.assert_allclose(before.mean(axis=0), [0.338, 0.0445, 0.0052, 0.0011, 0.00075], rtol=0.35)
    assert_agree(z_scores(after, 1.0))
    assert_rejected(z_scores(before, 1.0))


def test_its_weights_are_those_of_the_mend():
    record = initialize_(mlp())
    scaled = [c.after * c.fan_in for c in record.changes if c.fan_in]
    assert scaled == pytest.approx([1.0] + [2 * 1.176 * 0.9] * 4, rel=1e-3)
    text = str(record)
    assert "weights drawn by theory" in text
    assert "E[z²] = 1 from E[x²] = 0.4725" in text
    assert "0.bias" not in text
    assert "Biases and shifts are 0" in text
    evaluated = initialize_(mlp().eval())
    assert [c.after * c.fan_in for c in evaluated.changes if c.fan_in][1:] == pytest.approx([2 * 1.176] * 4, rel=1e-3)


def test_a_pre_norm_stream_doubles():
    make = lambda: nn.Sequential(nn.Linear(64, 64), *[Block(64) for _ in range(4)], nn.Linear(64, 64))  # noqa: E731
    _, after = sampled(make, lambda: torch.randn(8, 64), 100, kinds=(nn.Linear, Block))
    wanted = [1.0]
    for i in range(4):
        wanted += [1.0, 0.25 * 0.9, 1.25 + 0.25 * i]
    assert_agree(z_scores(after, [*wanted, 1.0]))
    assert_rejected(z_scores(after, 1.0))


def test_gates_and_leaky_slopes():
    def make():
        first = nn.Linear(64, 128), nn.LeakyReLU(0.3), nn.Linear(128, 128)
        return nn.Sequential(*first, nn.RMSNorm(128), Swiglu(128))

    before, after = sampled(make, lambda: torch.randn(8, 64), 100)
    assert_agree(z_scores(after, 1.0))
    assert_rejected(z_scores(before, 1.0))


def test_inputs_of_another_size_count():
    model = nn.Sequential(nn.Flatten(), nn.Linear(48, 64), nn.ReLU(), nn.Linear(64, 64))
    x = 5 * torch.randn(100, 3, 4, 4)
    changes = {c.name: c for c in initialize_(model, x).changes}
    assert changes["1.weight"].after * 48 == pytest.approx(1 / float(x[::2].square().mean()), rel=0.1)
    assert changes["3.weight"].after * 64 == pytest.approx(2.0)


def test_what_is_kept_of_a_model():
    def make():
        torch.manual_seed(1)
        model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4)).to(torch.bfloat16)
        model[0].weight.requires_grad_(False)
        return model

    first, second = make(), make()
    for model in (first, second):
        torch.manual_seed(2)
        initialize_(model)
    for name, p in first.named_parameters():
        assert torch.equal(p, dict(second.named_parameters())[name])
        assert p.dtype == torch.bfloat16
        assert p.requires_grad == (name != "0.weight")
        assert p.grad is None
    assert first.training


def test_what_theory_does_not_know_is_measured():
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3), Convolutional(8), Convolutional(8), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5)
    )
    x = torch.randn(32, 3, 10, 10)
    with pytest.raises(ValueError, match=r"0 is an nn.Conv2d\. Give inputs, a batch"):
        initialize_(model)
    buffers = {name: b.clone() for name, b in model.named_buffers()}
    record = initialize_(model, x)
    assert "weights drawn and measured" in str(record)
    assert "measured: E[z²] = 0.5" in str(record)
    assert all(torch.equal(buffers[name], b) for name, b in model.named_buffers())
    np.testing.assert_allclose(second_moments(model, x), [1, 1, 0.5, 1, 0.5, 1], rtol=1e-4)


def test_recurrent_layers_are_left_and_said():
    model, x = Recurrent(), torch.randn(16, 5, 16)
    before = {name: p.clone() for name, p in model.cells.named_parameters()}
    record = initialize_(model, x)
    assert all(torch.equal(before[name], p) for name, p in model.cells.named_parameters())
    assert "left as it was: nn.LSTM, which gives E[h²] = " in str(record)
    np.testing.assert_allclose(second_moments(model, x), [1], rtol=1e-4)


@pytest.mark.parametrize("mode", [True, False])
def test_attention_is_measured(mode):
    layer = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.0, norm_first=True, batch_first=True)
    model = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False).train(mode)
    x = F.normalize(torch.randn(8, 6, 16), dim=-1) * 4
    record = initialize_(model, x)
    assert "layers.1.self_attn.out_proj.weight" in str(record)
    seen = []
    for layer in model.layers:
        layer.self_attn.register_forward_hook(lambda m, i, z: seen.append(float(z[0].square().mean())))
    found = second_moments(model, x, kinds=(nn.Linear,))
    assert found == pytest.approx([1, 0.25, 1, 0.25], rel=1e-3)
    assert seen == pytest.approx([0.25, 0.25], rel=1e-3)
    assert not torch.equal(model.layers[0].linear1.weight, model.layers[1].linear1.weight)


class Transformer(nn.Module):
    """Embeddings of std 0.02, and a stream that control flow on data keeps torch.fx from tracing."""

    def __init__(self):
        super().__init__()
        self.embedding, self.blocks = nn.Embedding(50, 32), nn.ModuleList([Block(32) for _ in range(4)])
        nn.init.normal_(self.embedding.weight, std=0.02)
        self.head = nn.Linear(32, 50, bias=False)
        self.head.weight = self.embedding.weight

    def forward(self, tokens):
        x = self.embedding(tokens)
        if (tokens < 0).any():
            raise ValueError("a token is negative")
        for block in self.blocks:
            x = block(x)
        return self.head(x)


def test_a_small_stream_stays_small_and_embeddings_are_left():
    model, tokens = Transformer(), torch.randint(0, 50, (64, 10))
    before = model.embedding.weight.clone()
    initialize_(model, tokens)
    assert torch.equal(before, model.embedding.weight)
    found = second_moments(model, tokens, kinds=(nn.Embedding, Block))
    assert found[0] == pytest.approx(4e-4, rel=0.3)
    assert np.array(found) / found[0] == pytest.approx([1, 1.25, 1.5, 1.75, 2.0], rel=0.25)


def test_tables_and_cells_keep_their_biases():
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.position_bias_table, self.first = nn.Parameter(torch.ones(3, 8)), nn.Linear(8, 8)
            self.cell = nn.GRUCell(8, 8)

        def forward(self, x):
            return self.cell(self.first(x) + self.position_bias_table[0])

    model = Own()
    nn.init.ones_(model.cell.bias_ih)
    initialize_(model, torch.randn(16, 8))
    assert bool((model.position_bias_table == 1).all() and (model.cell.bias_ih == 1).all())
    assert not model.first.bias.any()


def test_twice_used_weights_are_measured():
    shared = nn.Linear(8, 8)
    model = nn.Sequential(shared, nn.Tanh(), shared)
    record = initialize_(model, torch.randn(64, 8))
    assert record.measured == "0: it is called twice: theory takes every layer's weights for a draw of their own, " + (
        "and would be wrong here."
    )
    assert next(c.why for c in record.changes).startswith("measured: E[z²] = 1")


def test_a_failure_leaves_the_model_as_it_was():
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU())
    before = {name: p.clone() for name, p in model.named_parameters()}
    for x in (torch.randn(2, 5), torch.full((2, 3, 8, 8), 1e30) * 1e30):
        with pytest.raises(ValueError, match=r"fails on these inputs|NaN|infin"):
            initialize_(model, x)
        assert all(torch.equal(before[name], p) for name, p in model.named_parameters())
    chain = nn.Sequential(nn.Linear(8, 8))
    before = chain[0].weight.clone()
    with pytest.raises(ValueError, match="0 rejects inputs of shape"):
        initialize_(chain, torch.randn(2, 5))
    assert torch.equal(before, chain[0].weight)


def test_bad_arguments():
    with pytest.raises(TypeError, match="give a model that it makes"):
        initialize_(mlp)
    with pytest.raises(ValueError, match="without parameters"):
        initialize_(nn.ReLU())
    with pytest.raises(ValueError, match="hold NaN"):
        initialize_(mlp(), torch.full((2, 784), math.nan))
    with pytest.raises(ValueError, match="on the device meta"):
        initialize_(nn.Linear(3, 3, device="meta"))


def test_docstrings_print_what_they_show():
    module = importlib.import_module("varprop.pytorch.initialize")
    (example,) = [test for test in doctest.DocTestFinder().find(module) if test.examples]
    example.globs.clear()
    said = []
    assert doctest.DocTestRunner().run(example, out=said.append).failed == 0, "".join(said)


def test_what_was_changed_is_data():
    record = initialize_(nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)))
    frame = record.to_dataframe()
    assert frame["name"].tolist() == [change.name for change in record.changes]
    assert frame["after"].tolist() == [change.after for change in record.changes]
    assert json.loads(json.dumps(record.to_dict(), allow_nan=False))["changes"][0]["name"] == record.changes[0].name
