import numpy as np
import pytest
from numba import njit

from varprop.activations import NAMES, activation
from varprop.kernels import GROUP
from varprop.kernels.activations import activate
from varprop.kernels.derivatives import derive


@njit
def _derive(code, slope, x, out):
    scale = np.ones(GROUP, np.float32)
    for i in range(x.shape[0]):
        derive(code, slope, scale, x[i], out[i])


@njit
def _evaluate(code, slope, x, out):
    scale, reference = np.ones(GROUP, np.float32), np.ones(GROUP)
    for i in range(x.shape[0]):
        activate(code, slope, scale, reference, x[i], out[i])


def evaluate(function, x, kernel=_evaluate):
    padded = np.zeros(-(-x.size // GROUP) * GROUP, np.float32)
    padded[: x.size] = x
    out = np.empty_like(padded)
    with np.errstate(all="ignore"):
        kernel(function.code, function.slope, padded.reshape(-1, GROUP), out.reshape(-1, GROUP))
    return out[: x.size].astype(np.float64)


@pytest.mark.parametrize("name", [*NAMES, "leaky_relu(-0.5)"])
def test_kernels_are_the_functions_to_float32(name):
    """Relative 5e-7 below 1, absolute 4e-7 times max(1, |x|) above: stated in kernels/activations.py."""
    function = activation(name)
    small = np.concatenate([np.geomspace(1e-12, 1, 300), -np.geomspace(1e-12, 1, 300)]).astype(np.float32)
    large = np.concatenate([np.linspace(-15, 15, 400), np.geomspace(15, 1e8, 30), -np.geomspace(15, 1e8, 30)])
    large = large.astype(np.float32)
    np.testing.assert_allclose(evaluate(function, small), function.phi(small.astype(np.float64)), rtol=5e-7)
    exact = function.phi(large.astype(np.float64))
    assert np.all(np.abs(evaluate(function, large) - exact) <= 4e-7 * np.maximum(1, np.abs(large)))


@pytest.mark.parametrize("name", ["tanh", "erf", "sigmoid", "hardtanh"])
def test_saturated_values_carry_no_bias(name):
    assert evaluate(activation(name), np.array([30.0, 1e6, 2.0**40], np.float32)) == pytest.approx(1, abs=6.1e-8)


@pytest.mark.parametrize("name", [*NAMES, "leaky_relu(-0.5)"])
def test_derivatives_are_the_derivatives_to_float32(name):
    """Absolute 4e-7 times max(1, |phi'|): stated in kernels/derivatives.py."""
    function = activation(name)
    x = np.concatenate([np.linspace(-15, 15, 999), np.geomspace(15, 1e8, 30), -np.geomspace(15, 1e8, 30), [0.0, -0.0]])
    x = x.astype(np.float32)
    exact = function.dphi(x.astype(np.float64))
    got = evaluate(function, x, _derive)
    assert np.all(np.abs(got - exact) <= 4e-7 * np.maximum(1, np.abs(exact)))


@pytest.mark.parametrize("name", ["tanh", "sigmoid", "erf"])
def test_small_derivatives_keep_their_digits(name):
    """Where phi saturates, phi' is tiny, and a deep gradient is a product of such numbers."""
    function, x = activation(name), np.linspace(-8, 8, 400).astype(np.float32)
    np.testing.assert_allclose(evaluate(function, x, _derive), function.dphi(x.astype(np.float64)), rtol=1e-5)
