"""Two inputs from layer to layer, by the rules of one order: the module `infinite` or `first`."""

from types import ModuleType

import numpy as np

from ....network import Network
from ....records import LayerProfile
from ..signal.layer import EPS
from .gram import Gram


def profiles(network: Network, gram: Gram, rules: ModuleType) -> dict[str, LayerProfile]:
    """Return correlation, cosine and cosine_variance of two inputs of this `Gram`.

    The recursion runs twice, with a coarser rule the second time; the difference bounds the quadrature's error.
    Homogeneous activations need no second run, as their rule is exact to rounding.
    """
    fine = _run(network, gram, rules, 0)
    exact = all(layer.activation.slopes is not None for layer in network.layers[:-1])
    coarse = fine if exact else _run(network, gram, rules, 1)
    apart = 1 - np.abs(fine["correlation"])  # of the difference of nearly equal numbers, squared, few digits are known
    lost = np.cumsum(np.where(apart > 0, 4 * EPS / np.sqrt(np.where(apart > 0, apart, 1.0)), 0.0)) * apart
    rounding = fine["error"] + EPS * (16 + 8 * np.arange(1, network.depth + 1)) + lost
    found = {}
    for name in ("correlation", "cosine", "cosine_variance"):
        size: float | np.ndarray = 1.0
        if name == "cosine_variance":  # a difference of numbers up to 1
            size = 0.0 if rules.ALIKE else fine[name] + 0.25
        found[name] = LayerProfile(fine[name], np.abs(fine[name] - coarse[name]) + rounding * size, rules.ORIGIN)
    return found


def _run(network: Network, gram: Gram, rules: ModuleType, level: int) -> dict[str, np.ndarray]:
    gram, found = rules.start(gram), []
    for l, layer in enumerate(network.layers, 1):
        z = rules.preactivation(layer, gram)
        found.append((z.correlation, *rules.cosine(layer, z), z.error))
        if l < network.depth:  # of the output z is asked alone
            gram = rules.activation(layer, z, level)
    return dict(zip(("correlation", "cosine", "cosine_variance", "error"), np.array(found).T, strict=True))
