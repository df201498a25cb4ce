"""What executors cost beside threads here, and what a Dask task costs: the figures of docs/past_one_machine.md.

Seconds are of CPU time, of all processes together, so that they mean something on a machine that does other things too.
"""

import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import psutil
from distributed import Client

from varprop import Network, simulate

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from dask_cluster import Cluster

NETWORK = Network([784] + [512] * 6 + [10], "relu", "he")
NETWORKS = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
TASKS = 2000


def nothing(count):
    return count


def used(processes) -> float:
    """Return the CPU seconds that these processes have taken."""
    return sum(sum(process.cpu_times()[:2]) for process in processes)


def spent(act, *processes) -> tuple[float, float]:
    """Return the CPU seconds that ``act()`` takes of this process and others, and those on the clock."""
    all_of_them = [psutil.Process(), *map(psutil.Process, processes)]
    start, clock = used(all_of_them), time.monotonic()
    act()
    return used(all_of_them) - start, time.monotonic() - clock


def report(name: str, cpu: float, clock: float) -> None:
    print(f"{name:<40} {cpu:8.2f} s of CPU {clock:8.2f} s", flush=True)


def main() -> None:
    def draw(**options):
        simulate.forward(NETWORK, networks=NETWORKS, seed=1, **options)

    simulate.forward(NETWORK, networks=64)
    report("2 threads here", *spent(lambda: draw(threads=2)))
    for count in (1, 2):
        with ProcessPoolExecutor(count, mp_context=get_context("spawn")) as pool:
            simulate.forward(NETWORK, networks=64 * 64, executor=pool)  # each has loaded what it needs
            simulate.forward(NETWORK, networks=64 * 64, executor=pool)
            report(f"ProcessPoolExecutor({count})", *spent(lambda pool=pool: draw(executor=pool), *pool._processes))
    names = "one", "two"
    with (
        tempfile.TemporaryDirectory() as folder,
        Cluster(Path(folder), *names) as cluster,
        Client(cluster.address, set_as_default=False) as client,
    ):
        client.wait_for_workers(2)
        pool = client.get_executor()
        simulate.forward(NETWORK, networks=64 * 64, executor=pool)
        workers, scheduler = [cluster.workers[name].pid for name in names], cluster.scheduler.pid
        report("Dask, 2 workers", *spent(lambda: draw(executor=pool), scheduler, *workers))

        def tasks():
            for future in [pool.submit(nothing, count, pure=False) for count in range(TASKS)]:
                future.result()

        before = used([psutil.Process(scheduler)])
        cpu, clock = spent(tasks, scheduler, *workers)
        each = 1e3 * (used([psutil.Process(scheduler)]) - before) / TASKS
        report(f"Dask, {TASKS:,} tasks of nothing", cpu, clock)
        print(f"a task: {1e3 * cpu / TASKS:.2f} ms of CPU, {each:.2f} ms of it the scheduler's")


if __name__ == "__main__":
    main()
