"""What executors cost beside threads here, and what a Dask task costs: the figures of docs/past_one_machine.md.

Seconds are of CPU time, of all processes together, so that they mean something on a machine that does other things;
those on the clock do where the load, which is printed, is below the number of cores. Idle is what a worker waits
between its tasks, as the scheduler saw them.
"""

import os
import sys
import tempfile
import time
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from itertools import pairwise
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


def report(name: str, cpu: float, clock: float, more: str = "") -> None:
    print(f"{name:<40} {cpu:8.2f} s of CPU {clock:8.2f} s, load {os.getloadavg()[0]:.1f}{more}", flush=True)


def between_tasks(stream) -> tuple[float, float]:
    """Return the seconds in which workers were at their tasks, and those between one's first and its last."""
    at_work = defaultdict(list)
    for task in stream:
        at_work[task["worker"]] += [(s["start"], s["stop"]) for s in task["startstops"] if s["action"] == "compute"]
    busy = sum(stop - start for spans in at_work.values() for start, stop in spans)
    idle = sum(b[0] - a[1] for spans in at_work.values() for a, b in pairwise(sorted(spans)))
    return busy, idle


def main() -> None:
    def draw(**options):
        simulate.forward(NETWORK, networks=NETWORKS, seed=1, **options)

    simulate.forward(NETWORK, networks=64)
    for threads in (1, 2):
        report(f"{threads} threads here", *spent(lambda threads=threads: draw(threads=threads)))
    for count in (1, 2):
        with ProcessPoolExecutor(count, mp_context=get_context("spawn")) as pool:
            simulate.forward(NETWORK, networks=64 * 64, executor=pool)  # each has loaded what it needs
            simulate.forward(NETWORK, networks=64 * 64, executor=pool)
            report(f"ProcessPoolExecutor({count})", *spent(lambda pool=pool: draw(executor=pool), *pool._processes))
    with (
        tempfile.TemporaryDirectory() as folder,
        Cluster(Path(folder), "one") as cluster,
        Client(cluster.address, set_as_default=False) as client,
    ):
        scheduler = cluster.scheduler.pid
        for count in (1, 2):
            if count == 2:
                cluster.add("two")
            client.wait_for_workers(count)
            pool = client.get_executor()
            for worker in client.scheduler_info()["workers"]:  # each has loaded what it needs
                warm = client.get_executor(workers=[worker])
                simulate.forward(NETWORK, networks=64 * 64, executor=warm)
            workers, start = [process.pid for process in cluster.workers.values()], time.time()
            client.get_task_stream(count=1)  # which begins to be kept
            own = used(map(psutil.Process, workers))
            cpu, clock = spent(lambda pool=pool: draw(executor=pool), scheduler, *workers)
            own = used(map(psutil.Process, workers)) - own
            busy, idle = between_tasks(client.get_task_stream(start=start))
            more = f"; workers {own:.2f} s of it, at tasks {busy:.2f} s, between them {idle:.2f} s, {idle / busy:.1%}"
            report(f"Dask, {count} workers", cpu, clock, more)

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
