"""Slow, obvious NumPy, to hold the package against. Never imports varprop."""

import numpy as np
from scipy import special


def philox4x32(counter, key, rounds=10):
    """Return Philox4x32 of four and two 32-bit words, in Python's whole numbers."""
    c, k = list(counter), list(key)
    for _ in range(rounds):
        p0, p1 = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(p1 >> 32) ^ c[1] ^ k[0], p1 & 0xFFFFFFFF, (p0 >> 32) ^ c[3] ^ k[1], p0 & 0xFFFFFFFF]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return c


def box_muller(word0, word1):
    """Return two normals from two words, in float64, with signs from the second word's top bits.

    The uniform is first rounded to float32's 24 bits, which is part of the definition.
    """
    uniform = float(np.float32(word0) + np.float32(0.5)) / 2**32
    radius = np.sqrt(-2 * np.log(uniform))
    signed = (word1 << 2) & 0xFFFFFFFF
    signed -= 2**32 if signed >= 2**31 else 0
    angle = np.pi / 4 + signed * (np.pi / 2 / 2**32)
    x, y = radius * np.cos(angle), radius * np.sin(angle)
    return -x if word1 >> 31 else x, -y if (word1 >> 30) & 1 else y


def word(seed, network, stream, unit):
    """Return word ``unit`` of a stream, read as a signed fraction of 2^31."""
    words = philox4x32((unit // 4, stream, network & 0xFFFFFFFF, network >> 32), (seed & 0xFFFFFFFF, seed >> 32))
    signed = words[unit % 4]
    return (signed - 2**32 if signed >= 2**31 else signed) / 2**31


def uniform(seed, network, stream, unit):
    """Return a uniform number of variance 1, as the kernels define it."""
    return np.sqrt(3) * word(seed, network, stream, unit)


def truncated_normal(seed, network, stream, unit):
    """Return a normal truncated at two standard deviations, of variance 1, as the kernels define it."""
    mass = special.erf(2 / np.sqrt(2))
    return np.sqrt(2) * special.erfinv(mass * word(seed, network, stream, unit)) / np.sqrt(0.7737413035499232)


def normal(seed, network, stream, unit):
    """Return draw ``unit`` of a stream, as the kernels define it."""
    words = philox4x32((unit // 4, stream, network & 0xFFFFFFFF, network >> 32), (seed & 0xFFFFFFFF, seed >> 32))
    return box_muller(*words[2 * (unit % 4 // 2) : 2 * (unit % 4 // 2) + 2])[unit % 2]


def random_weights(rng, shape, variance, distribution):
    """Return one weight matrix (fan_out, fan_in) of the given law."""
    if distribution == "normal":
        return rng.normal(0, np.sqrt(variance), shape)
    if distribution == "uniform":
        bound = np.sqrt(3 * variance)
        return rng.uniform(-bound, bound, shape)
    if distribution == "truncated_normal":
        draws = rng.normal(size=(*shape, 40))
        inside = np.abs(draws) < 2
        first = np.take_along_axis(draws, inside.argmax(-1)[..., None], -1)[..., 0]
        return first * np.sqrt(variance / 0.7737413035499232)
    if distribution == "orthogonal":
        m, n = min(shape), max(shape)
        q, r = np.linalg.qr(rng.normal(size=(n, m)))
        q = q * np.sign(np.diag(r))
        return np.sqrt(variance * n) * (q if shape[0] == n else q.T)
    raise ValueError(distribution)


def batched_weights(rng, networks, layer):
    """Return the weights (networks, fan_out, fan_in) of many networks' layer, which has the fields of `varprop`'s."""
    shape, variance = (networks, layer.fan_out, layer.fan_in), layer.weight_variance
    if layer.distribution == "normal":
        return rng.standard_normal(shape) * np.sqrt(variance)
    if layer.distribution == "uniform":
        return rng.uniform(-1, 1, shape) * np.sqrt(3 * variance)
    if layer.distribution == "truncated_normal":
        inside = special.ndtri(rng.uniform(special.ndtr(-2), special.ndtr(2), shape))
        return inside * np.sqrt(variance / 0.7737413035499232)
    tall = max(shape[1:]), min(shape[1:])
    q, r = np.linalg.qr(rng.standard_normal((networks, *tall)))
    q *= np.sign(np.einsum("bii->bi", r))[:, None]
    return np.sqrt(variance * tall[0]) * (q if shape[1] == tall[0] else q.transpose(0, 2, 1))


def forward(rng, widths, weight_variances, phis, networks, *, distributions=None, bias_variances=None, rows=None):
    """Draw whole networks one by one; return z^2, z^4 and a^2, each the mean over units, (networks, L)."""
    depth = len(widths) - 1
    distributions = distributions or ["normal"] * depth
    bias_variances = bias_variances or [0.0] * depth
    out = np.empty((3, networks, depth))
    for k in range(networks):
        a = rng.normal(size=widths[0]) if rows is None else rows[rng.integers(len(rows))]
        for l in range(depth):
            w = random_weights(rng, (widths[l + 1], widths[l]), weight_variances[l], distributions[l])
            z = w @ a + rng.normal(0, 1, widths[l + 1]) * np.sqrt(bias_variances[l])
            a = phis[l](z)
            out[:, k, l] = np.mean(z**2), np.mean(z**4), np.mean(a**2)
    return out


def softmax_gradient(z, label):
    """Return the gradient of the cross-entropy of softmax(z) by z."""
    p = np.exp(z - z.max())
    p /= p.sum()
    p[label] -= 1.0
    return p


def backward(rng, widths, weight_variances, phis, dphis, loss, networks, *, bias_variances=None, fresh=False):
    """Draw whole networks one by one and differentiate; return mean squares of delta and of dW, (networks, L).

    ``loss(rng, z)`` gives the gradient by z^L. ``fresh`` is the mistake of drawing new weights for the way back.
    """
    depth = len(widths) - 1
    bias_variances = bias_variances or [0.0] * depth
    out = np.empty((2, networks, depth))
    for k in range(networks):
        weights = [
            rng.normal(0, np.sqrt(v), (m, n)) for v, n, m in zip(weight_variances, widths[:-1], widths[1:], strict=True)
        ]
        a, zs = [rng.normal(size=widths[0])], []
        for l in range(depth):
            zs.append(weights[l] @ a[l] + rng.normal(0, np.sqrt(bias_variances[l]), widths[l + 1]))
            a.append(phis[l](zs[l]))
        if fresh:
            weights = [
                rng.normal(0, np.sqrt(v), (m, n))
                for v, n, m in zip(weight_variances, widths[:-1], widths[1:], strict=True)
            ]
        delta = loss(rng, zs[-1])
        for l in reversed(range(depth)):
            if l < depth - 1:
                delta = dphis[l](zs[l]) * (weights[l + 1].T @ delta)
            out[:, k, l] = np.mean(delta**2), np.mean(np.outer(delta, a[l]) ** 2)
    return out
