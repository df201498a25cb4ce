"""Time this tree against an older commit, process by process in turn, and what the graphs' kernels must reach.

Each round starts one process of either tree, which times every case once, in CPU seconds of one thread. Medians are
over rounds; a ratio is one of the same round, so that a slow hour of the machine slows both alike.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OLD = "e6558d7"  # the last commit before far tails and graphs
CHAINS = {"10 × 256": ([256] * 11, 2**14), "50 × 64": ([64] * 51, 2**13), "10 × 1024": ([1024] * 11, 2**12)}
ACTIVATIONS = ("relu", "tanh", "gelu")
RESIDUAL, PAIR, POSITIONS, DENSE = "residual block", "two samples", "sixteen positions", "sixteen positions, dense"
LEAST = {"old / new": 1 / 1.05, RESIDUAL: 0.7, PAIR: 1.0, POSITIONS: 10.0}


def cases(new: bool) -> dict:
    """Return by name a call that draws networks and how many random numbers a network takes; 1 where nobody counts."""
    from varprop import Network, simulate

    found = {}
    for case, (widths, networks) in CHAINS.items():
        for phi in ACTIVATIONS:
            network = Network(widths, phi)
            for name, draw, some in (
                ("forward", simulate.forward, networks),
                ("backward", simulate.backward, networks // 2),
            ):
                found[f"{case}, {phi}, {name}"] = _call(draw, network, some), some * sum(widths)
        found[f"{PAIR}, {case}, relu"] = (
            _call(simulate.pair, Network(widths, "relu"), networks // 2, correlation=0.5),
            1,
        )
    if new:
        found |= _graphs(Network, simulate)
    return found


def _graphs(network, simulate) -> dict:
    from varprop.layers import Dense, LayerNorm, Residual

    blocks = [Residual(LayerNorm(), Dense(256), "relu", Dense(256)) for _ in range(5)]
    wide = network.sequential(1024, Dense(1024), "relu", Dense(1024), positions=16)
    return {
        RESIDUAL: (_call(simulate.forward, network.sequential(256, *blocks), 2**14), 2**14 * 256 * 11),  # as the chain
        POSITIONS: (_call(simulate.forward, wide, 2**9, method="conditional"), 2**9),
        DENSE: (_call(simulate.forward, wide, 2**6, method="dense"), 2**6),
    }


def _call(draw, network, networks: int, **options):
    return lambda: draw(network, networks=networks, threads=1, progress=False, **options)


def time_cases(new: bool, seconds: float) -> dict[str, float]:
    """Return CPU seconds a random number, or a network, of every case, of calls of ``seconds`` in all."""
    found = {}
    for name, (call, count) in cases(new).items():
        call()
        spent, calls = 0.0, 0
        while not calls or spent < seconds:
            start = time.process_time()
            call()
            spent, calls = spent + time.process_time() - start, calls + 1
        found[name] = spent / calls / count
    return found


def run(tree: Path, new: bool, seconds: float) -> dict[str, float]:
    """Return what a process of its own measures in ``tree``."""
    words = [sys.executable, __file__, "--one", "new" if new else "old", "--seconds", str(seconds)]
    done = subprocess.run(
        words, env={**os.environ, "PYTHONPATH": str(tree)}, cwd=tree, check=True, capture_output=True, text=True
    )
    return json.loads(done.stdout)


def compare(rounds: list[tuple[dict, dict]]) -> dict[str, dict]:
    """Return by row of the table its ratio, the larger the better, what it must reach, and medians in nanoseconds."""
    found = {}

    def add(name, ratios, least, **times):
        medians = {key: 1e9 * statistics.median(values) for key, values in times.items()}
        found[name] = {"ratio": statistics.median(ratios), "least": least, **medians}

    for name in rounds[0][0]:
        old, new = ([r[i][name] for r in rounds] for i in (0, 1))
        least = LEAST[PAIR] if name.startswith(PAIR) else LEAST["old / new"]
        add(name, [a / b for a, b in zip(old, new, strict=True)], least, old=old, new=new)
    news = [new for _, new in rounds]
    if RESIDUAL in news[0]:
        chain = [new["10 × 256, relu, forward"] for new in news]
        block, many, dense = ([new[name] for new in news] for name in (RESIDUAL, POSITIONS, DENSE))
        add(RESIDUAL, [a / b for a, b in zip(chain, block, strict=True)], LEAST[RESIDUAL], chain=chain, new=block)
        add(POSITIONS, [a / b for a, b in zip(dense, many, strict=True)], LEAST[POSITIONS], dense=dense, new=many)
    return found


WORDS = {
    RESIDUAL: "pre-norm residual ReLU blocks of width 256: random numbers a second over the chain's",
    POSITIONS: "sixteen positions, two layers of width 1024: networks a second over the dense sampler's",
}


def table(rows: dict[str, dict]) -> str:
    """Return the rows as a Markdown table."""
    lines = ["| case | ratio | asked for | |", "|---|---:|---:|---|"]
    for name, row in rows.items():
        said = WORDS.get(name, f"{name}: speed over the old one's")
        kept = "yes" if row["ratio"] >= row["least"] else "**no**"
        lines.append(f"| {said} | {row['ratio']:.2f} | {row['least']:.2f} | {kept} |")
    return "\n".join(lines)


def main(argv=None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--old", default=OLD, help=f"the older commit (default: {OLD})")
    parser.add_argument("--rounds", type=int, default=15, help="rounds to take medians of (default: 15)")
    parser.add_argument("--seconds", type=float, default=0.1, help="least CPU time a case and round (default: 0.1)")
    parser.add_argument("--one", choices=("old", "new"), help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.one:
        print(json.dumps(time_cases(options.one == "new", options.seconds)))
        return
    with tempfile.TemporaryDirectory() as folder:
        old = Path(folder)
        archive = subprocess.run(["git", "archive", options.old], cwd=ROOT, check=True, capture_output=True).stdout
        subprocess.run(["tar", "x", "-C", folder], input=archive, check=True)
        for tree, new in ((old, False), (ROOT, True)):
            run(tree, new, 0.0)  # compiles
        rounds = []
        for k in range(options.rounds):
            print(f"round {k + 1} of {options.rounds} ...", file=sys.stderr)
            rounds.append((run(old, False, options.seconds), run(ROOT, True, options.seconds)))
    rows = compare(rounds)
    print(table(rows))
    report = {"old": options.old, "rounds": options.rounds, "rows": rows}
    (ROOT / "benchmarks" / "against.json").write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
