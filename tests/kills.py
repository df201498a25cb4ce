"""Runs with a checkpoint, killed at random moments and asked for again until they are done. `make soak` does it often.

``python tests/kills.py KILLS`` kills so many, ``--at-once`` runs side by side, each with a folder and a seed of its
own, and prints how it went. Nothing here depends on how fast a machine is.
"""

import argparse
import json
import math
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from varprop import Network, load, simulate
from varprop.layers import Dense, Residual, RMSNorm
from varprop.simulate import checkpoints

CHAIN = Network([16] * 6, "tanh", "lecun")
GRAPH = Network.sequential(16, Dense(16), Residual(RMSNorm(), Dense(16)), Dense(4))
QUESTIONS = {
    "forward": lambda **given: simulate.forward(CHAIN, **given),
    "backward": lambda **given: simulate.backward(GRAPH, **given),
    "law": lambda **given: simulate.law(CHAIN, **given),
    "in stages": lambda **given: simulate.forward(CHAIN, relative_error=1e-5, **given),
}
MANY = 64 * 50_000
BLOCKS = 500  # a run, so that there is much to keep
WAYS = ("eager", "seldom")  # whether it is written after each block, so that kills fall into that, or as it is


def draw(path: str, asked: str, networks: str, seed: str, way: str) -> None:
    """Do one run, in a process of its own."""
    if way == "eager":
        checkpoints.LEAST, checkpoints.SHARE = 0.0, math.inf
    QUESTIONS[asked](networks=64)  # kernels are loaded
    print("ready", flush=True)
    QUESTIONS[asked](networks=int(networks), seed=int(seed), checkpoint=path, block_size=int(networks) // BLOCKS)
    print("done", flush=True)


def killed(words: list[str], after: float, how=signal.SIGKILL) -> bool:
    """Start a run, end it ``after`` some seconds, and return whether it was done before."""
    command = [sys.executable, __file__, "--draw", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        if child.stdout.readline() != "ready\n":
            raise RuntimeError(f"the run did not start: {child.stderr.read()}")
        time.sleep(after)
        child.send_signal(how)
        if child.stdout.read() == "done\n":
            return True
        if child.wait() == 1:
            raise RuntimeError(f"the run failed: {child.stderr.read()}")
        return False


def soak(kills: int, networks=MANY, questions=tuple(QUESTIONS), ways=WAYS, seed: int | None = None) -> dict[str, int]:
    """Kill runs so many times; return how many runs that took, and how many of these had equal bits.

    A run is killed after a random part of the time that it may take, which is more where nothing was kept.
    """
    done = equal = left = resumed = count = 0
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="varprop-kills-") as folder:
        while count < kills:
            own, asked, start = chance.randrange(2**32), chance.choice(questions), time.monotonic()
            whole = QUESTIONS[asked](networks=networks, seed=own, threads=1)
            path = Path(folder) / f"{own}.varprop"
            words = [str(path), asked, str(networks), str(own), chance.choice(ways)]
            known, patience = 0, time.monotonic() - start
            while not killed(words, chance.random() * patience):
                count += 1
                before, known = known, _networks(path) if path.exists() else 0  # it can be read, always
                assert known >= before, (words, known, before)  # and there is never less in it
                resumed += known > 0
                patience *= 1.0 if known > before else 1.5  # a busy machine gets nowhere sooner
            done += 1
            equal += load(path).run.sums.total().tobytes() == whole.run.sums.total().tobytes()
            left += len([p for p in Path(folder).iterdir() if p.name.startswith(".")])
            path.unlink()
    return {"kills": count, "runs": done, "equal to the bit": equal, "kills after something was kept": resumed,
            "unfinished files left": left}  # fmt: skip


def soak_at_once(kills: int, lanes: int, networks: int, seed: int) -> dict[str, int]:
    """Do so in ``lanes`` threads of this process, each of which starts and kills runs of its own."""
    for asked in QUESTIONS.values():
        asked(networks=64)  # compiled once
    shares = [kills // lanes + (lane < kills % lanes) for lane in range(lanes)]
    with ThreadPoolExecutor(lanes) as pool:
        lanes = [pool.submit(soak, share, networks, seed=seed + lane) for lane, share in enumerate(shares) if share]
        found = [lane.result() for lane in lanes]
    return {name: sum(one[name] for one in found) for name in found[0]}


def _networks(path: Path) -> int:
    from varprop.run_files import read

    return read(path)[0].sums.networks


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kills", type=int)
    parser.add_argument("--at-once", type=int, default=len(os.sched_getaffinity(0)), help="how many runs side by side")
    parser.add_argument("--networks", type=int, default=MANY, help="how many a run draws")
    parser.add_argument("--seed", type=int, default=random.randrange(2**32), help="of which runs, and when to kill")
    asked = parser.parse_args()
    start = time.monotonic()
    found = soak_at_once(asked.kills, asked.at_once, asked.networks, asked.seed)
    how = {"seed": asked.seed, "at once": asked.at_once, "seconds": round(time.monotonic() - start)}
    print(json.dumps({**found, **how}, indent=1))
    sys.exit(found["equal to the bit"] != found["runs"] or found["unfinished files left"] > 0)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--draw"]:
        draw(*sys.argv[2:])
    else:
        main()
