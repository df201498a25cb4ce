"""Time varprop beside what people use instead, in one run, and write the README's table and a figure.

Every engine does the same work: sample He-initialized ReLU networks, x ~ N(0, I), mean z^2 of each
layer, float32, all cores. Engines take turns; figures are medians of several rounds, and ratios are
taken within the run, so that a slow hour of the machine slows all alike.
"""

import argparse
import os
import platform
import re
import statistics
import sys
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
from numba import njit
from peers import ENGINES

from varprop import plots
from varprop.kernels import GROUP, LANES
from varprop.kernels.normal import normals
from varprop.simulate.ensemble import default_threads

ROOT = Path(__file__).resolve().parent.parent
CASES = {"10 × 256": [256] * 11, "50 × 64": [64] * 51, "10 × 1024": [1024] * 11}
WIDTHS, DEPTHS = (1, 4, 16, 64, 256, 1024), (2, 8, 32)
OURS = ("varprop conditional", "varprop dense")
COLOURS = dict(zip(ENGINES, plots.COLOURS, strict=True))


@njit(nogil=True)
def _raw(key, groups, out):
    for i in range(groups):
        normals(out, key, np.uint64(0), np.uint64(1), np.uint64(i))


def raw_rates(rounds: int) -> dict[str, float]:
    """Return float32 normals a second on one core: the kernels' and NumPy's."""
    out, block, rng = np.empty(GROUP, np.float32), np.empty(2**20, np.float32), np.random.default_rng(0)
    work = {
        "varprop": (lambda: _raw(np.uint64(1), 2**14, out), 2**14 * GROUP),
        "NumPy": (lambda: rng.standard_normal(dtype=np.float32, out=block), block.size),
    }
    return _rates({name: call for name, (call, _) in work.items()}, {n: c for n, (_, c) in work.items()}, rounds)


def _rates(calls: dict, counts: dict, rounds: int) -> dict[str, float]:
    """Return ``counts`` a second of each call, medians over rounds in which the calls take turns."""
    times = {name: [] for name in calls}
    for call in calls.values():
        call()
    for _ in range(rounds):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            times[name].append(time.perf_counter() - start)
    return {name: counts[name] / statistics.median(t) for name, t in times.items()}


def network_rates(widths, rounds: int, seconds: float, absent: dict) -> dict[str, float]:
    """Return networks a second of every engine that is there; note in ``absent`` why others are not."""
    calls, counts = {}, {}
    for name, make in ENGINES.items():
        try:
            counts[name] = _networks(name, make, widths, seconds)
            calls[name] = make(widths, counts[name])
        except ImportError as reason:
            absent[name] = str(reason)
    return _rates(calls, {name: counts[name] for name in calls}, rounds)


def _networks(name: str, make, widths, seconds: float) -> int:
    """Return how many networks a call draws: ours some ``seconds`` of work, peers 16 MiB of weights a layer.

    Peers are no faster with more: their weights then leave the cache. Ours need a few tiles a thread.
    """
    if name not in OURS:
        return min(2**14, max(4, 2**22 // max(n * m for n, m in pairwise(widths))))
    least = 2 * LANES * default_threads()
    call = make(widths, least)
    call()
    start = time.perf_counter()
    call()
    return least * max(1, round(seconds / (time.perf_counter() - start)))


def table(cases: dict[str, dict[str, float]], raw: dict[str, float], absent: dict) -> str:
    """Return the README's table: networks a second, and how many times the fastest peer."""
    names = [n for n in ENGINES if any(n in rates for rates in cases.values())]
    lines = ["| networks a second | " + " | ".join(cases) + " |", "|---|" + "---:|" * len(cases)]
    lines += [f"| {n} | " + " | ".join(f"{rates[n]:,.0f}" for rates in cases.values()) + " |" for n in names]
    for ours in OURS:
        for peer in (n for n in names if n not in OURS):
            ratios = " | ".join(f"{rates[ours] / rates[peer]:,.1f}" for rates in cases.values())
            lines.append(f"| {ours} ÷ {peer} | {ratios} |")
    shares = []
    for ours in OURS:
        for case, rates in cases.items():
            widths = CASES[case]
            draws = sum(widths) if ours == OURS[0] else sum(n * m for n, m in pairwise(widths))
            shares.append(f"{ours.split()[1]} {case} {rates[ours] * draws / raw['varprop'] / default_threads():.0%}")
    notes = [
        f"Machine: {_processor()}, {default_threads()} cores. Raw float32 normals on one core: varprop "
        f"{raw['varprop'] / 1e9:.2f} × 10⁹ a second, {raw['varprop'] / raw['NumPy']:.1f} times NumPy's ziggurat.",
        "Share of that rate on all cores: " + ", ".join(shares) + ".",
    ]
    notes += [f"Not measured: {name} ({why})." for name, why in absent.items()]
    return "\n".join([*lines, "", *notes])


def _processor() -> str:
    try:
        return re.search(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text())[1]
    except (OSError, TypeError):
        return platform.processor() or platform.machine()


def draw(by_width: dict, by_depth: dict):
    """Return a figure of networks a second against width and depth, with the slopes that costs should have."""
    figure = plots.new_figure(10.0, 4.4)
    axes = figure.subplots(1, 2, sharey=True)
    for ax, results, label in zip(axes, (by_width, by_depth), ("width (10 layers)", "depth (width 64)"), strict=True):
        x = list(results)
        for name in ENGINES:
            if name in results[x[0]]:
                y = [results[k][name] for k in x]
                style = {"linewidth": 2.0} if name in OURS else {"linestyle": "--"}
                ax.plot(x, y, marker="o", color=COLOURS[name], label=name, **style)
        ax.set_xscale("log", base=2)
        ax.set_yscale("log")
        ax.set_xlabel(label)
    for name, power in zip(OURS, (1, 2), strict=True):
        end = by_width[WIDTHS[-1]][name]
        x = np.array(WIDTHS[-3:], float)
        axes[0].plot(x, 1.6 * end * (x[-1] / x) ** power, color="0.6", linewidth=1)
        axes[0].annotate(
            f"∝ 1/width{'²' if power == 2 else ''}", (x[1], 2.2 * end * (x[-1] / x[1]) ** power), color="0.4"
        )
    axes[0].set_ylabel("networks a second")
    axes[1].legend()
    return figure


@plots.style()
def main(argv=None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="rounds to take medians of (default: 5)")
    parser.add_argument("--seconds", type=float, default=0.5, help="about how long one call should take (default: 0.5)")
    parser.add_argument("--quick", action="store_true", help="one short round of the first case; writes nothing")
    options = parser.parse_args(argv)
    absent: dict[str, str] = {}
    if options.quick:
        rates = {"10 × 256": network_rates(CASES["10 × 256"], 1, 0.01, absent)}
        print(table(rates, raw_rates(1), absent))
        return
    cases = {}
    for name, widths in CASES.items():
        print(f"timing {name} ...", file=sys.stderr)
        cases[name] = network_rates(widths, options.rounds, options.seconds, absent)
    raw = raw_rates(max(options.rounds, 5))
    print("timing widths and depths ...", file=sys.stderr)
    by_width = {w: network_rates([w] * 11, 3, options.seconds / 2, absent) for w in WIDTHS}
    by_depth = {d: network_rates([64] * (d + 1), 3, options.seconds / 2, absent) for d in DEPTHS}
    text = table(cases, raw, absent)
    print(text)
    numbers = {"cores": os.cpu_count(), "cases": cases, "raw": raw, "by_width": by_width, "by_depth": by_depth}
    plots.save(draw(by_width, by_depth), ROOT / "figures" / "speed", numbers)
    readme = ROOT / "README.md"
    parts = re.split(r"(<!-- bench -->\n).*?(<!-- /bench -->)", readme.read_text(), flags=re.DOTALL)
    readme.write_text("".join([parts[0], parts[1], text, "\n", *parts[2:]]))


if __name__ == "__main__":
    main()
