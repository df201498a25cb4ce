"""Imported models: theory of the imported network against PyTorch's own forward pass of many fresh models."""

import doctest
import functools
import importlib
import math
import re

import numpy as np
import pytest
from evidence import assert_agree, assert_rejected

from varprop import Network, VarianceScaling, compare, simulate, theory
from varprop.layers import Dense, Dropout, Gate, LayerNorm, Residual, RMSNorm

torch = pytest.importorskip("torch")
nn, F = torch.nn, torch.nn.functional
from varprop.pytorch import UnknownPartError, network  # noqa: E402  only where there is PyTorch
from varprop.pytorch.network import imported  # noqa: E402

N = 128
DEFAULT = VarianceScaling(1 / 3, "fan_in", "uniform")
WIDE = {"bias_variance": 1 / (3 * N)}


@pytest.fixture(autouse=True)
def _one_thread_and_a_seed(one_torch_thread):
    torch.seed()


class Calls(nn.Module):
    """A module whose forward is a function of it and its input."""

    def __init__(self, forward, **modules):
        super().__init__()
        self.function = forward
        for name, module in modules.items():
            setattr(self, name, module)

    def forward(self, x):
        return self.function(self, x)


def linear(law=None, n=N, m=N, bias=True):
    layer = nn.Linear(n, m, bias=bias)
    if law is not None:
        law(layer.weight)
        if bias:
            nn.init.zeros_(layer.bias)
    return layer


def pre_norm(scale=0.7):
    return Calls(
        lambda s, x: x + scale * s.fc2(F.gelu(s.fc1(s.norm(x)))), norm=nn.LayerNorm(N), fc1=linear(), fc2=linear()
    )


def swiglu(phi=F.silu):
    return Calls(
        lambda s, x: s.w2(phi(s.w1(x)) * s.w3(x)),
        w1=linear(bias=False),
        w2=linear(bias=False),
        w3=linear(bias=False),
    )


def chunked(phi=torch.tanh):
    def forward(self, x):
        value, gate = self.w1(x).chunk(2, dim=-1)
        return self.w2(value * phi(gate))

    return Calls(forward, w1=linear(m=2 * N), w2=linear())


def shortcut(factor=1.0):
    def forward(self, x):
        h = self.b(torch.relu(self.a(x)))
        h += factor * self.skip(x)
        return h

    return Calls(forward, a=linear(nn.init.kaiming_normal_), b=linear(nn.init.xavier_uniform_), skip=linear())


def laws(gain=1.0):
    he = lambda w: nn.init.kaiming_normal_(w, nonlinearity="relu")  # noqa: E731
    return nn.Sequential(
        linear(nn.init.orthogonal_),
        nn.ReLU(),
        linear(he),
        nn.ReLU(),
        linear(lambda w: nn.init.trunc_normal_(w, std=0.02 * gain)),
        nn.ReLU(),
        linear(lambda w: nn.init.normal_(w, std=0.1)),
        nn.ReLU(),
        linear(nn.init.xavier_normal_),
    )


def leaky(p=0.3, slope=0.2):
    return nn.Sequential(linear(), nn.LeakyReLU(slope), nn.Dropout(p), linear(), nn.PReLU(), linear())


def by_hand(factor=0.5):
    def forward(self, x):
        z = self.a(F.rms_norm(x, (N,)))
        z = factor * z * (1.0 + torch.tanh(0.7978845608 * (z + 0.044715 * z.pow(3))))
        return self.b(F.dropout(z, 0.25, self.training) / math.sqrt(2))

    return Calls(forward, a=linear(), b=linear(bias=False))


# Norms in front make infinite width's second moments those of any width: |y|^2 is n then.
CASES = {
    "pre-norm": (
        lambda: nn.Sequential(pre_norm(), pre_norm(), nn.LayerNorm(N), linear()),
        lambda: nn.Sequential(pre_norm(2.0), pre_norm(2.0), nn.LayerNorm(N), linear()),
    ),
    "swiglu": (lambda: nn.Sequential(nn.RMSNorm(N), swiglu()), lambda: nn.Sequential(nn.RMSNorm(N), swiglu(F.relu))),
    "chunk": (
        lambda: nn.Sequential(nn.RMSNorm(N), chunked()),
        lambda: nn.Sequential(nn.RMSNorm(N), chunked(torch.relu)),
    ),
    "glu": (
        lambda: nn.Sequential(nn.RMSNorm(N), linear(m=2 * N), nn.GLU(), linear()),
        lambda: nn.Sequential(linear(m=N), nn.Sigmoid(), linear()),
    ),
    "shortcut": (lambda: nn.Sequential(shortcut()), lambda: nn.Sequential(shortcut(1.3))),
    "laws": (laws, lambda: laws(1.2)),
    "leaky": (leaky, lambda: leaky(0.0)),
    "rms": (
        lambda: nn.Sequential(linear(), nn.RMSNorm(N), nn.SELU(), linear()),
        lambda: nn.Sequential(linear(), nn.SELU(), linear()),
    ),
    "by hand": (by_hand, lambda: by_hand(0.7)),
    "tanh gelu": (
        lambda: nn.Sequential(linear(), nn.GELU(approximate="tanh"), linear()),
        lambda: nn.Sequential(linear(), nn.ReLU(), linear()),
    ),
}


def mean_squares(factory, paths, models):
    """Return the mean of z^2 over the units of each module of ``paths``, shape (models, paths), on N(0, I)."""
    found = np.empty((models, len(paths)))
    for i in range(models):
        model, held = factory(), {}
        for name, module in model.named_modules():
            keep = functools.partial(held.__setitem__, name)
            module.register_forward_hook(lambda m, x, y, keep=keep: keep(float(y.square().mean())))
        with torch.no_grad():
            model(torch.randn(1, N))
        found[i] = [held[path] for path in paths]
    return found


@pytest.mark.parametrize("case", CASES)
def test_theory_of_an_imported_model_is_what_pytorch_gives(case):
    right, wrong = CASES[case]
    found = imported(right())
    paths = [path and path.removesuffix(" sum 1") for path in found.paths.values()]  # our modules give their sums
    seen = [i for i, path in enumerate(paths) if path]
    sample = mean_squares(right, [paths[i] for i in seen], 300)
    error = sample.std(axis=0, ddof=1) / math.sqrt(len(sample))
    measured = sample.mean(axis=0)
    assert_agree((measured - theory.forward(found.network).variance.values[seen]) / error)
    other = theory.forward(network(wrong())).variance.values
    if len(other) == len(found.paths):
        assert_rejected((measured - other[seen]) / error)
    else:
        assert_rejected((measured[-1] - other[-1]) / error[-1])


def gradients(factory, paths, models):
    """Return the mean of delta^2 over units behind each module of ``paths``, for a loss of N(0, 1) gradients."""
    found = np.empty((models, len(paths)))
    for i in range(models):
        model, held = factory(), {}
        for path in paths:
            model.get_submodule(path).register_forward_hook(functools.partial(kept_gradient, held, path))
        output = model(torch.randn(1, N))
        output.backward(torch.randn_like(output))
        found[i] = [float(held[path].grad.square().mean()) for path in paths]
    return found


def kept_gradient(held, path, module, inputs, output):
    output.retain_grad()
    held[path] = output


@pytest.mark.parametrize("case", ["tanh gelu", "rms", "leaky", "glu"])
def test_gradients_of_an_imported_model_are_what_pytorch_gives(case):
    right, wrong = CASES[case]
    found = imported(right())
    paths = list(dict.fromkeys(found.paths.values()))
    sample = gradients(right, paths, 100)
    error = sample.std(axis=0, ddof=1) / math.sqrt(len(sample))

    places, values = list(found.paths.values()), theory.backward(found.network).gradient_variance.values
    predicted = [values[[place == path for place in places]].mean() for path in paths]  # of both halves of a gate
    assert_agree((sample.mean(axis=0) - predicted) / error)
    first = theory.backward(network(wrong())).gradient_variance.values[0]
    assert_rejected((sample.mean(axis=0)[0] - first) / error[0])


def test_the_networks_are_as_written_by_hand():
    model = nn.Sequential(
        nn.Flatten(),
        linear(nn.init.xavier_normal_),
        pre_norm(),
        Calls(lambda s, x: F.gelu(s.w1(x)) * s.w3(x), w1=linear(m=64), w3=linear(m=64)),
        nn.RMSNorm(64, eps=1e-3),
        nn.Dropout(0.1),
        nn.Linear(64, 10, bias=False),
    )
    block = Residual(LayerNorm(), Dense(N, DEFAULT, **WIDE), "gelu", Dense(N, DEFAULT, **WIDE), scale=0.7)
    gate = Gate(64, "gelu", DEFAULT, **WIDE)
    layers = [Dense(N, "glorot"), block, gate, RMSNorm(1e-3), Dropout(0.1), Dense(10, DEFAULT)]
    found = network(model)
    assert found.width == N
    # glorot of a square matrix has the variance of lecun, which is looked for first
    assert found == Network.sequential(N, Dense(N, "lecun"), *layers[1:])
    assert network(model.eval()) == Network.sequential(N, Dense(N, "lecun"), *layers[1:4], layers[5])
    assert model[5].p == 0.1
    assert not model.training


def test_everything_of_varprop_holds_for_it():
    found = network(nn.Sequential(linear(), nn.ReLU(), pre_norm()))
    for side in (theory, simulate):
        drawn = {"networks": 2000} if side is simulate else {}
        assert side.backward(found, **drawn).gradient_variance.values.shape == (4,)
    assert compare(simulate.forward(found, networks=2000), theory.forward(found)).agrees
    x = np.random.default_rng(0).standard_normal((3, N))
    for kernel in (theory.gram, theory.nngp, theory.ntk):
        assert str(kernel(found, x))


def test_positions():
    model = nn.Sequential(linear(), nn.ReLU(), linear())
    assert network(model, torch.zeros(5, N)).positions == 1
    assert network(model, torch.zeros(5, 7, N)).positions == 7
    assert network(model, {"input": torch.zeros(5, 4, 3, N)}).positions == (4, 3)
    image = nn.Sequential(nn.Flatten(), nn.Linear(3 * 4 * 4, N), nn.ReLU(), linear())
    assert network(image, torch.zeros(2, 3, 4, 4)).width == 48


EQUAL = {
    "leaky_relu(0.2)": (nn.LeakyReLU(0.2), lambda x: F.leaky_relu(x, 0.2), lambda x: F.leaky_relu_(x, 0.2)),
    "relu": (
        nn.ReLU(inplace=True),
        torch.relu,
        F.relu,
        lambda x: x.relu_(),
        lambda x: x.clamp(min=0),
        lambda x: F.relu(x, inplace=True),
    ),
    "elu": (nn.ELU(), nn.CELU(), F.elu),
    "elu(0.5)": (nn.ELU(0.5), lambda x: F.elu(x, alpha=0.5)),
    "celu(0.5)": (nn.CELU(0.5), lambda x: F.celu(x, 0.5)),
    "selu": (nn.SELU(), F.selu),
    "gelu": (nn.GELU(), F.gelu, lambda x: 0.5 * x * (1 + torch.erf(x / math.sqrt(2.0)))),
    "gelu_tanh": (nn.GELU("tanh"), lambda x: F.gelu(x, approximate="tanh")),
    "silu": (nn.SiLU(), F.silu, lambda x: x * torch.sigmoid(x), lambda x: x.sigmoid().mul(x)),
    "mish": (nn.Mish(), F.mish),
    "softplus": (nn.Softplus(), F.softplus, lambda x: F.softplus(x, 1)),
    "softplus(2)": (nn.Softplus(2), lambda x: F.softplus(x, beta=2)),
    "softsign": (nn.Softsign(), F.softsign),
    "tanh": (nn.Tanh(), torch.tanh, lambda x: x.tanh(), lambda x: torch.tanh_(x)),
    "sigmoid": (nn.Sigmoid(), torch.sigmoid, lambda x: x.sigmoid()),
    "logsigmoid": (nn.LogSigmoid(), F.logsigmoid),
    "tanhshrink": (nn.Tanhshrink(), F.tanhshrink),
    "softshrink(0.3)": (nn.Softshrink(0.3), lambda x: F.softshrink(x, 0.3)),
    "hardtanh": (nn.Hardtanh(), F.hardtanh, lambda x: x.clamp(-1, 1), lambda x: torch.clamp(x, min=-1, max=1)),
    "relu6": (nn.ReLU6(), F.relu6, lambda x: torch.clip(x, 0, 6)),
    "hardsigmoid": (nn.Hardsigmoid(), F.hardsigmoid),
    "hardswish": (nn.Hardswish(), F.hardswish, lambda x: x * F.relu6(x + 3) / 6),
    "sin": (torch.sin, lambda x: x.sin()),
    "cos": (torch.cos,),
    "erf": (torch.erf,),
    "arctan": (torch.atan, lambda x: x.arctan()),
    "leaky_relu(-1)": (torch.abs, abs),
    "leaky_relu(0.25)": (nn.PReLU(), lambda x: F.leaky_relu(x, 0.25)),
    "power(2)": (torch.square, lambda x: x**2, lambda x: x * x),
}


@pytest.mark.parametrize("name", EQUAL)
def test_every_form_of_an_activation_is_that_activation(name):
    z = np.linspace(-7, 7, 141)
    for form in EQUAL[name]:
        phi = form if isinstance(form, nn.Module) else Calls(lambda s, x, form=form: form(x))
        found = network(nn.Sequential(linear(), phi, linear())).layers[0].activation
        assert str(found) == name, form
        with torch.no_grad():
            given = phi(torch.tensor(z).to(next(iter(phi.parameters()), torch.zeros(1)).dtype)).numpy()
        np.testing.assert_allclose(given, found.phi(z), rtol=2e-6, atol=2e-6)
        slope = (found.phi(z + 1e-5) - found.phi(z - 1e-5)) / 2e-5
        smooth = np.all([np.abs(z - kink) > 1e-3 for kink in found.kinks] or [np.ones_like(z, bool)], axis=0)
        np.testing.assert_allclose(found.dphi(z)[smooth], slope[smooth], atol=1e-6)


class Gated(nn.Module):
    def forward(self, x):
        return x if x.sum() > 0 else -x


def twice():
    fc = linear()
    return nn.Sequential(fc, nn.ReLU(), fc)


def tied():
    first, second = linear(), linear()
    second.weight = first.weight
    return nn.Sequential(first, nn.ReLU(), second)


def copied():
    first, second = linear(), linear()
    second.load_state_dict(first.state_dict())
    return nn.Sequential(first, nn.ReLU(), second)


def filled(value, name="weight"):
    layer = linear()
    nn.init.constant_(getattr(layer, name), value)
    return nn.Sequential(layer)


def hooked():
    model = nn.Sequential(linear())
    model[0].register_forward_hook(lambda m, x, y: 2 * y)
    return model


REFUSED = {
    "is an nn.Conv2d; varprop.pytorch.network knows Linear": lambda: nn.Sequential(nn.Conv2d(3, 3, 3), linear()),
    "^1.1 is an nn.LSTM;": lambda: nn.Sequential(linear(), nn.Sequential(nn.ReLU(), nn.LSTM(N, N))),
    "^1: it calls softmax()": lambda: nn.Sequential(linear(), Calls(lambda s, x: F.softmax(x, -1))),
    "^0: it is called twice": twice,
    "^2: it has the weights of 0": tied,
    "^2: it is a copy of the weights of 0": copied,
    "torch.fx cannot trace this Sequential": lambda: nn.Sequential(linear(), Gated()),
    "^0: its weights are all ones": lambda: filled(1.0),
    "^0: its weights are NaN or infinite": lambda: filled(math.nan),
    "^0: its biases have the mean 1": lambda: filled(1.0, "bias"),
    "^0: it has forward hooks": hooked,
    "^1: it is over the last 2 dimensions": lambda: nn.Sequential(linear(), nn.LayerNorm((2, N))),
    "^0: ReLU works in place|works in place on a value": lambda: nn.Sequential(
        Calls(lambda s, x: s.fc(s.relu(x)) + x, relu=nn.ReLU(inplace=True), fc=linear())
    ),
    "a tensor of shape (128,) is not one number": lambda: Calls(
        lambda s, x: s.fc(x) * s.gain, fc=linear(), gain=nn.Parameter(torch.randn(N))
    ),
    "multiplies branches": lambda: Calls(
        lambda s, x: s.a(x) * torch.relu(s.b(s.a2(x))), a=linear(), b=linear(), a2=linear()
    ),
    "drawn from two laws": lambda: Calls(
        lambda s, x: s.a(x) * torch.relu(s.b(x)), a=linear(), b=linear(nn.init.kaiming_normal_)
    ),
    "not joined in pairs": lambda: Calls(
        lambda s, x: (lambda h: s.b(h + s.c(x)) + h)(s.a(x)) + s.d(x) * 0,
        a=linear(),
        b=linear(),
        c=linear(),
        d=linear(),
    ),
    "2 values": lambda: Calls(lambda s, x: torch.cat([s.a(x), x], -1), a=linear()),
    "gives 'tuple'": lambda: Calls(lambda s, x: (s.a(x), x), a=linear()),
    "lazy module": lambda: nn.Sequential(nn.LazyLinear(3)),
    "mean .* where varprop's have mean 0": lambda: nn.Sequential(linear(lambda w: nn.init.uniform_(w, 0, 0.1))),
}


@pytest.mark.parametrize("words", REFUSED)
def test_what_is_not_known_is_refused_by_its_path(words):
    with pytest.raises(UnknownPartError, match=words.replace("(", r"\(").replace(")", r"\)")) as error:
        network(REFUSED[words](), torch.zeros(2, N))
    assert "\n" not in str(error.value)


class DropPath(nn.Module):
    """As timm's: a sample's branch is kept or left out."""

    def __init__(self, drop_prob):
        super().__init__()
        self.drop_prob = drop_prob

    def forward(self, x):
        raise AssertionError("it is read by its name, and never called")


class Conv1D(nn.Module):
    """As in transformers: a Linear, transposed."""

    def __init__(self, nf, nx):
        super().__init__()
        self.nf, self.weight, self.bias = nf, nn.Parameter(0.02 * torch.randn(nx, nf)), nn.Parameter(torch.zeros(nf))

    def forward(self, x):
        return torch.addmm(self.bias, x.view(-1, x.size(-1)), self.weight).view(*x.shape[:-1], self.nf)


def filled_parameter(*shape, value):
    return lambda: nn.Parameter(torch.full(shape, value))


OURS = Dense(N, "torch:linear")
LINEARS = {"a": linear, "b": linear}
# What is written in PyTorch, its modules beside two Linears, and the layers that it is.
FORMS = {
    "rezero": (lambda s, x: x + s.k * s.a(x), {"k": filled_parameter(value=0.0)}, [Residual(OURS, scale=0)]),
    "scale": (lambda s, x: x + s.a(x) * s.k, {"k": filled_parameter(N, value=0.25)}, [Residual(OURS, scale=0.25)]),
    "add": (lambda s, x: torch.add(x, s.a(x), alpha=0.5), {}, [Residual(OURS, scale=0.5)]),
    "add in place": (lambda s, x: s.a(x).add_(x), {}, [Residual(OURS)]),
    "sub": (lambda s, x: 3 * x - s.a(x) / 2, {}, [Residual(OURS, skip=3, scale=-0.5)]),
    "sub of the skip": (lambda s, x: s.a(x) - x, {}, [Residual(OURS, skip=-1)]),
    "neg": (lambda s, x: x + -s.a(x), {}, [Residual(OURS, scale=-1)]),
    "factor": (lambda s, x: s.b(s.a(x) / 3), {}, [OURS, Residual("linear", skip=0, scale=1 / 3), OURS]),
    "drop": (lambda s, x: x + s.d(s.a(x)), {"d": lambda: DropPath(0.2)}, [Residual(OURS, drop=0.2)]),
    "twice x": (lambda s, x: s.a(x + x), {}, [Residual("linear", skip=0, scale=2), OURS]),
    "parallel": (lambda s, x: x + s.a(x) + s.b(x.tanh()), {}, [Residual("tanh", OURS, shortcut=Residual(OURS))]),
    "gate": (lambda s, x: x + s.a(x) * s.b(x).sigmoid(), {}, [Residual(Gate(N, "sigmoid", "torch:linear"))]),
    "phi twice": (lambda s, x: s.f(s.b(s.f(s.a(x)))), {"f": nn.GELU}, [OURS, "gelu", OURS, "gelu"]),
    "conv1d": (lambda s, x: s.c(x), {"c": lambda: Conv1D(64, N)}, [Dense(64, VarianceScaling(4e-4, "none"))]),
    "matmul": (lambda s, x: x @ s.w, {"w": lambda: nn.Parameter(torch.randn(N, 64))}, [Dense(64, "unit")]),
    "linear": (lambda s, x: F.linear(x, s.a.weight, bias=s.a.bias), {}, [OURS]),
    "gain": (
        lambda s, x: s.a(F.layer_norm(x, (N,), s.g, None, 1e-3)),
        {"g": filled_parameter(N, value=2.0)},
        [LayerNorm(1e-3), Residual("linear", skip=0, scale=2), OURS],
    ),
    "rms norm": (lambda s, x: s.a(F.rms_norm(x, (N,))), {}, [RMSNorm(2.0**-23), OURS]),
    "outputs": (lambda s, x: {"logits": s.a(x.view(x.size(0), -1))}, {}, [OURS]),
    "head": (lambda s, x: s.c(x).squeeze(-1), {"c": lambda: linear(m=1)}, [Dense(1, "torch:linear")]),
}


@pytest.mark.parametrize("form", FORMS)
def test_forms(form):
    forward, modules, layers = FORMS[form]
    model = Calls(forward, **{name: make() for name, make in {**LINEARS, **modules}.items()})
    found = network(model, torch.zeros(3, N))
    assert found == Network.sequential(N, *layers)
    if form != "parallel" and form != "phi twice":  # theory has no law of what is not Gaussian
        assert np.isfinite(theory.forward(found).variance.values).all()


class OwnRMSNorm(nn.Module):
    """As Llama's, or with gains less 1, as Gemma's; ``power`` 1 is no norm."""

    def __init__(self, gain, less=0.0, power=2):
        super().__init__()
        self.weight, self.less, self.power, self.eps = nn.Parameter(torch.full((N,), gain)), less, power, 1e-3

    def forward(self, x):
        size = x.abs().pow(self.power).mean(-1, keepdim=True).add(self.eps)
        return (self.weight + self.less) * x * size.pow(-1 / self.power)


def test_norms_of_other_packages_are_known_by_their_numbers():
    wanted = Network.sequential(N, RMSNorm(1e-3), OURS)
    assert network(nn.Sequential(OwnRMSNorm(1.0), linear())) == wanted
    assert network(nn.Sequential(OwnRMSNorm(0.0, less=1.0), linear())) == wanted
    with pytest.raises(UnknownPartError, match=r"^0: a OwnRMSNorm that gives other numbers"):
        network(nn.Sequential(OwnRMSNorm(1.0, power=1), linear()))


def test_activations_in_a_row_are_one():
    found = network(
        Calls(lambda s, x: s.b(F.relu(s.a(x)).square()), **{name: make() for name, make in LINEARS.items()})
    )
    assert [str(layer.activation) for layer in found.layers] == ["relu then power(2)", "linear"]


def test_weights_of_zero_have_the_least_variance():
    last = linear(nn.init.zeros_)
    found = network(nn.Sequential(Calls(lambda s, x: x + s.b(F.gelu(s.a(x))), a=linear(), b=last)))
    np.testing.assert_allclose(theory.forward(found).variance, [1 / 3 + 1 / (3 * N), 0.0, 1.0], atol=1e-90, rtol=1e-9)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of what torch.compile itself imports
def test_what_is_around_a_model_is_taken_off():
    model = nn.Sequential(linear(), nn.ReLU(), linear())
    assert network(torch.compile(model)) == network(nn.DataParallel(model)) == network(model)


def test_bad_arguments():
    with pytest.raises(TypeError, match=r"model is .*Sequential.*give a model that it makes"):
        network(nn.Sequential)
    with pytest.raises(TypeError, match="model is 3; give"):
        network(3)
    with pytest.raises(ValueError, match="without parameters"):
        network(nn.ReLU())
    with pytest.raises(UnknownPartError, match="with no Dense and no Residual"):
        network(nn.LayerNorm(N))
    with pytest.raises(ValueError, match=r"^0 rejects inputs of shape \(2, 7\): "):
        network(nn.Sequential(linear()), torch.zeros(2, 7))
    with pytest.raises(UnknownPartError, match="2 tensors"):
        network(nn.Sequential(linear()), (torch.zeros(2, N), torch.zeros(2, N)))


def test_the_model_stays_as_it_is():
    model = nn.Sequential(linear(), nn.BatchNorm1d(N).eval(), nn.Dropout(0.5), pre_norm())
    del model[1]
    before, state = {k: v.clone() for k, v in model.state_dict().items()}, torch.get_rng_state()
    network(model, torch.zeros(2, N))
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())
    assert torch.equal(state, torch.get_rng_state())
    assert model.training
    assert not list(model._forward_hooks)


def test_paths_tell_where_each_place_is():
    gated = Calls(lambda s, x: s.fc(F.glu(s.both(x))), fc=linear(n=64), both=linear())
    found = imported(nn.Sequential(linear(), pre_norm(), gated))
    assert found.paths == {
        "dense 1": "0",
        "block 1 / dense 1": "1.fc1",
        "block 1 / dense 2": "1.fc2",
        "block 1": "1 sum 1",
        "gate 1": "2.both",
        "value 1": "2.both",
        "dense 2": "2.fc",
    }
    assert list(found.paths) == [place.name for place in found.network.places]


@pytest.mark.parametrize("name", ["network"])
def test_docstrings_print_what_they_show(name):
    module = importlib.import_module(f"varprop.pytorch.{name}")
    (example,) = [test for test in doctest.DocTestFinder().find(module) if test.examples]
    example.globs.clear()
    said = []
    assert doctest.DocTestRunner().run(example, out=said.append).failed == 0, "".join(said)


def test_the_page_prints_what_it_shows():
    from pages import PAGES, numbers_and_words, run_python

    pattern = r"```py\n(import torch\n.*?)```\s*```text\n(.*?)```"
    code, shown = re.search(pattern, PAGES["docs/pytorch.md"], re.DOTALL).groups()
    got, expected = numbers_and_words(run_python(code, "docs/pytorch.md")), numbers_and_words(shown)
    assert got[1] == expected[1]
    assert got[0] == pytest.approx(expected[0], rel=0.05)  # the weights are drawn
