"""How often `compare` raises a false alarm, how often it finds a wrong number, and how many layers it leaves unjudged.

Each row is one kind of network. Its ensembles are simulations of few networks each, drawn in one stream and held
against theory where that is exact, else against an independent simulation as large as a hundred of them together, whose
error counts. All are judged by the sample's own error, as where theory is not exact; the nine worst cases also by
theory's. benchmarks/calibration.json holds counts and is added to, the least complete row first, until all rows have as
many ensembles as they should: stop when you like, and go on by running this again. docs/calibration.md is made from it.
"""

import argparse
import json
import time
import zlib
from functools import cache, partial
from pathlib import Path

import numpy as np
from calibration_page import LEVELS, added, page
from report import write_between_marks
from scipy import special

from varprop import LayerProfile, Network, VarianceScaling, compare, simulate, theory
from varprop.inputs import as_inputs, as_loss, as_pair
from varprop.kernels import LANES
from varprop.kernels.layer import RECORD_FIELDS
from varprop.records import Backward, Forward, Pair
from varprop.simulate import ensemble, graph, samplers
from varprop.statistics import backward_profiles, forward_profiles, pair_profiles
from varprop.tails import lognormal_skewness

ROOT = Path(__file__).resolve().parent.parent
STORE = ROOT / "benchmarks" / "calibration.json"
WRONG = (5, 10)  # standard errors
RECORDS = {"forward": Forward, "backward": Backward, "pair": Pair}
PROFILES = {"forward": forward_profiles, "backward": backward_profiles, "pair": pair_profiles}
ROWS = np.random.default_rng(1).normal(size=(50, 8)) * np.geomspace(0.3, 3, 50)[:, None]
NETWORKS = {  # by what is special about them
    "wide": (Network([256] * 4, "relu", "he"), None),
    "wide tanh": (Network([128] * 5, "tanh", "lecun"), None),
    "relu": (Network([64] * 9, "relu", "he"), None),
    "relu, narrow": (Network([16] * 9, "relu", "he"), None),
    "deep, narrow": (Network([8] * 9, "relu", "he"), None),
    "deeper": (Network([16] * 17, "relu", "he"), None),
    "very narrow": (Network([4] * 8, "relu", "he"), None),
    "linear, one unit": (Network([1] * 5, "linear", "lecun"), None),
    "leaky": (Network([8] * 6, "leaky_relu(0.2)", "he"), None),
    "one feature": (Network([1, 64, 64, 64, 1], "tanh", "glorot"), None),
    "one feature, a grid": (Network([1, 64, 64, 64, 1], "tanh", "glorot"), np.linspace(-1, 1, 200)[:, None]),
    "one feature, relu": (Network([1, 32, 32, 32], "relu", "he"), None),
    "one feature, sin": (Network([1, 32, 32, 1], "sin", VarianceScaling(3, "none")), np.linspace(-1, 1, 201)[:, None]),
    "scalar output": (Network([64, 64, 64, 64, 1], "tanh", "lecun"), None),
    "scalar output, gelu": (Network([32, 32, 32, 1], "gelu", "he"), None),
    "one unit amid": (Network([64, 64, 1, 64, 64], "tanh", "lecun"), None),
    "one unit, relu, biases": (Network([16, 16, 1, 16, 16], "relu", "he", bias_variance=0.01), None),
    "one unit, twice": (Network([8, 1, 8, 1, 8], "sin", "he"), None),
    "two units": (Network([2] * 6, "softplus", "he"), None),
    "three units": (Network([3] * 8, "elu", "he"), None),
    "mish, two units": (Network([2] * 6, "mish", "he"), None),
    "silu": (Network([16] * 9, "silu", "he"), None),
    "gelu": (Network([32] * 7, "gelu", "he"), None),
    "gelu, biases": (Network([8] * 6, "gelu", "he", bias_variance=0.1), None),
    "sigmoid": (Network([8] * 6, "sigmoid", "lecun", bias_variance=0.2), None),
    "sigmoid, steep": (Network([16] * 5, "sigmoid", VarianceScaling(100, "fan_in")), None),
    "tanh, chaotic": (Network([16] * 9, "tanh", VarianceScaling(4, "fan_in"), bias_variance=0.05), None),
    "hardtanh": (Network([16] * 7, "hardtanh", "lecun"), None),
    "selu": (Network([16] * 9, "selu", "lecun"), None),
    "uniform weights": (Network([4] * 5, "relu", "he_uniform"), None),
    "orthogonal": (Network([8] * 6, "tanh", "orthogonal"), None),
    "rows of data": (Network([8, 32, 32, 10], "relu", "he"), ROWS),
    "rows of data, biases": (Network([8, 16, 16, 4], "softsign", "lecun", bias_variance=0.3), ROWS),
    "funnel": (Network([64, 16, 4, 1], "relu", "he"), None),
}
WORST = {  # as in tests/test_comparison.py: each had false alarms of p < 1e-6 in up to 10% of ensembles
    "variance, 8*9": (Network([8] * 9, "relu"), 1000, "variance"),
    "variance, 16*17": (Network([16] * 17, "relu"), 200, "variance"),
    "variance, 1*5 linear": (Network([1] * 5, "linear", "lecun"), 1000, "variance"),
    "second_moment, 4*8": (Network([4] * 8, "relu"), 1000, "second_moment"),
    "fluctuation, 8*4": (Network([8] * 4, "relu"), 100, "fluctuation"),
    "kurtosis, 8*4": (Network([8] * 4, "relu"), 100, "kurtosis"),
    "log_variance, 4*6": (Network([4] * 6, "relu"), 50, "log_variance"),
    "log_mean, 1*10": (Network([1] * 10, "relu"), 1000, "log_mean"),
    "dead, 10*3": (Network([10] * 3, "relu"), 6000, "dead"),
}
MARK = "calibration"


def sampler(kind: str, network: Network, inputs, seed: int):
    """Return what `simulate` draws with and sums by, for one kind of question."""
    if kind == "pair":
        return graph.pair_program(network, *pair_of(network, inputs), seed, "auto").sample_pair, ensemble.PAIR_MOMENTS
    data, method = as_inputs(inputs, network.widths[0]), samplers.choose_method(network, "auto")
    if kind == "forward":
        return samplers.forward_sampler(network, data, seed, method), ensemble.MOMENTS
    loss = as_loss("linear", network.widths[-1])
    return samplers.backward_sampler(network, data, loss, seed, method), ensemble.MOMENTS


def pair_of(network: Network, inputs):
    """Return a correlation of 0.5, or of data two rows."""
    return as_pair(*((0.5, None) if inputs is None else (None, two_rows(inputs))), network.widths[0])


def two_rows(inputs):
    """Return the first row and another that is not its opposite, as the last of a grid is."""
    return inputs[[0, len(inputs) // 3]]


def ensembles(kind: str, network: Network, inputs, networks: int, count: int, seed: int) -> list:
    """Return the profiles of ``count`` ensembles, each as if `simulate` had been asked for ``networks``.

    One stream of networks is cut into them; the first is, bit for bit, what `simulate` gives for this seed. In the
    profiles the layers of one ensemble follow those of another, 100 ensembles at a time.
    """
    sample, reduction = sampler(kind, network, inputs, seed)
    tiles, stop = -(-networks // LANES), np.zeros(1, np.uint8)
    depth = network.depth
    rows = depth + (kind == "backward")  # the last is of the gradient by the input
    records = np.empty((tiles, rows, RECORD_FIELDS, LANES))
    sums, found, total = np.empty((tiles, rows, reduction.columns)), [], []
    for i in range(count):
        sample(i * tiles * LANES, records, stop)
        pivots = reduction.pivots(records[0, :, :, : min(LANES, networks)])
        reduction.tally(records, networks, pivots, sums)
        total.append((sums.sum(axis=0)[:depth], pivots[:depth]))
        if len(total) == 100 or i == count - 1:
            stacked = [np.concatenate(part) for part in zip(*total, strict=True)]
            found.append(PROFILES[kind](*stacked, networks))
            total = []
    return found


@cache
def line(depth: int) -> Network:
    """Return a network of so many layers."""
    return Network([1] * (depth + 1), "linear")


def record(kind: str, depth: int, profiles: dict, networks: int | None):
    """Return a record of ``depth`` layers that holds these profiles; which network it names plays no part."""
    more = {"backward": {"loss": "linear"}, "pair": {"input_correlation": 0.5}}.get(kind, {})
    return RECORDS[kind](line(depth), **more, **profiles, networks=networks)


def truth(kind: str, network: Network, inputs, networks: int, seed: int):
    """Return the right profiles: theory where it is exact, else a simulation of ``networks``."""
    name = RECORDS[kind].main
    options = {"inputs": inputs}
    if kind == "pair":
        options = {"correlation": 0.5} if inputs is None else {"inputs": two_rows(inputs)}
    found = getattr(theory, kind)(network, **options)
    if found.profiles[name].origin != "exact":
        found = getattr(simulate, kind)(network, **options, networks=networks, seed=seed, threads=1)
    return found


def tiled(profile: LayerProfile, count: int, off=0.0) -> LayerProfile:
    """Return a prediction for ``count`` ensembles, wrong by ``off``."""
    return LayerProfile(np.tile(profile.values + off, count), np.tile(profile.errors, count), profile.origin)


def judged_before(kind: str, profiles: dict, widths, networks: int) -> np.ndarray:
    """Return what was judged before: by the spread of ln q-hat, whichever way it leans; shape of the profiles."""
    if kind == "pair":
        c = profiles["correlation"]
        with np.errstate(all="ignore"):  # of one feature the correlation is 1 or -1
            spread = networks * (c.errors / (1 - np.abs(c.values))) ** 2
    else:
        units = np.resize(np.array(widths[1:]), len(profiles["log_variance"]))
        logs = np.maximum(profiles["log_variance"].values - special.polygamma(1, units / 2), 0.0)
        spread = np.fmax(profiles["fluctuation"].values, np.exp(logs) * (1 + 2 / units) - 1)
    return lognormal_skewness(spread) / np.sqrt(networks) <= 0.1


def family(p_values: np.ndarray) -> np.ndarray:
    """Return p of all judged layers together, as `Comparison.p_value`, from (ensembles, layers)."""
    judged = (~np.isnan(p_values)).sum(axis=1)
    smallest = np.where(np.isnan(p_values), 1.0, p_values).min(axis=1)
    return np.where(judged > 0, -np.expm1(judged * np.log1p(-np.minimum(smallest, 1 - 1e-16))), 1.0)


def count_row(kind: str, network: Network, inputs, networks: int, count: int, seed: int) -> dict:
    """Return the counts of one row of the first table, from ``count`` ensembles."""
    right = truth(kind, network, inputs, count * networks, seed + 1)
    name, depth = right.main, network.depth
    right, counts = right.profiles[name], {}
    for profiles in ensembles(kind, network, inputs, networks, count, seed):
        k = len(profiles[name]) // depth
        measured = record(kind, k * depth, profiles, networks)

        def judge(off=0.0, k=k, measured=measured):
            predicted = record(kind, k * depth, {name: tiled(right, k, off)}, None)
            return compare(measured, predicted).p_values.reshape(k, depth)

        p = judge()
        spread = np.sqrt(np.mean(profiles[name].errors.reshape(k, depth) ** 2, axis=0))
        judged = ~np.isnan(p)
        together, layers = family(p), p[judged]
        new = {
            "ensembles": k,
            "layers": p.size,
            "judged": layers.size,
            "judged before": int(judged_before(kind, profiles, network.widths, networks).sum()),
            "alarms": [int((together < a).sum()) for a in LEVELS],
            "layer alarms": [int((layers < a).sum()) for a in LEVELS],
            "found": [int(sum((judge(side * off * spread)[judged] < 1e-6).sum() for side in (1, -1))) for off in WRONG],
        }
        counts = added(counts, new)
    return counts


def count_worst(network: Network, networks: int, quantity: str, own: bool, count: int, seed: int) -> dict:
    """Return the counts of one row of the second table."""
    right, depth, counts = theory.forward(network), network.depth, {}
    known = {} if own else {n: right.profiles[n] for n in ("fluctuation", "log_variance")}
    for profiles in ensembles("forward", network, None, networks, count, seed):
        k = len(profiles[quantity]) // depth
        predicted = {n: tiled(p, k) for n, p in {**known, quantity: right.profiles[quantity]}.items()}
        predicted.setdefault("variance", tiled(right.variance, k))
        sides = record("forward", k * depth, profiles, networks), record("forward", k * depth, predicted, None)
        p = compare(*sides, quantity=quantity).p_values.reshape(k, depth)
        alarms = [int((family(p) < a).sum()) for a in LEVELS]
        counts = added(
            counts, {"ensembles": k, "layers": p.size, "judged": int((~np.isnan(p)).sum()), "alarms": alarms}
        )
    return counts


def tasks(quick: bool):
    """Return the rows: key, how many ensembles a round has and there should be, and what counts them."""
    for name, (network, inputs) in NETWORKS.items():
        for kind in RECORDS:
            yield f"{name}; {kind}", 100, 100 if quick else 2000, partial(count_row, kind, network, inputs, 1000)
    for name, (network, networks, quantity) in WORST.items():
        for own in (False, True) if quantity in ("variance", "log_mean") else (True,):
            call = partial(count_worst, network, networks, quantity, own)
            yield f"{name}; {'sample' if own else 'theory'}", 5000, 100 if quick else 100_000, call


def measure(store: dict, quick: bool, seconds: float, keep) -> None:
    """Add rounds to ``store``, least complete rows first, until all are complete or the time is over."""
    rows, start = {key: row for key, *row in tasks(quick)}, time.process_time()
    while time.process_time() - start < seconds:
        share = {key: store.get(key, {}).get("ensembles", 0) / most for key, (_, most, _) in rows.items()}
        key = min(share, key=share.get)
        if share[key] >= 1:
            return
        size, most, call = rows[key]
        done = store.get(key, {}).get("ensembles", 0)
        seed = zlib.crc32(key.encode()) * 2**24 + 2 * done  # and the next one, for the truth: none is used twice
        store[key] = added(store.get(key, {}), call(min(size, most - done), seed))
        keep(store)


def main(argv=None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="100 ensembles a row; writes nothing")
    parser.add_argument("--seconds", type=float, default=1500, help="of CPU time at most (default: 1500)")
    options = parser.parse_args(argv)
    store = {} if options.quick or not STORE.exists() else json.loads(STORE.read_text())

    def keep(found):
        if not options.quick:
            STORE.write_text(json.dumps(found, indent=1) + "\n")

    measure(store, options.quick, options.seconds, keep)
    print(page(store, RECORDS))
    if not options.quick:
        write_between_marks(ROOT / "docs" / "calibration.md", MARK, page(store, RECORDS))


if __name__ == "__main__":
    main()
