"""Networks of any layers whose every weight, mask and gate is drawn, forward and backward by hand.

It never imports varprop. It reads the same descriptions (`Network.sequence`), names places by its own count, and
knows no node, no kernel and no formula of theory.
"""

from collections import Counter
from types import SimpleNamespace

import numpy as np
from reference import batched_weights


class Drawn:
    """``networks`` networks side by side; values have shape (networks, signals, units).

    Attributes
    ----------
    z, delta, weight_gradient
        By place: its values; the gradients by these; mean square over weights of the gradient, (networks,).
    """

    def __init__(self, rng, network, x, *, samples=1, replaced=None):
        """``x`` has shape (networks, signals, units); ``replaced`` maps a class's name to another rule, to be wrong."""
        self.rng, self.samples, self.rules = rng, samples, {**RULES, **(replaced or {})}
        self.z, self.a, self.delta, self.weight_gradient = {}, {}, {}, {}
        self.numbered = all(kind(layer) in ("Dense", "Activation") for layer in network.sequence)
        self.output, self.back = self.sequence(network.sequence, x, Names(numbered=self.numbered))

    def sequence(self, layers, x, names):
        backs = []
        for layer in layers:
            x, back = self.rules[kind(layer)](self, layer, x, names)
            backs.append(back)

        def back(delta):
            for step in reversed(backs):
                delta = step(delta)
            return delta

        return x, back

    def place(self, name, z):
        self.z[name] = z

        def note(delta):
            self.delta[name] = delta

        return note


class Names:
    def __init__(self, prefix="", only=None, numbered=False):
        self.prefix, self.only, self.numbered, self.count = prefix, only, numbered, Counter()

    def next(self, word):
        self.count[word] += 1
        if self.only:
            return self.only
        return str(self.count[word]) if self.numbered else f"{self.prefix}{word} {self.count[word]}"


def kind(layer) -> str:
    return type(layer).__name__


def dense(drawn, layer, x, names, word="dense"):
    name = names.next(word)
    m, n = layer.width or x.shape[2], x.shape[2]
    variance, law = layer.law.variance(n, m) * layer.multiplier, layer.law.distribution
    one = SimpleNamespace(fan_out=m, fan_in=n, weight_variance=variance, distribution=law)
    w = batched_weights(drawn.rng, len(x), one)
    z = x @ w.swapaxes(1, 2) + np.sqrt(layer.bias_variance) * drawn.rng.standard_normal((len(x), 1, m))
    note = drawn.place(name, z)

    def back(delta):
        note(delta)
        drawn.weight_gradient[name] = ((delta.swapaxes(1, 2) @ x) ** 2).mean(axis=(1, 2))
        return delta @ w

    return z, back


def activation(drawn, layer, x, names):
    return layer.phi(x), lambda delta: delta * layer.dphi(x)


def layer_norm(drawn, layer, x, names):
    return normalised(x, x.mean(axis=2, keepdims=True), layer.eps, centred=True)


def rms_norm(drawn, layer, x, names):
    return normalised(x, 0.0, layer.eps, centred=False)


def normalised(x, mean, eps, centred):
    s = np.sqrt(((x - mean) ** 2).mean(axis=2, keepdims=True) + eps)
    y = (x - mean) / s

    def back(delta):
        along = (delta * y).mean(axis=2, keepdims=True)
        return (delta - (delta.mean(axis=2, keepdims=True) if centred else 0.0) - y * along) / s

    return y, back


def dropout(drawn, layer, x, names):
    mask = (drawn.rng.random(x.shape) >= layer.p) / (1 - layer.p)
    return x * mask, lambda delta: delta * mask


def residual(drawn, layer, x, names):
    name = names.next("block")
    f, back_f = drawn.sequence(layer.branch, x, Names(f"{name} / "))
    start, back_x = x, lambda delta: delta
    if layer.shortcut is not None:
        start, back_x = drawn.sequence((layer.shortcut,), x, Names(only=f"{name} / shortcut"))
    keep = (drawn.rng.random((len(x), drawn.samples)) >= layer.drop) / (1 - layer.drop)
    keep = layer.scale * np.repeat(keep, x.shape[1] // drawn.samples, axis=1)[:, :, None]
    z = layer.skip * start + keep * f
    note = drawn.place(name, z)

    def back(delta):
        note(delta)
        return back_f(keep * delta) + back_x(layer.skip * delta)

    return z, back


def gate(drawn, layer, x, names):
    u, back_u = dense(drawn, layer.dense, x, names, "gate")
    w, back_w = dense(drawn, layer.dense, x, names, "value")
    a, slope = layer.activation.phi(u), layer.activation.dphi(u)
    return a * w, lambda delta: back_u(delta * w * slope) + back_w(delta * a)


RULES = {
    "Dense": dense,
    "Activation": activation,
    "LayerNorm": layer_norm,
    "RMSNorm": rms_norm,
    "Dropout": dropout,
    "Residual": residual,
    "Gate": gate,
}


def measure(rng, network, networks, *, chunk=64, positions=1, input_scale=1.0, rows=None, replaced=None):
    """Return (networks,) arrays by (quantity, place): mean squares of z, delta and weights' gradients, and cosines.

    The input is ``input_scale`` times N(0, I), or ``rows`` (positions, n_0); the gradient at the output is N(0, I).
    """
    parts = []
    for start in range(0, networks, chunk):
        count = min(chunk, networks - start)
        x = input_scale * rng.standard_normal((count, positions, network.width))
        if rows is not None:
            x = np.broadcast_to(rows, x.shape)
        drawn = Drawn(rng, network, x, replaced=replaced)
        at_input = drawn.back(rng.standard_normal(drawn.output.shape))
        found = {("input_gradient_variance", "input"): (at_input**2).mean(axis=(1, 2))}
        for name, z in drawn.z.items():
            found["variance", name] = (z**2).mean(axis=(1, 2))
            found["gradient_variance", name] = (drawn.delta[name] ** 2).mean(axis=(1, 2))
            if positions > 1:
                size = np.sqrt((z**2).sum(axis=2, keepdims=True))
                unit = z / np.where(size > 0, size, 1.0)
                total = ((unit.sum(axis=1) ** 2).sum(axis=1) - positions) / (positions * (positions - 1))
                found["cosine", name] = total
        for name, value in drawn.weight_gradient.items():
            found["weight_gradient_variance", name] = value
        parts.append(found)
    return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
