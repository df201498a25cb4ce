"""What people use instead: the same work, sample He-initialized ReLU networks and take mean z^2 a layer.

Each engine is a function ``make(widths, networks)`` that returns ``call()``, one run over that many
networks; float32 throughout. An engine whose package is absent raises ImportError.
"""

import math
import os
from itertools import pairwise

import numpy as np

from varprop import Network, simulate


def conditional(widths, networks):
    network = Network(widths, "relu", "he")
    return lambda: simulate.forward(network, networks=networks, method="conditional", progress=False)


def dense(widths, networks):
    network = Network(widths, "relu", "he")
    return lambda: simulate.forward(network, networks=networks, method="dense", progress=False)


def numpy(widths, networks):
    rng = np.random.default_rng(0)

    def call():
        a = rng.standard_normal((networks, widths[0], 1), dtype=np.float32)
        means = []
        for n, m in pairwise(widths):
            w = rng.standard_normal((networks, m, n), dtype=np.float32)
            z = math.sqrt(2 / n) * (w @ a)
            means.append((z * z).mean())
            a = np.maximum(z, 0)
        return means

    return call


def torch(widths, networks, device="cpu"):
    import torch

    torch.set_grad_enabled(False)

    def call():
        a = torch.randn(networks, widths[0], 1, device=device)
        means = []
        for n, m in pairwise(widths):
            w = torch.randn(networks, m, n, device=device)
            z = math.sqrt(2 / n) * torch.bmm(w, a)
            means.append((z * z).mean())
            a = torch.relu(z)
        return torch.stack(means).cpu()

    return call


def torch_cuda(widths, networks):
    import torch as package

    if not package.cuda.is_available():
        raise ImportError("no GPU")
    return torch(widths, networks, "cuda")


def _jax(widths, networks, generator):
    import jax
    from jax import numpy as jnp

    def one(key):
        keys = jax.random.split(key, len(widths))
        a, means = jax.random.normal(keys[0], (widths[0],)), []
        for k, n, m in zip(keys[1:], widths, widths[1:], strict=False):
            z = math.sqrt(2 / n) * (jax.random.normal(k, (m, n)) @ a)
            means.append(jnp.mean(z * z))
            a = jnp.maximum(z, 0)
        return jnp.stack(means)

    run = jax.jit(lambda key: jax.vmap(one)(jax.random.split(key, networks)).mean(0))
    key = jax.random.key(0, impl=generator)
    return lambda: run(key).block_until_ready()


def jax_threefry(widths, networks):
    return _jax(widths, networks, "threefry2x32")


def jax_rbg(widths, networks):
    return _jax(widths, networks, "rbg")


def neural_tangents(widths, networks):
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # its import of TensorFlow is talkative
    import jax
    from neural_tangents import monte_carlo_kernel_fn, stax

    layers = [layer for m in widths[1:] for layer in (stax.Dense(m, W_std=math.sqrt(2)), stax.Relu())][:-1]
    init, apply, _ = stax.serial(*layers)
    kernel = monte_carlo_kernel_fn(init, apply, jax.random.key(0), networks)
    x = jax.random.normal(jax.random.key(1), (1, widths[0]))
    return lambda: kernel(x, None, "nngp").block_until_ready()


ENGINES = {
    "varprop conditional": conditional,
    "varprop dense": dense,
    "NumPy": numpy,
    "PyTorch": torch,
    "PyTorch on GPU": torch_cuda,
    "JAX threefry": jax_threefry,
    "JAX rbg": jax_rbg,
    "neural-tangents": neural_tangents,
}
OURS = ("varprop conditional", "varprop dense")
