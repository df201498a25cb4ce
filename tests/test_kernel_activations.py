import mpmath as mp
import numpy as np
import pytest
from numba import njit

from varprop.activations import NAMES, activation
from varprop.kernels import GROUP
from varprop.kernels.activations import activate
from varprop.kernels.derivatives import derive
from varprop.simulate.instructions import ACTIVATION_DTYPE
from varprop.simulate.samplers import activation_row, link

pytestmark = pytest.mark.slow  # these kernels of its own take seconds to compile


@njit
def _derive(row, x, out):
    scale = np.ones(GROUP, np.float32)
    for i in range(x.shape[0]):
        derive(row, scale, x[i], out[i])


@njit
def _evaluate(row, x, out):
    scale, reference = np.ones(GROUP, np.float32), np.ones(GROUP)
    for i in range(x.shape[0]):
        activate(row, scale, reference, x[i], out[i])


def evaluate(function, x, kernel=_evaluate, wide=False):
    """Return what a layer, of many units where it is ``wide``, makes of ``x``."""
    rows = np.array([activation_row(function, {})], ACTIVATION_DTYPE).view(np.recarray)
    link(rows, backward=True, wide=wide)
    padded = np.zeros(-(-x.size // GROUP) * GROUP, np.float32)
    padded[: x.size] = x
    out = np.empty_like(padded)
    with np.errstate(all="ignore"):
        kernel(rows[0], padded.reshape(-1, GROUP), out.reshape(-1, GROUP))
    return out[: x.size].astype(np.float64)


# In numbers of 30 digits, without the package; the names left out are one multiplication or a clip.
FUNCTIONS = {
    "tanh": mp.tanh,
    "sigmoid": lambda x: 1 / (1 + mp.exp(-x)),
    "erf": mp.erf,
    "gelu": lambda x: x * mp.erfc(-x / mp.sqrt(2)) / 2,
    "silu": lambda x: x / (1 + mp.exp(-x)),
    "elu": lambda x: x if x > 0 else mp.expm1(x),
    "selu": lambda x: SCALE * (x if x > 0 else ALPHA * mp.expm1(x)),
    "softplus": lambda x: mp.log1p(mp.exp(x)),
    "sin": mp.sin,
    "mish": lambda x: x * mp.tanh(mp.log1p(mp.exp(x))),
    "softsign": lambda x: x / (1 + abs(x)),
}
DERIVATIVES = {
    "tanh": lambda x: mp.sech(x) ** 2,
    "sigmoid": lambda x: 1 / (1 + mp.exp(-x)) / (1 + mp.exp(x)),
    "erf": lambda x: 2 / mp.sqrt(mp.pi) * mp.exp(-x * x),
    "gelu": lambda x: mp.erfc(-x / mp.sqrt(2)) / 2 + x * mp.npdf(x),
    "silu": lambda x: (1 + x / (1 + mp.exp(x))) / (1 + mp.exp(-x)),
    "elu": lambda x: 1 if x > 0 else mp.exp(x),
    "selu": lambda x: SCALE * (1 if x > 0 else ALPHA * mp.exp(x)),
    "softplus": lambda x: 1 / (1 + mp.exp(-x)),
    "sin": mp.cos,
    "mish": lambda x: mp.tanh(mp.log1p(mp.exp(x))) + x * mp.sech(mp.log1p(mp.exp(x))) ** 2 / (1 + mp.exp(-x)),
    "softsign": lambda x: (1 + abs(x)) ** -2,
}
SCALE, ALPHA = mp.mpf("1.0507009873554804934193349852946"), mp.mpf("1.6732632423543772848170429916717")
SIZES = np.concatenate(
    [np.geomspace(1e-25, 1e-3, 23), np.linspace(1e-3, 3, 190), np.linspace(3, 20, 120), np.geomspace(20, 1e4, 40)]
)
X = np.concatenate([-SIZES[::-1], SIZES]).astype(np.float32)
SMALLEST = np.exp(-85)  # where exponentials end, near the least normal float32


def relative_errors(name, function, kernel):
    """Return `X` where |function| is above `SMALLEST`, the function there, and the kernel's errors relative to it."""
    with mp.workdps(30):
        exact = np.array([float(function(mp.mpf(float(x)))) for x in X])
    held = np.abs(exact) > SMALLEST
    return X[held], exact[held], evaluate(activation(name), X, kernel)[held] / exact[held] - 1


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_keep_their_relative_precision_in_tails_and_near_zeros(name):
    """Below 2.7e-7 at any x: stated in kernels/activations.py."""
    x, _, errors = relative_errors(name, FUNCTIONS[name], _evaluate)
    assert np.abs(errors).max() < 2.7e-7
    assert len(x) > 0.7 * len(X)


def test_gelu_of_a_wide_layer_is_quick_and_as_near_as_its_large_units_ask():
    """Below 2e-7 of |x|: what a sum over more than 32 units of either sign can feel."""
    gelu = activation("gelu")
    errors = np.abs(evaluate(gelu, X, wide=True) - gelu.phi(X.astype(np.float64)))
    assert (errors / np.abs(X)).max() < 2e-7
    x = np.array([-6.0], np.float32)
    assert evaluate(gelu, x) == pytest.approx(gelu.phi(np.array([-6.0])), rel=1e-6)
    assert evaluate(gelu, x, wide=True) != pytest.approx(gelu.phi(np.array([-6.0])), rel=1e-2)


@pytest.mark.parametrize("name", DERIVATIVES)
def test_derivatives_keep_their_relative_precision_in_tails(name):
    """Below 3e-7; for silu and mish, where phi' cancels near its zero at about -1.2, below 1e-7 absolute."""
    x, exact, errors = relative_errors(name, DERIVATIVES[name], _derive)
    crossing = (x > -3) & (x < -0.3) & (name in ("silu", "mish"))
    assert np.abs(errors[~crossing]).max() < 3e-7
    assert np.abs(errors * exact)[crossing].max(initial=0) < 1e-7


@pytest.mark.parametrize("name", [*FUNCTIONS, "leaky_relu(0.3)"])
def test_beyond_float32_a_function_is_tiny_and_not_zero(name):
    x = np.array([-(2.0**40), -1e6, -200.0, -50.0, 50.0, 2.0**40], np.float32)
    values = evaluate(activation(name), x)
    assert (values != 0).all()
    assert name == "sin" or (np.sign(values) == np.sign(activation(name).phi(np.sign(x)))).all()


@pytest.mark.parametrize("name", NAMES)
def test_far_out_functions_are_the_functions(name):
    function = activation(name)
    x = np.concatenate([np.geomspace(15, 1e8, 30), -np.geomspace(15, 1e8, 30)]).astype(np.float32)
    for kernel, exact in ((_evaluate, function.phi), (_derive, function.dphi)):
        exact = exact(x.astype(np.float64))
        np.testing.assert_allclose(evaluate(function, x, kernel), exact, rtol=2.7e-7, atol=2.7e-7)


@pytest.mark.parametrize("name", ["tanh", "erf", "sigmoid", "hardtanh"])
def test_saturated_values_carry_no_bias(name):
    assert evaluate(activation(name), np.array([30.0, 1e6, 2.0**40], np.float32)) == pytest.approx(1, abs=6.1e-8)


@pytest.mark.parametrize("name", ["linear", "relu", "leaky_relu(-0.5)", "hardtanh"])
def test_functions_of_straight_lines_are_exact(name):
    function, x = activation(name), np.append(X, [0.0, -0.0]).astype(np.float32)
    for kernel, exact in ((_evaluate, function.phi), (_derive, function.dphi)):
        np.testing.assert_array_equal(evaluate(function, x, kernel), exact(x.astype(np.float64)).astype(np.float32))
