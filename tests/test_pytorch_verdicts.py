"""What is said of PyTorch's models, and that the change it names mends them, by a second audit."""

import json
import math
import re
import subprocess
import sys
import warnings
from itertools import pairwise

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from varprop import theory  # noqa: E402
from varprop.pytorch import audit  # noqa: E402

nn = torch.nn


@pytest.fixture(autouse=True)
def _one_thread_and_a_seed(one_torch_thread):
    torch.seed()


def kinds(found):
    return [finding.kind for finding in found.findings]


def multilayer(first=None, others=None):
    """Return a factory of 784-512*4-10 with GELU and dropout; weights normal with n Var(w) as given, no biases."""

    def make():
        sizes, layers = [784, 512, 512, 512, 512, 10], []
        for i, (n, m) in enumerate(pairwise(sizes)):
            layer = nn.Linear(n, m)
            if first is not None:
                nn.init.normal_(layer.weight, std=math.sqrt((others if i else first) / n))
                nn.init.zeros_(layer.bias)
            layers += [layer] if i == 4 else [layer, nn.GELU(), nn.Dropout(0.1)]
        return nn.Sequential(*layers)

    return make


def test_the_defaults_of_linear_under_gelu_and_dropout_and_their_mend():
    x = torch.randn(64, 784)
    before = audit(multilayer(), x, networks=5)
    assert kinds(before) == ["signal vanishes", "gradient vanishes"]
    linear = before.second_moment.values[::3]
    assert linear == pytest.approx([0.338, 0.0445, 0.0052, 0.0011, 0.0007], rel=0.25)
    assert all(truth.rule == "nn.Linear's default, uniform 1/(3n): a sixth of He's" for truth in before.weights[::2])
    figures = before.findings[0].figures
    assert figures["keep"] == pytest.approx(0.9, abs=0.011)
    assert figures["gain_squared"] == pytest.approx(2 * 1.1759 * 0.9, rel=0.02)
    assert figures["std_factor"] == pytest.approx(math.sqrt(3 * figures["gain_squared"]), rel=0.02)
    after = audit(multilayer(1.0, figures["gain_squared"]), x, networks=5)
    assert after.healthy, str(after)
    assert after.second_moment.values[::3] == pytest.approx(1.0, rel=0.3)


class Functional(nn.Module):
    """Linears with a function of torch between them."""

    def __init__(self, phi):
        super().__init__()
        self.phi, self.linears = phi, nn.ModuleList(nn.Linear(64, 64) for _ in range(6))

    def forward(self, x):
        for linear in self.linears[:-1]:
            x = self.phi(linear(x))
        return self.linears[-1](x)


FUNCTIONS = {
    "relu": torch.relu,
    "tanh": lambda z: z.tanh_(),
    "gelu": lambda z: nn.functional.gelu(z).reshape(z.shape),
    "leaky_relu(0.2)": lambda z: nn.functional.leaky_relu(z, negative_slope=0.2),
}
UNKNOWN = {
    "silu by hand": lambda z: z * torch.sigmoid(z),
    "dropped": lambda z: nn.functional.dropout(torch.relu(z), 0.1),
    "softplus by hand": lambda z: torch.log1p(torch.exp(z)),
    "another elu": lambda z: nn.functional.elu(z, 0.7),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_an_activation_that_is_a_function_is_known(name):
    found = audit(lambda: Functional(FUNCTIONS[name]), torch.randn(16, 64), networks=2)
    assert found.activations == ((name,),) * 5 + ((),)
    assert f"theory's for {name}" in found.findings[0].mend
    assert found.findings[0].figures["gain_squared"] == pytest.approx(theory.gain(name) ** 2)


@pytest.mark.parametrize("name", UNKNOWN)
def test_one_that_is_written_out_is_not_taken_for_what_is_in_it(name):
    found = audit(lambda: Functional(UNKNOWN[name]), torch.randn(16, 64), networks=2)
    assert all("Which activation lies between is not known" in finding.mend for finding in found.findings[:1])


def test_slopes_of_modules_count():
    layers = [module for _ in range(5) for module in (nn.Linear, nn.LeakyReLU)] + [nn.Linear]

    def make():
        return nn.Sequential(*(nn.Linear(64, 64) if layer is nn.Linear else layer(0.5) for layer in layers))

    finding, *_ = audit(make, torch.randn(16, 64), networks=2).findings
    assert finding.figures["gain_squared"] == pytest.approx(2 / 1.25)


class Normed(nn.Module):
    """Small embeddings, then blocks that add to them, with norms before the branches or behind the sums."""

    def __init__(self, before):
        super().__init__()
        self.before = before
        self.scale, self.first = nn.Linear(16, 64), nn.LayerNorm(64)
        nn.init.normal_(self.scale.weight, std=0.05)
        nn.init.zeros_(self.scale.bias)
        self.norms = nn.ModuleList(nn.LayerNorm(64) for _ in range(6))
        self.branches = nn.ModuleList(nn.Sequential(nn.Linear(64, 64), nn.Dropout(0.1)) for _ in range(6))

    def forward(self, x):
        y = self.scale(x)
        y = y if self.before else self.first(y + torch.tanh(self.scale(x)))
        for norm, branch in zip(self.norms, self.branches, strict=True):
            y = y + branch(norm(y)) if self.before else norm(y + branch(y))
        return y


def test_streams_end_where_a_norm_is_behind_their_sum():
    x = torch.randn(32, 16)
    after = audit(lambda: Normed(before=False), x, networks=4)
    assert not any(after.continues)
    assert after.healthy, str(after)
    before = audit(lambda: Normed(before=True), x, networks=4)
    sums = [name for name in before.names if "sum" in name]
    assert [name for name in before.continues if name] == sums[:-1]
    assert "signal explodes" in kinds(before)


def encoder(own=False):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        model = nn.TransformerEncoder(nn.TransformerEncoderLayer(64, 4, 128, norm_first=True, batch_first=True), 6)
    if own:
        for layer in model.layers:
            for weight in layer.parameters():
                if weight.ndim > 1:
                    nn.init.xavier_uniform_(weight)
    return model


def test_an_encoders_copies_are_found_and_gone_once_each_layer_is_drawn():
    x = torch.randn(16, 8, 64)
    copied = audit(encoder, x, networks=5)
    assert "copies" in kinds(copied)
    sentence = copied.findings[kinds(copied).index("copies")].sentence
    assert "6 in all" in sentence
    assert "copies" not in kinds(audit(lambda: encoder(own=True), x, networks=5))


class Block(nn.Module):
    def __init__(self, channels=8):
        super().__init__()
        self.first, self.second = (nn.Conv2d(channels, channels, 3, padding=1, bias=False) for _ in range(2))
        self.norms = nn.ModuleList([nn.BatchNorm2d(channels) for _ in range(2)])

    def forward(self, x):
        return torch.relu(x + self.norms[1](self.second(torch.relu(self.norms[0](self.first(x))))))


def test_a_resnets_norms_hide_that_its_weights_are_a_sixth_of_hes():
    def make():
        return nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), *[Block() for _ in range(3)], nn.Flatten())

    found = audit(make, torch.randn(16, 3, 10, 10), networks=5)
    assert found.healthy, str(found)
    assert "with a norm right behind" in str(found)


class Stream(nn.Module):
    """A pre-norm residual stream, whose branches' last weights have this std times 1/sqrt(n)."""

    def __init__(self, std):
        super().__init__()
        self.norms = nn.ModuleList([nn.LayerNorm(64) for _ in range(12)])
        self.branches = nn.ModuleList([nn.Linear(64, 64) for _ in range(12)])
        for branch in self.branches:
            nn.init.normal_(branch.weight, std=std / 8)
            nn.init.zeros_(branch.bias)

    def forward(self, x):
        for norm, branch in zip(self.norms, self.branches, strict=True):
            x = x + branch(norm(x))
        return x


def test_a_stream_that_grows_is_mended_by_smaller_branches():
    x = torch.randn(32, 64)
    before = audit(lambda: Stream(1.5), x, networks=10)
    assert kinds(before) == ["signal explodes"]
    figures = before.findings[0].figures
    assert figures["total"] == pytest.approx(1 + 12 * 2.25, rel=0.2)
    assert figures["std_factor"] == pytest.approx(1 / math.sqrt(12))
    after = audit(lambda: Stream(1.5 * figures["std_factor"]), x, networks=10)
    assert after.healthy
    (signal, _) = after.judged.fates
    assert signal.total == pytest.approx(figures["expected"], rel=0.2)


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell, self.out = nn.LSTMCell(16, 32), nn.Linear(32, 4)

    def forward(self, x):
        h = c = x.new_zeros(len(x), 32)
        for t in range(x.shape[1]):
            h, c = self.cell(x[:, t], (h, c))
        return self.out(h)


def test_a_recurrent_cells_gradient_dies_out_going_back():
    found = audit(Recurrent, torch.randn(16, 15, 16), networks=5)
    assert kinds(found) == ["gradient vanishes"]
    assert 0.2 < found.findings[0].figures["factor"] < 0.6
    assert "a call going back" in found.findings[0].sentence
    assert np.isnan(found.predicted.z[:15]).all()


def test_tanh_with_pytorchs_gain_is_healthy():
    def make():
        model = nn.Sequential(nn.Linear(64, 128), nn.Tanh(), nn.Linear(128, 128), nn.Tanh(), nn.Linear(128, 10))
        for layer in model[::2]:
            nn.init.xavier_normal_(layer.weight, gain=5 / 3)
        return model

    found = audit(make, torch.randn(64, 64), networks=10)
    assert found.healthy
    assert all("tanh's gain of 5/3" in truth.rule for truth in found.weights if truth.kind == "weight")


MODELS = """
import torch
from torch import nn

def deep():
    return nn.Sequential(*[layer for _ in range(8) for layer in (nn.Linear(32, 32), nn.ReLU())])

def kept():
    model = deep()
    for layer in model[::2]:
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        nn.init.zeros_(layer.bias)
    return model

number = 3
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "models_of_this_test.py").write_text(MODELS)
    np.save(tmp_path / "batch.npy", np.random.default_rng(1).normal(size=(32, 32)))
    torch.save(torch.randn(32, 32), tmp_path / "batch.pt")
    (tmp_path / "broken_model.py").write_text("1 / 0")
    np.save(tmp_path / "objects.npy", np.array([{}]), allow_pickle=True)
    torch.save(nn.Linear(2, 2), tmp_path / "module.pt")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return tmp_path


def run(*words):
    from varprop.cli import main

    sys.argv = ["varprop", "audit", *map(str, words)]
    with pytest.raises(SystemExit) as end:
        main()
    return end.value.code or 0


def test_the_command_line_exits_with_0_or_4(folder, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", [])
    drawn = ("--plot", "a.svg", "--report", "a.html")
    assert run("models_of_this_test:deep", "--inputs", "batch.npy", "-n", "5", *drawn) == 4
    out = capsys.readouterr().out
    report = (folder / "a.html").read_text(encoding="utf-8")
    assert "signal vanishes" in out
    assert "varprop audit models_of_this_test:deep --inputs batch.npy -n 5 --plot a.svg --report a.html" in report
    assert " n Var(W) E[x²] + E[b²]" in report
    assert "signal vanishes" in out
    assert "Mend: " in out
    assert (folder / "a.svg").read_text().startswith("<?xml")
    assert run("models_of_this_test:kept", "--inputs", "batch.pt", "-n", "5", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["healthy"], found["networks"], found["findings"]) == (True, 5, [])
    assert run("models_of_this_test:kept", "--inputs", "batch.pt", "-n", "5", "--modules", "0", "--modules", "2*") == 0
    assert capsys.readouterr().out.count("Linear ") == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("models_of_this_test", "--inputs", "batch.npy"), "give package.module:factory, such as"),
        (("models_of_this_test:depe", "--inputs", "batch.npy"), "has no 'depe'; it has deep, kept"),
        (("models_of_this_test:number", "--inputs", "batch.npy"), "model is 3"),
        (("no_model_here:deep", "--inputs", "batch.npy"), "no module 'no_model_here'"),
        (("broken_model:deep", "--inputs", "batch.npy"), "broken_model cannot be imported: ZeroDivisionError"),
        (("models_of_this_test:deep", "--inputs", "none.npy"), "cannot read none.npy"),
        (("models_of_this_test:deep", "--inputs", "none.pt"), "cannot read none.pt"),
        (("models_of_this_test:deep", "--inputs", "objects.npy"), "objects.npy holds no plain array"),
        (("models_of_this_test:deep", "--inputs", "module.pt"), "other pickles are not loaded"),
        (("models_of_this_test:deep", "--inputs", "batch.npy", "--plot", "a.gif"), "--plot is 'a.gif'"),
        (("models_of_this_test:deep", "--inputs", "batch.npy", "--report", "no/a.html"), "there is no folder no."),
        (("models_of_this_test:deep", "--inputs", "batch.npy", "-n", "0"), "networks is 0"),
    ],
)
def test_bad_input_is_one_line_and_status_2(folder, capsys, monkeypatch, words, said):
    monkeypatch.setattr(sys, "argv", [])
    assert run(*words) == 2
    error = capsys.readouterr().err.strip()
    assert said in error
    assert "\n" not in error


def test_without_pytorch_one_line_says_how_to_install_it(folder):
    code = (
        "import sys\nsys.modules['torch'] = None\nfrom varprop.cli import main\n"
        "sys.argv = ['varprop', 'audit', 'models_of_this_test:deep', '--inputs', 'batch.npy']\nmain()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "varprop: an audit needs PyTorch, which is not here: pip install 'varprop[pytorch]'.\n"


def test_the_help_says_that_code_is_run(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", [])
    assert run("--help") == 0
    out = " ".join(re.sub("[│╭╮╰╯─]", " ", capsys.readouterr().out).split())
    assert "runs its code" in out
    assert "No pickles are loaded" in out


def test_gpt2s_stream_grows_tenfold_and_is_mended_by_smaller_ends():
    transformers = pytest.importorskip("transformers")
    config = transformers.GPT2Config(n_embd=256, n_layer=8, n_head=4, vocab_size=500, bos_token_id=0, eos_token_id=0)

    def make(factor=1.0):
        model = transformers.GPT2LMHeadModel(config)
        with torch.no_grad():
            for name, weight in model.named_parameters():
                if name.endswith("c_proj.weight"):
                    weight *= factor
        return model

    tokens = torch.randint(0, 500, (8, 16))
    before = audit(make, tokens, networks=3)
    found = before.findings[kinds(before).index("signal explodes")]
    assert found.figures["total"] == pytest.approx(10.6, rel=0.1)
    assert "over 16 residual sums" in found.sentence
    rules = {truth.name: truth.rule for truth in before.weights}
    assert rules["transformer.h.0.mlp.c_fc.weight"] == "std 0.02 whatever the width: 0.10/n at 256"
    assert "(0.02/√16, as ends of 16 residual branches have)" in rules["transformer.h.0.mlp.c_proj.weight"]
    after = audit(lambda: make(found.figures["std_factor"]), tokens, networks=3)
    assert "signal explodes" not in kinds(after)
    signal = next(fate for fate in after.judged.fates if fate.of == "signal")
    assert signal.total == pytest.approx(found.figures["expected"], rel=0.1)
