"""Audits of PyTorch models, held against plain hooks and brute force."""

import gc
import math
import random
import weakref

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

from varprop.pytorch import audit, given  # noqa: E402


@pytest.fixture(autouse=True)
def _one_thread_and_a_seed(one_torch_thread):
    torch.manual_seed(0)


def small():
    return nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 4))


class Block(nn.Module):
    """A residual block with branches, a dictionary out, a module that is never called and one that is called twice."""

    def __init__(self, width=16):
        super().__init__()
        self.up, self.down, self.idle = nn.Linear(width, width), nn.Linear(width, width), nn.Linear(3, 3)
        self.act = nn.ReLU(inplace=True)
        self.norm = nn.BatchNorm1d(width)

    def forward(self, x, scale=1.0):
        y = self.act(self.up(x))
        y = self.act(self.down(y))
        x = x + scale * y
        return {"out": self.norm(x), "more": (x.sum(), None, torch.arange(3))}


def test_an_audit_is_what_plain_hooks_measure():
    """One network, measured by hand with the same weights, inputs and gradient."""
    model, x = Block(), torch.randn(8, 16)
    own = Block()
    own.load_state_dict(model.state_dict())
    found = audit(model, (x,), networks=1)
    assert found.names == ("up", "act", "down", "act:2", "sum 1", "norm")
    assert found.kinds == ("Linear", "ReLU", "Linear", "ReLU", "sum", "BatchNorm1d")
    assert found.as_given
    z = own.up(x)
    a = z.clamp(min=0)
    z2 = own.down(a)
    a2 = z2.clamp(min=0)
    s = x + a2
    n = own.norm(s)
    values = [value.detach() for value in (z, a, z2, a2, s, n)]
    for i, value in enumerate(values):
        assert found.second_moment[i] == pytest.approx(float(value.square().mean()), rel=1e-5)
        assert found.mean[i] == pytest.approx(float(value.mean()), rel=1e-4, abs=1e-6)
        assert found.zeros[i] == pytest.approx(float((value == 0).float().mean()), abs=1e-6)
        assert found.dead[i] == pytest.approx(float((value == 0).all(0).float().mean()), abs=1e-6)
        unit = value / value.norm(dim=1, keepdim=True)
        cosines = (unit @ unit.T)[~torch.eye(8, dtype=bool)]
        assert found.cosine_of_inputs[i] == pytest.approx(float(cosines.mean()), rel=1e-4, abs=1e-6)
    assert np.isnan(found.second_moment.errors).all()
    assert found.uncalled == ("idle",)
    assert np.isfinite(found.gradient_variance.values).all()
    assert math.isnan(found.weight_gradient_variance[1])
    assert found.weight_gradient_variance[0] > 0


def test_the_gradient_is_that_of_the_loss():
    model, x = small(), torch.randn(8, 16)
    found = audit(model, x, networks=1, loss=lambda out: out.square().sum() / 2)
    z = model[0](x)
    z.retain_grad()
    a = torch.relu(z)
    a.retain_grad()
    out = model[2](a)
    out.retain_grad()
    (out.square().sum() / 2).backward()
    for i, tensor in enumerate((z, a, out)):
        assert found.gradient_variance[i] == pytest.approx(float(tensor.grad.square().mean()), rel=1e-5)
    assert found.weight_gradient_variance[0] == pytest.approx(float(model[0].weight.grad.square().mean()), rel=1e-5)
    assert found.loss == "own"


def state_of(model):
    return {
        "state": {name: value.clone() for name, value in model.state_dict().items()},
        "grads": {name: None if p.grad is None else p.grad.clone() for name, p in model.named_parameters()},
        "modes": [module.training for module in model.modules()],
        "needs": [p.requires_grad for p in model.parameters()],
        "hooks": [(len(m._forward_hooks), len(m._forward_pre_hooks)) for m in model.modules()],
        "random": (torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()),  # noqa: NPY002
    }


def assert_same(before, after):
    for name, value in before["state"].items():
        assert torch.equal(value, after["state"][name]), name
    for name, value in before["grads"].items():
        now = after["grads"][name]
        assert (value is None) == (now is None)
        assert value is None or torch.equal(value, now), name
    for name in ("modes", "needs", "hooks"):
        assert before[name] == after[name], name
    assert torch.equal(before["random"][0], after["random"][0])
    assert (before["random"][1] == after["random"][1]).all()
    assert before["random"][2] == after["random"][2]


class Fails(nn.Module):
    def __init__(self, where):
        super().__init__()
        self.body, self.where = nn.Sequential(nn.Linear(16, 16), nn.BatchNorm1d(16)), where
        self.body[0].bias.requires_grad_(False)
        self.body[1].eval()

    def forward(self, x):
        x = self.body(x)
        if self.where == "forward":
            raise RuntimeError("no forward")
        if self.where == "backward":
            x.register_hook(lambda gradient: 1 / 0)
        return x


@pytest.mark.parametrize("networks", [1, 3])
@pytest.mark.parametrize("as_factory", [False, True])
@pytest.mark.parametrize("where", ["nowhere", "forward", "backward", "hook", "ctrl-c"])
def test_all_comes_back_as_it_was(where, networks, as_factory):
    model = Fails(where)
    if where == "hook":
        model.body[1].register_forward_hook(lambda *_: 1 / 0)
    if where == "ctrl-c":

        def stop(*_):
            raise KeyboardInterrupt

        model.body[1].register_forward_hook(stop)
    else:
        model.body[0].weight.grad = torch.ones(16, 16)
    before = state_of(model)
    given = (lambda: model) if as_factory else model
    error = {"nowhere": None, "ctrl-c": KeyboardInterrupt}.get(where, ValueError)
    if as_factory and networks > 1 and error is None:
        error = ValueError  # the same weights every time
    if error is None:
        audit(given, torch.randn(8, 16, generator=torch.Generator().manual_seed(1)), networks=networks)
    else:
        with pytest.raises(error):
            audit(given, torch.ones(8, 16).cumsum(0), networks=networks)
    assert_same(before, state_of(model))


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_an_audit_works_without_gradients_around_it(mode):
    with mode():
        found = audit(small, torch.randn(8, 16), networks=2)
        assert not torch.is_grad_enabled()
    assert np.isfinite(found.gradient_variance.values).all()


def test_equal_seeds_draw_equal_networks_and_fewer_are_the_first():
    x = torch.randn(8, 16)
    singles = audit(small, x, networks=2, seed=7)
    again = audit(small, x, networks=2, seed=7)
    np.testing.assert_array_equal(singles.gradient_variance.values, again.gradient_variance.values)
    one, three = audit(small, x, networks=1, seed=7), audit(small, x, networks=3, seed=7)
    other = audit(small, x, networks=3, seed=8)
    assert (three.second_moment.values != other.second_moment.values).all()
    spread = 2 * singles.second_moment[0] - one.second_moment[0]  # the second network's
    assert singles.second_moment.errors[0] == pytest.approx(abs(spread - one.second_moment[0]) / 2)


def test_a_model_is_reset_and_says_what_it_keeps():
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale, self.body = nn.Parameter(torch.full((16,), 0.5)), small()

        def forward(self, x):
            return self.body(x * self.scale)

    model = Own()
    found = audit(model, torch.randn(8, 16), networks=4)
    assert found.kept == ("scale",)
    assert not found.as_given
    assert (found.second_moment.errors > 0).all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda m: nn.init.normal_(m[0].weight, std=0.02), "0.weight of Sequential is not what its module's reset"),
        (lambda m: nn.init.zeros_(m[0].bias), "0.bias of Sequential"),
        (lambda m: nn.init.zeros_(m[2].bias), "it is 0 throughout"),
        (lambda m: nn.init.normal_(m[2].weight, std=1 / math.sqrt(3 * 512)), "its kurtosis is"),
        (lambda m: m[1].weight.data.add_(1e-3), "a reset makes it 1 throughout"),
    ],
)
def test_a_model_whose_weights_are_not_its_resets_is_refused(change, words):
    model = nn.Sequential(nn.Linear(16, 512), nn.LayerNorm(512), nn.Linear(512, 4))
    audit(model, torch.randn(8, 16), networks=2)
    change(model)
    with pytest.raises(ValueError, match=words) as caught:
        audit(model, torch.randn(8, 16), networks=2)
    assert "give a factory" in str(caught.value)
    assert "networks=1" in str(caught.value)
    assert audit(model, torch.randn(8, 16), networks=1).as_given


def test_parametrized_and_lazy_modules_draw_again():
    from torch.nn.utils import parametrizations

    model = nn.Sequential(
        parametrizations.weight_norm(nn.Linear(16, 32)), nn.ReLU(), parametrizations.orthogonal(nn.Linear(32, 32))
    )
    found = audit(model, torch.randn(8, 16), networks=3)
    assert found.kept == ()
    assert (found.second_moment.errors > 0).all()
    lazy = nn.Sequential(nn.LazyLinear(32), nn.ReLU(), nn.LazyLinear(4))
    assert audit(lazy, torch.randn(8, 16), networks=3).networks == 3
    assert torch.nn.parameter.is_lazy(lazy[0].weight)


def test_inputs_of_an_unusual_size_are_said():
    """As pixels from 0 to 255 are, which a model may well be fed by mistake."""
    pixels = torch.arange(8.0 * 16).reshape(8, 16)
    (note,) = audit(small, pixels, networks=2).notes
    assert note.startswith(f"Inputs have E[x²] = {pixels.square().mean():.3g} and mean 63.5, where rules")
    mask = torch.full((8, 16), -torch.inf)
    assert not audit(lambda: Masked(small()), (torch.randn(8, 16), mask), networks=2).notes


class Masked(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x, mask):
        return self.model(x)


def bad(text, error=ValueError):
    return pytest.raises(error, match=text)


def test_bad_input_is_one_clear_error():
    x = torch.randn(8, 16)
    with bad("the factory .* returns 3; it must return a torch.nn.Module", TypeError):
        audit(lambda: 3, x)
    with bad("the factory Linear fails: TypeError"):
        audit(nn.Linear, x)
    with bad("model is 7", TypeError):
        audit(7, x)
    with bad("Sequential raises an error in the module 0, given these inputs: RuntimeError: mat1 and mat2"):
        audit(small(), torch.randn(8, 3))
    with bad(r"the same dtype.*; inputs are torch.uint8, which only embeddings take: else give floats\.$"):
        audit(small(), torch.ones(8, 16, dtype=torch.uint8))
    with bad("ReLU has no parameters"):
        audit(nn.ReLU(), x)
    with bad("no parameter of Sequential requires a gradient"):
        audit(small().requires_grad_(False), x)

    class Detached(nn.Sequential):
        def forward(self, x):
            return super().forward(x).detach()

    with bad("nothing that Detached returns requires a gradient"):
        audit(Detached(nn.Linear(16, 4)), x)
    with bad("gives the same weights every time"):
        audit(lambda: torch.manual_seed(0) and small(), x)
    with bad("inputs hold NaN"):
        audit(small, x / 0 * 0)
    with bad("inputs hold an empty array"):
        audit(small, x[:0])
    with bad("inputs is None", TypeError):
        audit(small, None)
    with bad("networks is 0"):
        audit(small, x, networks=0)
    with bad("seed is -1"):
        audit(small, x, seed=-1)
    with bad("loss is 'mse'", TypeError):
        audit(small, x, loss="mse")
    with bad("loss returns", TypeError):
        audit(small, x, loss=lambda out: out)
    with bad(r"modules is \['nothing.*'\], which fits no module"):
        audit(small, x, modules=["nothing.*"])
    with bad("meta device"):
        audit(small().to("meta"), x)


def test_what_is_not_finite_is_named():
    class Divides(nn.Module):
        def forward(self, x):
            return x / (x - x)

    found = audit(lambda: nn.Sequential(nn.Linear(16, 8), Divides(), nn.Linear(8, 2)), torch.randn(4, 16), networks=2)
    assert found.first_nonfinite == "1"
    assert found.nonfinite[1] == 1


def test_out_of_memory_keeps_what_is_done():
    made = []

    def make():
        made.append(1)
        if len(made) == 4:
            raise torch.OutOfMemoryError("out of memory")
        return small()

    found = audit(make, torch.randn(8, 16), networks=6)
    assert found.networks == 3
    assert found.notes == ("out of memory in network 4 of 6; the 3 before it are kept.",)
    made += [1] * -len(made)
    with bad("out of memory in network 1 of 6"):
        made.clear()
        made += [1, 1, 1]
        audit(make, torch.randn(8, 16), networks=6)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_any_dtype(dtype):
    x = torch.randn(16, 16)
    low = audit(lambda: small().to(dtype), x.numpy(), networks=4)
    single = audit(small, x, networks=4)
    np.testing.assert_allclose(low.second_moment.values, single.second_moment.values, rtol=0.05)
    np.testing.assert_allclose(low.gradient_variance.values, single.gradient_variance.values, rtol=0.05)


def test_tuples_dicts_tokens_and_fresh_inputs():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.lstm = nn.Embedding(10, 8), nn.LSTM(8, 8, batch_first=True)

        def forward(self, tokens, *, mask):
            return self.lstm(self.embed(tokens) * mask)

    tokens, mask = torch.randint(10, (4, 5)), torch.ones(4, 5, 1)
    found = audit(Two, {"tokens": tokens, "mask": mask}, networks=3)
    assert found.names == ("embed", "lstm")
    assert np.isfinite(found.gradient_variance.values).all()
    fresh = audit(Two, lambda: {"tokens": torch.randint(10, (4, 5)), "mask": mask}, networks=3)
    assert fresh.second_moment[0] != found.second_moment[0]


def test_a_dict_is_one_argument_where_its_keys_name_none():
    class Batch(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = small()

        def forward(self, batch):
            return {"y": self.body(batch["x"]), "count": 3}

    x = torch.randn(8, 16)
    one, named = audit(Batch, {"x": x}, networks=2), audit(Batch, {"batch": {"x": x}}, networks=2)
    np.testing.assert_array_equal(one.second_moment.values, named.second_moment.values)


def test_patterns_keep_some_places():
    found = audit(small, torch.randn(8, 16), networks=2, modules=["[02]"])
    assert found.names == ("0", "2")
    assert audit(small, torch.randn(8, 16), networks=2, modules="1").names == ("1",)


def test_frozen_parameters_pass_signals_and_have_no_weight_gradient():
    def make():
        model = small()
        model[0].requires_grad_(False)
        return model

    found = audit(make, torch.randn(8, 16), networks=2)
    assert np.isnan(found.weight_gradient_variance[0])
    assert found.gradient_variance[0] > 0


def test_a_model_that_is_one_module_has_its_class_for_a_place():
    found = audit(lambda: nn.LSTM(16, 8, batch_first=True), torch.randn(4, 5, 16), networks=2)
    assert found.names == ("LSTM",)
    assert found.gradient_variance[0] > 0
    assert found.weight_gradient_variance[0] > 0
    alone = audit(nn.Linear(16, 8), torch.randn(4, 16), networks=3)
    assert alone.names == ("Linear",)
    assert np.isfinite(alone.predicted.z[0])


def test_memory_does_not_grow_with_networks():
    alive = weakref.WeakSet()

    def make():
        model = small()
        alive.add(model)
        most.append(len(alive))
        return model

    most = []
    gc.collect()
    gc.disable()
    try:
        audit(make, torch.randn(8, 16), networks=6)
    finally:
        gc.enable()
    assert max(most) <= 2


def test_weights_are_told_as_varprop_tells_them():
    found = audit(small, torch.randn(8, 16), networks=20)
    assert [truth.name for truth in found.weights if truth.kind == "weight"] == ["0.weight", "2.weight"]
    assert "nn.Linear's default" in found.weights[0].rule


@pytest.mark.parametrize("reentrant", [False, True])
def test_checkpoints_are_measured_once(reentrant):
    from torch.utils.checkpoint import checkpoint

    class Saves(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.body = nn.Linear(16, 16), small()

        def forward(self, x):
            return checkpoint(self.body, self.first(x), use_reentrant=reentrant)

    found = audit(Saves, torch.randn(8, 16), networks=2)
    assert found.names == ("first", "body.0", "body.1", "body.2")
    assert np.isfinite(found.second_moment.values).all()
    assert np.isfinite(found.gradient_variance.values).sum() == (1 if reentrant else 4)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of torch's own import
def test_compiled_models_are_measured():
    compiled = torch.compile(small())
    assert len(audit(compiled, torch.randn(8, 16), networks=2).names) == 3


def test_small_tensors_are_judged_where_fresh_ones_can_be_many():
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2))
    for _ in range(5):  # fresh ones are taken, whatever they are
        for module in model:
            if isinstance(module, nn.Linear):
                module.reset_parameters()
        audit(model, torch.randn(4, 4), networks=2)
    nn.init.normal_(model[0].weight, std=0.02)
    with bad("0.weight of Sequential is not what"):
        audit(model, torch.randn(4, 4), networks=2)


@pytest.mark.parametrize("law", ["normal", "uniform", "laplace"])
def test_fresh_tensors_pass_and_others_do_not(law):
    """|z| > 5 has odds of some 1e-6; here one in 300 tensors may pass 4.5, and a tenth more variance must pass 5."""
    draws = np.random.default_rng(3)
    draw = getattr(draws, law)
    for n, many in ((4, 600), (32, 70), (500, 4), (5000, 4)):
        worst = [
            max((abs(z) for *_, z in given._scores(draw(size=n), draw(size=n * many))), default=0)
            for _ in range(300 if n < 5000 else 40)
        ]
        assert np.sort(worst)[-2] < 4.5
    assert given.same_law(1.05 * draw(size=50_000), [draw(size=50_000) for _ in range(4)])
