"""Gradients of networks whose every weight is drawn, and theory's z-scores against them."""

import numpy as np
from evidence import fresh_seed, mean_of, score, share_of
from scipy import special


def draw(network, rows, loss, networks):
    """Return the means over units of delta^2 and of (d loss / d W)^2, and of (d loss / d x)^2, each (networks, L).

    Draws every weight once. The last is the same in every column.
    """
    rng = np.random.default_rng(fresh_seed())
    normal = lambda *shape: rng.standard_normal((networks, *shape), dtype=np.float32)  # noqa: E731
    if rows is None:
        a = normal(network.widths[0])
    else:
        rows = np.atleast_2d(rows).astype(np.float32)
        a = rows[rng.integers(len(rows), size=networks)]
    passed = []
    for layer in network.layers:
        w = _weights(rng, normal, layer)
        z = np.matmul(w, a[..., None])[..., 0] + normal(layer.fan_out) * np.float32(np.sqrt(layer.bias_variance))
        passed.append((w, a, z))
        a = layer.activation.phi(z).astype(np.float32)
    delta = _output_gradient(rng, z, loss)
    out = np.empty((3, networks, network.depth))
    for l in reversed(range(network.depth)):
        w, a, z = passed[l]
        if l < network.depth - 1:
            delta = (
                network.layers[l].activation.dphi(z)
                * np.matmul(passed[l + 1][0].swapaxes(1, 2), delta[..., None])[..., 0]
            )
        squares = np.mean(delta.astype(float) ** 2, 1)
        out[:2, :, l] = squares, squares * np.mean(a.astype(float) ** 2, 1)
    at_input = np.matmul(w.swapaxes(1, 2), delta[..., None])[..., 0]
    out[2] = np.mean(at_input.astype(float) ** 2, 1)[:, None]
    return out


def _weights(rng, normal, layer):
    v, shape = layer.weight_variance, (layer.fan_out, layer.fan_in)
    if layer.distribution == "normal":
        return normal(*shape) * np.float32(np.sqrt(v))
    if layer.distribution == "uniform":
        return rng.uniform(-1, 1, (len(normal(1)), *shape)) * np.sqrt(3 * v)
    tall = max(shape), min(shape)
    q, r = np.linalg.qr(normal(*tall))
    q = q * np.sign(np.einsum("bii->bi", r))[:, None] * np.sqrt(v * tall[0])
    return q if shape == tall else q.transpose(0, 2, 1)


def _output_gradient(rng, z, loss):
    if not isinstance(loss, str):
        return np.broadcast_to(loss, z.shape)
    if loss == "linear":
        return rng.standard_normal(z.shape)
    if loss == "half_square":
        return z
    p = special.softmax(z, axis=1)
    p[np.arange(len(z)), rng.integers(z.shape[1], size=len(z))] -= 1
    return p


def scores(record, drawn, fields):
    """Return z-scores of theory against means over networks; ratios by their influence functions."""
    squares, weights, at_input = drawn
    result = []
    for name in fields:
        for l, predicted in enumerate(getattr(record, name).values):
            d = squares[:, l]
            m = d.mean()
            if name == "fluctuation":
                influence = d**2 / m**2 - 2 * (d**2).mean() / m**3 * (d - m) - 1
            elif name in ("log_mean", "log_variance"):
                influence = np.log(d[d > 0])
                if name == "log_variance":
                    influence = (influence - influence.mean()) ** 2
            else:
                influence = {
                    "gradient_variance": d,
                    "weight_gradient_variance": weights[:, l],
                    "input_gradient_variance": at_input[:, l],
                    "dead": weights[:, l] == 0,
                }[name]
            rounding = 1e-6 * abs(predicted) + 1e-12  # float32
            found = share_of(influence, predicted) if name == "dead" else mean_of(influence)
            result.append(score(found, predicted, rounding))
    return np.array(result)
