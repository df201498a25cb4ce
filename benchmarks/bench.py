"""Time varprop beside what people use instead, in one run, and write the tables of docs/speed.md and a figure.

Every engine does the same work: sample He-initialized ReLU networks, x ~ N(0, I), mean z^2 of each
layer, float32, all cores. Engines take turns; figures are medians of several rounds, and ratios are
taken within the run, so that a slow hour of the machine slows all alike.
"""

import argparse
import statistics
import sys
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
from numba import njit
from peers import ENGINES, OURS
from report import draw, machine, table, write_between_marks

from varprop import Network, plots, simulate
from varprop.kernels import GROUP, LANES
from varprop.kernels.normal import normals
from varprop.simulate.ensemble import default_threads

ROOT = Path(__file__).resolve().parent.parent
CASES = {"10 × 256": [256] * 11, "50 × 64": [64] * 51, "10 × 1024": [1024] * 11}
WIDTHS, DEPTHS = (1, 4, 16, 64, 256, 1024), (2, 8, 32)
ACTIVATIONS = ("linear", "relu", "tanh", "erf", "gelu", "silu")
LAWS = ("he", "he_uniform", "he_truncated_normal")


@njit(nogil=True)
def _raw(key, groups, out):
    for i in range(groups):
        normals(out, key, np.uint64(0), np.uint64(1), np.uint64(i))


def _raw_work():
    """Return a call that draws normals with the kernels on one core, and how many."""
    out = np.empty(GROUP, np.float32)
    return lambda: _raw(np.uint64(1), 2**14, out), 2**14 * GROUP


def raw_rates(rounds: int) -> dict[str, float]:
    """Return float32 normals a second on one core: the kernels' and NumPy's."""
    block, rng = np.empty(2**20, np.float32), np.random.default_rng(0)
    numpy = (lambda: rng.standard_normal(dtype=np.float32, out=block), block.size)
    return rates({"varprop": _raw_work(), "NumPy": numpy}, rounds)


def rates(work: dict, rounds: int) -> dict[str, float]:
    """Return counts a second of each (call, count), medians over rounds in which the calls take turns."""
    times = {name: [] for name in work}
    for call, _ in work.values():
        call()
    for _ in range(rounds):
        for name, (call, _) in work.items():
            start = time.perf_counter()
            call()
            times[name].append(time.perf_counter() - start)
    return {name: work[name][1] / statistics.median(t) for name, t in times.items()}


def network_rates(widths, rounds: int, seconds: float, absent: dict) -> dict[str, float]:
    """Return networks a second of every engine that is there; note in ``absent`` why others are not."""
    work = {}
    for name, make in ENGINES.items():
        try:
            count = _networks(name, make, widths, seconds)
            work[name] = make(widths, count), count
        except ImportError as reason:
            absent[name] = str(reason)
    return rates(work, rounds)


def _networks(name: str, make, widths, seconds: float) -> int:
    """Return how many networks a call draws: ours some ``seconds`` of work, peers 16 MiB of weights a layer.

    Peers are no faster with more: their weights then leave the cache. Ours need a few tiles a thread.
    """
    if name not in OURS:
        return min(2**14, max(4, 2**22 // max(n * m for n, m in pairwise(widths))))
    least = 2 * LANES * default_threads()
    return max(1, round(seconds * _speed(make(widths, least), least))) * least


def _speed(call, networks: int) -> float:
    """Return about how many times a second ``call`` runs."""
    call()
    start = time.perf_counter()
    call()
    return 1 / (time.perf_counter() - start)


def _sampler(widths, activation, weights, method, threads, seconds):
    """Return a call of `simulate.forward` that takes about ``seconds``, and how many networks it draws."""
    network = Network(widths, activation, weights)

    def call(networks):
        return lambda: simulate.forward(network, networks=networks, method=method, threads=threads, progress=False)

    least = 2 * LANES * default_threads()
    networks = max(1, round(seconds * _speed(call(least), least))) * least
    return call(networks), networks


def shares(rounds: int, seconds: float) -> dict[str, dict[str, float]]:
    """Return random numbers used a second over the raw rate of normals, one core, both in the same rounds."""
    found = {}
    for width in (64, 256, 1024):
        widths = [width] * 11
        work = {"raw": _raw_work()}
        for name in ACTIVATIONS:
            call, networks = _sampler(widths, name, "he", "conditional", 1, seconds)
            work[f"conditional, {name}"] = call, networks * sum(widths)
        for law in LAWS:
            call, networks = _sampler(widths, "relu", law, "dense", 1, seconds)
            work[f"dense, {law}"] = call, networks * (sum(widths[:1]) + 10 * width * width)
        measured = rates(work, rounds)
        found[str(width)] = {name: rate / measured["raw"] for name, rate in measured.items() if name != "raw"}
    return found


def scaling(rounds: int, seconds: float) -> dict[str, float]:
    """Return the speed on all cores over that on one, over the number of cores."""
    found, cores = {}, default_threads()
    for case, widths in CASES.items():
        for method in ("conditional", "dense"):
            work = {
                threads: _sampler(widths, "relu", "he", method, threads, seconds * threads) for threads in (1, cores)
            }
            measured = rates(work, rounds)
            found[f"{method} {case}"] = measured[cores] / measured[1] / cores
    return found


@plots.style()
def main(argv=None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="rounds to take medians of (default: 5)")
    parser.add_argument("--seconds", type=float, default=0.5, help="about how long one call should take (default: 0.5)")
    parser.add_argument("--quick", action="store_true", help="one short round of the first case; writes nothing")
    options = parser.parse_args(argv)
    absent: dict[str, str] = {}
    numbers = {"machine": machine(), "cores": default_threads(), "absent": absent}
    if options.quick:
        numbers["cases"] = {"10 × 256": network_rates(CASES["10 × 256"], 1, 0.01, absent)}
        print(table({**numbers, "raw": raw_rates(1), "shares": {}, "scaling": {}}))
        return

    def say(words):
        print(f"timing {words} ...", file=sys.stderr)

    numbers["cases"] = {}
    for name, widths in CASES.items():
        say(name)
        numbers["cases"][name] = network_rates(widths, options.rounds, options.seconds, absent)
    say("activations, weight laws and threads")
    numbers["raw"] = raw_rates(max(options.rounds, 5))
    numbers["shares"] = shares(options.rounds, options.seconds / 2)
    numbers["scaling"] = scaling(options.rounds, options.seconds)
    say("widths and depths")
    numbers["by_width"] = {w: network_rates([w] * 11, 3, options.seconds / 2, absent) for w in WIDTHS}
    numbers["by_depth"] = {d: network_rates([64] * (d + 1), 3, options.seconds / 2, absent) for d in DEPTHS}
    text = table(numbers)
    print(text)
    plots.save(draw(numbers["by_width"], numbers["by_depth"]), ROOT / "figures" / "speed", numbers)
    write_between_marks(ROOT / "docs" / "speed.md", "bench", text)


if __name__ == "__main__":
    main()
