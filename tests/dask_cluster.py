"""A Dask cluster of processes of this machine, over TCP on loopback, which tests may kill and freeze."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
SETTINGS = {  # see docs/past_one_machine.md
    "DASK_DISTRIBUTED__SCHEDULER__NO_WORKERS_TIMEOUT": "60s",
    "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "20",  # a busy machine may be taken for dead
}


class Cluster:
    """A scheduler, and workers of one thread each by name, without nannies: a worker that dies stays dead.

    ``ttl`` is for how long a worker may be silent. Workers load varprop before they say that they are there: Python's
    imports leave nobody the time to answer.
    """

    def __init__(self, folder: Path, *names: str, ttl: str = "5 minutes"):
        self.folder, self.workers, file = folder, {}, folder / "scheduler.json"
        self._settings = {**os.environ, **SETTINGS, "DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": ttl}
        options = ("--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(file))
        self.scheduler = self._start("scheduler", "distributed.cli.dask_scheduler", *options)
        _wait_for(lambda: file.exists() and file.read_text().endswith("}"))
        self.address = json.loads(file.read_text())["address"]
        self.add(*names)

    def add(self, *names: str) -> None:
        """Start workers, and do not wait for them."""
        for name in names:
            options = ("--nthreads", "1", "--no-nanny", "--no-dashboard", "--name", name, "--memory-limit", "0")
            options += ("--preload", "varprop.simulate.worker")
            options += ("--local-directory", str(self.folder))
            self.workers[name] = self._start(name, "distributed.cli.dask_worker", self.address, *options)

    def kill(self, name: str) -> None:
        """Have the system end a worker at once."""
        self.workers[name].kill()

    def freeze(self, name: str) -> None:
        """Stop a worker, whose connections stay open."""
        self.workers[name].send_signal(signal.SIGSTOP)

    def close(self) -> None:
        """End all that is left."""
        for process in (*self.workers.values(), self.scheduler):
            process.kill()
            process.wait()

    def _start(self, name: str, module: str, *options: str) -> subprocess.Popen:
        environment = {**self._settings, "PYTHONPATH": str(ROOT)}
        with open(self.folder / f"{name}.log", "w") as log:
            command = [sys.executable, "-m", module, *options]
            return subprocess.Popen(command, cwd=self.folder, env=environment, stdout=log, stderr=log)

    def __enter__(self) -> "Cluster":
        return self

    def __exit__(self, *error) -> None:
        self.close()


def _wait_for(happens, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < end, "the cluster does not start"
        time.sleep(0.05)
