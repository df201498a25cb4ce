"""Hold what first order says of itself against random networks, drawn weight by weight by a sampler of its own.

Each profile of first order is doubted from some point on (`profile.doubtful`). Here networks of random depth, widths
of 1 to 64, activations, weights, biases and inputs are drawn, their every weight by NumPy, and what is not doubted
must be off by no more than that point says. As a control the same is asked of infinite width. benchmarks/doubt.json
holds the counts; docs/doubt.md is made from it.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from report import table_lines, write_between_marks

from varprop import Network, theory
from varprop.quantities import QUANTITIES

ROOT = Path(__file__).resolve().parent.parent
STORE = ROOT / "benchmarks" / "doubt.json"
PHIS = ("tanh", "erf", "hardtanh", "sin", "softsign", "sigmoid", "elu", "selu", "softplus", "mish", "gelu", "silu")
FORWARD = ("variance", "second_moment", "activation_mean", "fluctuation", "kurtosis", "log_mean", "log_variance")
BACKWARD = ("gradient_variance", "weight_gradient_variance", "input_gradient_variance", "fluctuation", "log_mean")
ABSOLUTE = ("log_mean", "log_variance")  # of which the point is a distance; of others it is relative
SURE = 3.0  # standard errors that are left to the sample
RESOLVED = 0.25  # of the point: a value with a larger standard error says nothing
BATCH = 1000


def random_case(rng) -> tuple[Network, np.ndarray | None]:
    """Return a network of widths 1 to 64, no exact theory, and its inputs."""
    depth = int(rng.integers(2, 10))
    width = lambda: int(np.exp(rng.uniform(0, np.log(64.99))))  # noqa: E731
    inner = [width()] * depth if rng.random() < 0.5 else [width() for _ in range(depth)]
    if rng.random() < 0.3:  # a bottleneck
        inner[int(rng.integers(depth))] = int(rng.integers(1, 5))
    law = str(rng.choice(["lecun", "he", "glorot"]))
    shape = str(rng.choice(["", "", "_uniform", "_truncated_normal"]))  # of the first layer
    network = Network(
        [width(), *inner],
        str(rng.choice(PHIS)),
        [law + shape] + [law] * (depth - 1),
        multiplier=float(rng.choice([0.5, 1.0, 1.0, 2.0])),
        bias_variance=float(rng.choice([0.0, 0.0, 0.1])),
    )
    rows = int(rng.choice([0, 1, 5]))
    return network, rng.normal(size=(rows, network.widths[0])) if rows else None


def draw(network: Network, rows, count: int, rng) -> dict:
    """Return samples, one number a network: means over a layer's units of z^2, a^2, a, z^4 and of the gradients."""
    found = {}

    def keep(name, l, values):
        found.setdefault((name, l), []).append(np.asarray(values, dtype=np.float64))

    for start in range(0, count, BATCH):
        size = min(BATCH, count - start)
        x = rng.standard_normal((size, network.widths[0]))
        a = x if rows is None else rows[rng.integers(len(rows), size=size)]
        passed = []
        for l, layer in enumerate(network.layers):
            w = _weights(rng, layer, size)
            z = np.matmul(w, a[..., None])[..., 0] + np.sqrt(layer.bias_variance) * rng.standard_normal(
                (size, layer.fan_out)
            )
            passed.append((w, a, z))
            a = layer.activation.phi(z)
            for name, values in (("q", z**2), ("fourth", z**4), ("second", a**2), ("mean", a)):
                keep(name, l, values.mean(axis=1))
        delta = rng.standard_normal(z.shape)
        for l in reversed(range(network.depth)):
            w, a, z = passed[l]
            if l < network.depth - 1:
                delta = network.layers[l].activation.dphi(z) * _back(passed[l + 1][0], delta)
            keep("d", l, (delta**2).mean(axis=1))
            keep("weight", l, (delta**2).mean(axis=1) * (a**2).mean(axis=1))
        keep("input", 0, (_back(passed[0][0], delta) ** 2).mean(axis=1))
    return {key: np.concatenate(parts) for key, parts in found.items()}


def _back(w, delta):
    return np.matmul(delta[:, None], w)[:, 0]


def _weights(rng, layer, size):
    shape, deviation = (size, layer.fan_out, layer.fan_in), np.sqrt(layer.weight_variance)
    if layer.distribution == "uniform":
        return rng.uniform(-1, 1, shape) * np.sqrt(3) * deviation
    w = rng.standard_normal(shape)
    if layer.distribution == "truncated_normal":
        while (far := np.abs(w) > 2).any():
            w[far] = rng.standard_normal(far.sum())
        deviation /= 0.87962566103423978  # what the cut leaves
    return w * deviation


def estimates(sample: dict, side: str, name: str, l: int) -> tuple[float, float]:
    """Return an estimate of a quantity and its standard error, by influences of single networks."""
    size = sample["q" if side == "forward" else "d", l]
    plain = {"variance": "q", "second_moment": "second", "activation_mean": "mean", "gradient_variance": "d"}
    plain |= {"weight_gradient_variance": "weight", "input_gradient_variance": "input"}
    if name in plain:
        values = sample[plain[name], l]
        return _mean(values, values)
    if name in ABSOLUTE:
        logs = np.log(size[size > 0])
        return _mean(*2 * [logs if name == "log_mean" else (logs - logs.mean()) ** 2])
    m = size.mean()
    if name == "fluctuation":
        ratio = (size**2).mean() / m**2
        return ratio - 1, _mean(size**2 / m**2 - 2 * ratio * size / m, size)[1]
    fourth = sample["fourth", l]
    ratio = fourth.mean() / m**2
    return ratio, _mean(fourth / m**2 - 2 * ratio * size / m, size)[1]


def _mean(values, like):
    return float(values.mean()), float(values.std() / np.sqrt(len(like)))


def judged(network, rows, sample) -> list:
    """Return a row a value that the sample resolves: its quantity, whether it is doubted, how far first order surely is
    off over where doubt begins, and the same of infinite width."""
    found = []
    for side, names in (("forward", FORWARD), ("backward", BACKWARD)):
        ask = getattr(theory, side)
        predicted, wide = ask(network, rows), ask(network, rows, order="infinite")
        for name in names:
            profile, limit = predicted.profiles[name], wide.profiles.get(name)
            if profile.left_out is None:  # exact
                continue
            for l in range(len(profile.values)):
                value, error = estimates(sample, side, name, l)
                point = QUANTITIES[name].doubt_beyond * (1.0 if name in ABSOLUTE else abs(value))
                if not error < RESOLVED * point:
                    continue
                off = (max(abs(float(p.values[l]) - value) - SURE * error, 0.0) / point for p in (profile, limit))
                found.append([f"{side} {name}", bool(profile.doubtful[l]), *off])
    return found


def page(store: dict) -> str:
    """Return the table of docs/doubt.md."""
    rows = []
    for name, mine in store["values"].items():
        sure, unsure = ([row[1:] for row in mine if row[0] == doubted] for doubted in (0, 1))
        wrong = [off for off, _ in sure if off > 1]
        side, quantity = name.split()
        point = QUANTITIES[quantity].doubt_beyond
        unit = f"{point:g}" if quantity in ABSOLUTE else f"{point:.0%}"
        cells = [f"{side}, {quantity}", unit, str(len(sure)), str(len(wrong))]
        cells.append(f"{max([off for off, _ in sure], default=0.0):.2f}")
        cells += [str(sum(wide > 1 for _, wide in sure)), str(len(unsure)), str(sum(off > 1 for off, _ in unsure))]
        rows.append(cells)
    heads = ["quantity", "doubted beyond", "not doubted", "wrong", "worst", "wrong at infinite width"]
    total = [sum(int(row[i]) for row in rows) for i in (2, 3, 5, 6, 7)]
    rows.append(["all", "", *map(str, total[:2]), "", *map(str, total[2:])])
    lines = table_lines([*heads, "doubted", "of them off"], rows)
    return "\n".join([f"{store['networks']} networks.", "", *lines])


def main(argv=None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", type=int, default=150, help="random networks (default: 150)")
    parser.add_argument("--seed", type=int, default=0, help="equal seeds give an equal table (default: 0)")
    parser.add_argument("--weights", type=float, default=6e7, help="weights drawn of each, about (default: 6e7)")
    parser.add_argument("--quick", action="store_true", help="three networks, few weights; writes nothing")
    options = parser.parse_args(argv)
    networks, weights = (3, 1e6) if options.quick else (options.networks, options.weights)
    store = {"seed": options.seed, "networks": networks, "values": {}}
    for i in range(networks):
        rng = np.random.default_rng([options.seed, i])
        network, rows = random_case(rng)
        size = sum(layer.fan_in * layer.fan_out for layer in network.layers)
        sample = draw(network, rows, int(np.clip(weights / size, 2000, 100_000)), rng)
        for row in judged(network, rows, sample):
            if row[2] > 1 and not row[1]:
                print(i, network, "data" if rows is None else rows.shape, row, flush=True)
            numbers = (round(min(off, 99.0), 2 if off < 0.9 or off > 2 else 4) for off in row[2:])
            store["values"].setdefault(row[0], []).append([int(row[1]), *numbers])
    print(page(store))
    if not options.quick:
        STORE.write_text(json.dumps(store).replace("]], ", "]],\n") + "\n")
        write_between_marks(ROOT / "docs" / "doubt.md", "doubt", page(store))


if __name__ == "__main__":
    main()
