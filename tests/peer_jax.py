"""JAX's and Flax's initializers drawn by themselves: `make test-frameworks`, in an environment of its own."""

import itertools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from sampled_weights import hold, hold_biases

from varprop import frameworks

KEYS = map(jax.random.key, itertools.count(int(np.random.SeedSequence().generate_state(1)[0] >> 1)))
NAMES = [
    *(f"{name}_{shape}" for name in ("he", "glorot", "lecun", "xavier", "kaiming") for shape in ("normal", "uniform")),
    "variance_scaling(2.0, 'fan_in', 'truncated_normal')",
    "variance_scaling(0.5, 'fan_out', 'normal')",
    "variance_scaling(3, 'fan_avg', 'uniform')",
    "variance_scaling(1.0, 'fan_geo_avg', 'normal')",
    "orthogonal",
    "orthogonal(scale=2.0)",
    "normal",
    "normal(stddev=0.02)",
    "truncated_normal",
    "truncated_normal(stddev=0.3, lower=-7, upper=7)",
]


def made(name, module):
    """Return what the framework itself makes of ``name(arguments)``."""
    word, _, arguments = name.partition("(")
    return eval(f"make({arguments or ')'}", {"make": getattr(module, word)})


@pytest.mark.parametrize("name", NAMES)
def test_jax(name):
    draw = jax.jit(made(name, jax.nn.initializers), static_argnums=1)
    hold(f"jax:{name}", lambda *shape: draw(next(KEYS), shape))


def test_flax_has_the_same():
    for name in ("he_normal", "lecun_uniform", "orthogonal"):
        draw = made(name, nn.initializers)
        hold(f"flax:{name}", lambda *shape, draw=draw: draw(next(KEYS), shape))


@pytest.mark.parametrize("kind", ["weights", "biases"])
def test_dense(kind):
    def draw(fan_in, fan_out):
        found = nn.Dense(fan_out).init(next(KEYS), jnp.ones(fan_in))["params"]
        return found["kernel" if kind == "weights" else "bias"]

    (hold if kind == "weights" else hold_biases)("flax:Dense", draw)


def test_linear_and_embed():
    def linear(fan_in, fan_out):
        return nnx.Linear(fan_in, fan_out, rngs=nnx.Rngs(next(KEYS))).kernel[...]

    hold("flax:Linear", linear)
    hold("flax:Embed", lambda *fans: nn.Embed(*fans).init(next(KEYS), jnp.ones(1, int))["params"]["embedding"])


def test_conv():
    def draw(fan_in, fan_out):
        return nn.Conv(fan_out, (2, 2)).init(next(KEYS), jnp.ones((1, 4, 4, fan_in // 4)))["params"]["kernel"]

    hold("flax:Conv", draw)


def test_no_name_is_left_out():
    tested = {name.partition("(")[0] for name in NAMES}
    listed = {name.partition("(")[0].partition(":")[2] for name in frameworks.signatures()["jax"]}
    assert listed == tested
