"""A run with a checkpoint, killed at random moments and asked for again until it is done. `make soak` does it often.

``python tests/kills.py KILLS`` kills so many, and prints how it went. Nothing here depends on how fast a machine is.
"""

import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from varprop import Network, load, simulate

NETWORK = Network([16] * 6, "tanh", "lecun")
MANY = 64 * 20_000
CODE = """
import sys
from varprop import Network, simulate
network = Network([16] * 6, "tanh", "lecun")
print("ready", flush=True)
simulate.forward(network, networks=int(sys.argv[2]), seed=int(sys.argv[3]), checkpoint=sys.argv[1], block_size=640)
print("done", flush=True)
"""


def killed(path: Path, networks: int, seed: int, after: float, how=signal.SIGKILL) -> bool:
    """Start the run, end it ``after`` some seconds, and return whether it was done before."""
    command = [sys.executable, "-c", CODE, str(path), str(networks), str(seed)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as child:
        if child.stdout.readline() != "ready\n":
            raise RuntimeError("the run did not start")
        time.sleep(after)
        child.send_signal(how)
        return child.stdout.read() == "done\n"


def soak(kills: int, networks: int = MANY) -> dict:
    """Kill runs so many times; return how many runs that took, and how many of these had equal bits."""
    done = equal = left = resumed = count = 0
    with tempfile.TemporaryDirectory() as folder:
        while count < kills:
            seed = random.randrange(2**32)
            whole = simulate.forward(NETWORK, networks=networks, seed=seed)
            path = Path(folder) / f"{seed}.varprop"
            known, patience = 0, 2.0
            while not killed(path, networks, seed, random.random() * patience):
                count += 1
                before, known = known, _networks(path) if path.exists() else 0  # it can be read, always
                assert known >= before, (known, before)  # and there is never less in it
                resumed += known > 0
                patience *= 1.0 if known > before else 1.5  # a busy machine gets nowhere sooner
            found = load(path)
            done += 1
            equal += found.variance.values.tobytes() == whole.variance.values.tobytes()
            left += len([p for p in Path(folder).iterdir() if p.name.startswith(".")])
    return {"kills": count, "runs": done, "equal to the bit": equal, "kills after something was kept": resumed,
            "unfinished files left": left}  # fmt: skip


def _networks(path: Path) -> int:
    from varprop.run_files import read

    return read(path)[0].sums.networks


if __name__ == "__main__":
    print(json.dumps(soak(int(sys.argv[1])), indent=1))
