"""theory.nngp and theory.ntk against neural-tangents, to 1e-8: `make test-peers`, in an environment of its own.

Its kernels know nothing of our code. Its name keeps this file out of `make test`.
"""

import warnings

import numpy as np
import pytest

from varprop import Network, theory
from varprop.layers import Dense, Gate, LayerNorm, Residual

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what it uses of JAX is about to go
    import jax

    jax.config.update("jax_enable_x64", True)
    from neural_tangents import stax

pytestmark = pytest.mark.filterwarnings("ignore:`FanIn` layers assume independent inputs")
ACTIVATIONS = {"erf": stax.Erf, "relu": stax.Relu, "gelu": lambda: stax.Gelu(approximate=False)}
EPS = 1e-5


def dense(gain_squared, bias_variance=0.0):
    """Return a Dense of either kind."""
    ours = Dense(64, "lecun", multiplier=gain_squared, bias_variance=bias_variance)
    return ours, stax.Dense(64, W_std=np.sqrt(gain_squared), b_std=np.sqrt(bias_variance), parameterization="ntk")


def norm():
    return LayerNorm(EPS), stax.LayerNorm(axis=-1, eps=EPS)


def branch(name, gains):
    """Return dense, activation, dense; with name geglu a gate for the first two."""
    first, last = dense(gains[0], 0.05), dense(gains[1], 0.1)
    if name == "geglu":
        gelu = stax.serial(first[1], stax.Gelu(approximate=False))
        gate = stax.serial(stax.FanOut(2), stax.parallel(gelu, first[1]), stax.FanInProd())
        ours = Gate(64, "gelu", "lecun", multiplier=gains[0], bias_variance=0.05)
        return [ours, last[0]], stax.serial(gate, last[1])
    return [first[0], name, last[0]], stax.serial(first[1], ACTIVATIONS[name](), last[1])


def block(name, placement, gains):
    ours, theirs = branch(name, gains)
    our_norm, their_norm = norm()
    if placement == "pre":
        theirs = stax.serial(their_norm, theirs)
    theirs = stax.serial(stax.FanOut(2), stax.parallel(stax.Identity(), theirs), stax.FanInSum())
    if placement == "pre":
        return [Residual(our_norm, ours)], theirs
    return [Residual(ours), our_norm], stax.serial(theirs, their_norm)


@pytest.mark.parametrize("placement", ["pre", "post"])
@pytest.mark.parametrize("name", [*ACTIVATIONS, "geglu"])
def test_kernels_of_norm_blocks(name, placement):
    rng = np.random.default_rng()
    x = rng.standard_normal((5, 7)) * rng.uniform(0.3, 3, (5, 1))
    x[4] = 1.001 * x[3]
    ours, theirs = [], []
    for part in (dense(1.3, 0.2), *(block(name, placement, (1.5, 0.8)) for _ in range(4)), dense(1.0)):
        ours.append(part[0])
        theirs.append(part[1])
    network = Network.sequential(7, *ours)
    kernels = stax.serial(*theirs)[2](x, None, ("nngp", "ntk"))
    for function, expected in ((theory.nngp, kernels.nngp), (theory.ntk, kernels.ntk)):
        found = function(network, x)
        np.testing.assert_allclose(found.values, expected, rtol=1e-8)
        assert (found.errors <= 1e-8 * np.abs(found.values)).all()


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_kernels_of_chains(name):
    x = np.random.default_rng().standard_normal((4, 6))
    network = Network([6, 64, 64, 3], name, "lecun", multiplier=1.4, bias_variance=0.3)
    layer = dense(1.4, 0.3)[1]
    kernels = stax.serial(layer, ACTIVATIONS[name](), layer, ACTIVATIONS[name](), layer)[2](x, None, ("nngp", "ntk"))
    np.testing.assert_allclose(theory.nngp(network, x).values, kernels.nngp, rtol=1e-8)
    np.testing.assert_allclose(theory.ntk(network, x).values, kernels.ntk, rtol=1e-8)
