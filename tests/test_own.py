"""A user's own function, at its border: in theory, in simulation, in a pickle, and wrong in every way."""

import copy
import functools
import gc
import math
import os
import pickle
import subprocess
import sys
import weakref

import numba
import numpy as np
import pytest
from evidence import needs_compiler
from numba import njit
from scipy import special

from varprop import Activation, Network, custom_activation, simulate, theory
from varprop.activations import NAMES, activation
from varprop.kernels import GROUP
from varprop.kernels import own as own_kernels
from varprop.kernels.kept import fingerprint
from varprop.own import Own


def silu(z):
    return z / (1 + math.exp(-z))


def swish(z, beta=1.0):
    return z * special.expit(beta * z)


def bent(z):
    return z if z > 0 else 0.1 * z


class Tanh:
    def __call__(self, z):
        return np.tanh(z)


# What numba takes, and what only Python can call, beside the built-in that each of them is.
KINDS = {
    "math": (silu, "silu"),
    "lambda": (lambda z: z / (1 + np.exp(-z)), "silu"),
    "default": (lambda z, a=0.1: max(z, a * z), "leaky_relu(0.1)"),
    "branch": (bent, "leaky_relu(0.1)"),
    "compiled": (njit(lambda z: math.tanh(z)), "tanh"),
    "ufunc": (np.tanh, "tanh"),
    "builtin": (math.tanh, "tanh"),
    "clip": (lambda z: np.clip(z, -1, 1), "hardtanh"),
    "partial": (functools.partial(np.clip, a_min=-1, a_max=1), "hardtanh"),
    "keyword": (functools.partial(swish, beta=1), "silu"),
    "scipy": (special.expit, "sigmoid"),
    "object": (Tanh(), "tanh"),
    "arrays": (lambda z: np.where(z > 0, z, z * 0.1), "leaky_relu(0.1)"),
    "arrays only": (lambda z: np.concatenate([np.tanh(z), z])[: len(z)], "tanh"),
    "vectorized": (np.vectorize(bent), "leaky_relu(0.1)"),
    "in place": (lambda z: np.multiply(z, np.where(z > 0, 1, 0.1), out=z), "leaky_relu(0.1)"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_theory_takes_simulation_takes_too(kind):
    mine, built_in = (Network([3, 4, 2], f, "lecun") for f in KINDS[kind])
    z = np.array([[-1.5, 0.0], [0.5, 30.0]])
    own = mine.layers[0].activation
    np.testing.assert_allclose(own.phi(z), activation(KINDS[kind][1]).phi(z), rtol=1e-12)
    measured, wanted = (simulate.forward(n, networks=50, seed=3) for n in (mine, built_in))
    np.testing.assert_allclose(measured.variance.values, wanted.variance.values, rtol=3e-6)
    assert hash(mine) == hash(Network([3, 4, 2], KINDS[kind][0], "lecun"))
    assert mine == Network([3, 4, 2], KINDS[kind][0], "lecun")


def test_each_layer_may_have_a_function_of_its_own():
    own = [custom_activation(np.sin, np.cos), silu, "relu", custom_activation(np.tanh, lambda z: 1 / np.cosh(z) ** 2)]
    mine, built_in = (Network([3] * 6, f, "lecun") for f in (own, ["sin", "silu", "relu", "tanh"]))
    measured, wanted = (simulate.forward(n, networks=50, seed=3) for n in (mine, built_in))
    np.testing.assert_allclose(measured.variance.values, wanted.variance.values, rtol=1e-5)


def test_a_functions_globals_may_change():
    space = {"scale": 1.0}
    exec("def f(z):\n    return scale * z", space)
    for scale in (1.0, 2.0):
        space["scale"] = scale
        measured = simulate.forward(Network([3, 4, 2], space["f"], "lecun"), networks=50, seed=3)
        wanted = simulate.forward(Network([3, 4, 2], "linear", "lecun", multiplier=[1, scale**2]), networks=50, seed=3)
        np.testing.assert_allclose(measured.variance.values, wanted.variance.values, rtol=1e-5)


def test_overflow_is_the_limit_where_there_is_one():
    mine, built_in = custom_activation(silu), activation("silu")
    z = np.array([-1e8, -800.0, 800.0])
    np.testing.assert_array_equal(mine.phi(z), built_in.phi(z))
    assert theory.fixed_point(silu, 2.0).chi == pytest.approx(
        theory.fixed_point("silu", 2.0).chi, rel=1e-9, nan_ok=True
    )

    def branched(z):  # not for arrays, so each number goes its own way
        return z / (1 + math.exp(-z)) if z < 1e9 else z

    np.testing.assert_array_equal(custom_activation(branched).phi(z), built_in.phi(z))


def softplus(z):
    return math.log(1 + math.exp(z))


def exponential(z):
    return math.exp(z)


@pytest.mark.parametrize("phi", [softplus, exponential])
def test_overflow_that_matters_is_one_error_that_names_phi_and_the_point(phi):
    measured = simulate.forward(Network([8] * 3, phi, "he"), networks=64)
    assert np.isfinite(measured.variance.values).all()
    words = rf"activation '{phi.__name__}' gives inf at \d+"
    with pytest.raises(ValueError, match=words):
        theory.forward(Network([8] * 3, phi, "he", multiplier=1e8))
    with pytest.raises(ValueError, match=words):
        simulate.forward(Network([8] * 3, phi, "he", multiplier=1e8), networks=64)


def nowhere(z):
    return math.sqrt(z + 3) if z > -3 else math.nan


def fails(z):
    if z > 3:
        raise RuntimeError("too large")
    return z


@pytest.mark.parametrize(
    ("phi", "words"),
    [
        (nowhere, "'nowhere' gives nan at -"),
        (lambda z: np.sqrt(z + 3), "'<lambda>' gives nan at -"),
        (fails, r"'fails' fails at \d+\.?\d*: too large"),
        (lambda z: np.sqrt(z + 3 + 0j).real if abs(z) < 3 else 1j, "'<lambda>' fails at .*complex"),
        (lambda z: [][int(z)] if z > 3 else z, r"'<lambda>' fails at \d.*: list index out of range"),
    ],
)
def test_no_number_somewhere_is_one_error_in_simulation_too(phi, words):
    network = Network([8] * 3, phi, "he")
    for ask in (theory.forward, functools.partial(simulate.forward, networks=640)):
        with pytest.raises(ValueError, match=words):
            ask(network)


def test_a_function_of_pytorchs_is_told_so():
    def tanh(z):  # as torch.tanh, which has no name in Python
        raise TypeError(f"tanh(): argument 'input' (position 1) must be Tensor, not {type(z).__name__}")

    with pytest.raises(
        ValueError, match="phi of activation 'tanh' takes PyTorch's tensors alone; give the name of one"
    ):
        Network([8] * 3, tanh)


def test_a_signal_beyond_float32_is_one_error():
    with pytest.raises(ValueError, match="the signal through 'cube' grows beyond what float32 holds"):
        simulate.forward(Network([8] * 12, custom_activation(lambda z: z**3, name="cube"), "he"), networks=64)


@pytest.mark.parametrize("name", [*NAMES, "leaky_relu(-0.5)"])
def test_right_derivatives_pass_the_check_and_wrong_ones_do_not(name):
    f = activation(name)
    custom_activation(f.phi, f.dphi)
    custom_activation(lambda z: f.phi(30 * z), lambda z: 30 * f.dphi(30 * z))
    custom_activation(lambda z: f.phi(z).astype(np.float32), f.dphi)
    for wrong in (lambda z: 1.01 * f.dphi(z), lambda z: f.dphi(z) + 0.01, lambda z: -f.dphi(z)):
        with pytest.raises(ValueError, match=r"dphi is .* at .*, where the slope of .* is .*; give its derivative"):
            custom_activation(f.phi, wrong)


def test_steps_have_no_slope_that_could_be_wrong():
    custom_activation(np.sign, np.zeros_like)
    custom_activation(np.floor, np.zeros_like, kinks=range(-5, 6))


@pytest.mark.slow
@needs_compiler
@pytest.mark.parametrize("make", [lambda a: lambda z: a * z, lambda a: functools.partial(np.clip, a_min=-a, a_max=a)])
def test_fresh_functions_are_let_go(make):
    seen = []
    for k in range(20):
        phi = make(1.0 + k)
        seen.append(weakref.ref(phi))
        simulate.forward(Network([2, 2, 2], phi), networks=2)
    del phi
    gc.collect()
    assert sum(ref() is not None for ref in seen) <= 16


@pytest.mark.slow
@needs_compiler
def test_a_function_is_found_on_disk_until_anything_it_reads_changes(monkeypatch, tmp_path):
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    space = {"np": np, "scale": 1.5}
    exec("def make(a, b=0.25):\n    def f(z):\n        return np.tanh(scale * z) + a * z - b\n    return f", space)
    hits = []

    def compiled(f):
        own_kernels._compiled.cache_clear()
        block = own_kernels.Block(f, f)
        z, found = np.linspace(-2.0, 2.0, GROUP), np.empty(GROUP)
        own_kernels._from_python(-block.code, z.ctypes.data, found.ctypes.data)
        np.testing.assert_allclose(found, f(z), rtol=1e-12)
        return block._kept._cache_hits

    for again in (0, 1):  # equal functions, made anew
        assert compiled(space["make"](0.5)) == again
    hits += [compiled(space["make"](0.75)), compiled(space["make"](0.5, 0.5))]
    space["scale"] = 2.0
    hits += [compiled(space["make"](0.5)), compiled(np.tanh)]
    assert hits == [0, 0, 0, 0]
    assert [compiled(space["make"](0.5)), compiled(np.tanh)] == [1, 1]


@pytest.mark.slow
@needs_compiler
def test_a_second_process_compiles_nothing_for_it(tmp_path):
    (tmp_path / "mine.py").write_text(
        "import numpy as np\nfrom numba.core import event\nfrom varprop.kernels.own import Block\n"
        "slope = 0.3\ndef phi(z):\n    return np.maximum(z, 0.0) + slope * np.minimum(z, 0.0)\n"
        "with event.install_recorder('numba:run_pass') as passes:\n    block = Block(phi, phi)\n"
        "print(len(passes.buffer), block._kept._cache_hits)\n"
    )
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    command = [sys.executable, str(tmp_path / "mine.py")]
    first, second = (
        subprocess.run(command, capture_output=True, text=True, env=environment, check=True).stdout.split()
        for _ in range(2)
    )
    assert int(first[0]) > 0
    assert (first[1], second) == ("0", ["0", "1"])


@pytest.mark.slow
@needs_compiler
@pytest.mark.parametrize(("decorator", "found"), [("", [False, True, True]), ("@njit", [False, False, True])])
def test_what_is_on_disk_outlives_the_module_it_came_from(tmp_path, decorator, found):
    code = (
        "from numba import njit\nimport numpy as np\nfrom varprop.kernels.own import Block\n"
        f"{decorator}\ndef phi(z):\n    return z + np.tanh(z)\n"
        "print(bool(Block(getattr(phi, 'py_func', phi), phi)._kept._cache_hits))\n"
    )
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    hits = []
    for name in ("gone", "here", "here"):  # a compiled function keeps its module: what came from the first is made anew
        (tmp_path / f"{name}.py").write_text(code)
        command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import {name}"]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
        hits.append(done.stdout.strip() == "True")
        (tmp_path / "gone.py").unlink(missing_ok=True)
    assert hits == found


def test_what_may_be_anything_has_no_fingerprint():
    class Odd:
        slope = 2.0

    odd, table = Odd(), [1.0, 2.0]
    assert fingerprint(lambda z: odd.slope * z) is None
    assert fingerprint(lambda z: table[0] * z) is None
    assert fingerprint(lambda z: sys.maxsize * z) is None
    assert fingerprint(functools.partial(swish, beta=2.0)) is None
    same, other = (fingerprint(lambda z, k=k: k * z) for k in (1.0, 2.0))
    assert same != other
    assert fingerprint(lambda z: (1, 2)[0] * z) != fingerprint(lambda z: (2, 1)[0] * z)
    assert fingerprint(math.tanh) != fingerprint(np.tanh) != fingerprint(np.sinh)


def test_functions_of_a_module_pickle_by_name_and_records_of_them():
    for phi in (silu, bent, np.tanh, functools.partial(swish, beta=2.0)):
        network = Network([2, 3, 2], custom_activation(phi, kinks=[0]))
        again = pickle.loads(pickle.dumps(network))
        if not isinstance(phi, functools.partial):
            assert again == network
            assert hash(again) == hash(network)
        record = pickle.loads(pickle.dumps(theory.forward(again)))
        np.testing.assert_array_equal(record.variance.values, theory.forward(network).variance.values)
        measured = simulate.forward(network, networks=10)
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(measured)).variance.values, measured.variance.values)


def test_lambdas_pickle_through_cloudpickle_or_say_what_to_do(monkeypatch):
    network = Network([2, 3, 2], lambda z: bent(z) * 2)
    pytest.importorskip("cloudpickle")
    again = pickle.loads(pickle.dumps(network))
    z = np.array([-1.0, 2.0])
    np.testing.assert_array_equal(again.layers[0].activation.phi(z), [-0.2, 4.0])
    monkeypatch.setitem(sys.modules, "cloudpickle", None)
    with pytest.raises(pickle.PicklingError, match=r"define its function at the top of a module"):
        pickle.dumps(network)


def test_copies_are_equal():
    for phi in (silu, Tanh(), lambda z: z, np.tanh, custom_activation(bent, kinks=[0])):
        network = Network([2, 3, 2], phi)
        assert copy.deepcopy(network) == network
        assert copy.copy(network) == network


def test_an_activation_made_by_hand_is_checked_too():
    with pytest.raises(TypeError, match="phi is 3; give a function"):
        Activation("three", 3)
    assert isinstance(Activation("mine", bent).phi, Own)
    assert Activation("mine", bent) == custom_activation(bent, name="mine")
