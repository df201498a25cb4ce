"""Signals of networks whose every weight is drawn, and theory's z-scores against them."""

import numpy as np
from evidence import mean_of, score, share_of
from reference import batched_weights

SPREAD = np.array([[1.0, 0, 0, 0, 0], [1, 2, -1, 0.5, 0], [0.3, 0.3, 0.3, 0.3, 0.3], [0] * 5])


def draw(network, rows, networks, seed):
    """Return z^2, z^4 and a^2, means over units, whether a is 0, and a: each (networks, L). Draws every weight."""
    rng = np.random.default_rng(seed)
    if rows is None:
        a = rng.standard_normal((networks, network.widths[0]))
    else:
        rows = np.atleast_2d(rows)
        a = rows[rng.integers(len(rows), size=networks)]
    out = np.empty((5, networks, network.depth))
    for l, layer in enumerate(network.layers):
        z = np.einsum("bij,bj->bi", batched_weights(rng, networks, layer), a)
        z = z + rng.standard_normal(z.shape) * np.sqrt(layer.bias_variance)
        a = layer.activation.phi(z)
        out[:, :, l] = np.mean(z**2, 1), np.mean(z**4, 1), np.mean(a**2, 1), (a == 0).all(1), np.mean(a, 1)
    return out


def scores(record, drawn, fields):
    """Return z-scores of theory against means over networks; ratios by their influence functions."""
    z2, z4, a2, dead, a = drawn
    result = []
    for name in fields:
        profile = getattr(record, name)
        for l, predicted in enumerate(profile.values):
            q, f = z2[:, l], z4[:, l]
            m = q.mean()
            if name == "fluctuation":
                influence = q**2 / m**2 - 2 * (q**2).mean() / m**3 * (q - m) - 1
            elif name == "kurtosis":
                influence = f / m**2 - 2 * f.mean() / m**3 * (q - m)
            elif name in ("log_mean", "log_variance"):
                influence = np.log(q[q > 0])
                if name == "log_variance":
                    influence = (influence - influence.mean()) ** 2
            else:
                influence = {"variance": q, "second_moment": a2[:, l], "dead": dead[:, l], "activation_mean": a[:, l]}[
                    name
                ]
            found = share_of(influence, predicted) if name == "dead" else mean_of(influence)
            result.append(score(found, predicted, 1e-12 * (1 + abs(predicted))))
    return np.array(result)
