"""The multiplier on an initializer's variance, tuned on networks that are trained.

A grid: deep fully connected networks on scikit-learn's digits, at every multiplier, learning rate and seed. And
searches by Optuna over multiplier, learning rate, batch size and width, with the importance of each.
benchmarks/training.json holds every run and is added to, a seed of a kind of network or a search at a time: stop when
you like, and go on by running this again. With a GPU it takes minutes, on two cores half a day.
"""

import argparse
import json
import multiprocessing
import os
import signal
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import product
from pathlib import Path
from threading import Lock

import numpy as np
from training_summary import summary

STORE = Path(__file__).resolve().parent / "training.json"

KINDS = ("grid", "searches")

# Fixed before the runs, by a pilot of other seeds.
SETTINGS = {
    "data": "scikit-learn's digits: 1,347 images to train on, 450 to validate",
    "weights": {"relu": "he", "tanh": "lecun"},  # rules of every layer, biases 0 at the start
    "depths": [10, 30],
    "width": 64,
    "multipliers": [round(10 ** (k / 16), 4) for k in (*range(-16, -8, 2), *range(-8, 9), *range(10, 17, 2))],
    "rates": {  # sgd has momentum 0.9
        "sgd": [float(f"{10 ** (k / 4):.4g}") for k in range(-24, 1)],
        "adam": [float(f"{10 ** (k / 4):.4g}") for k in range(-18, -3)],
    },
    "batch": 64,
    "seeds": list(range(8)),
    "evaluated": sorted({round(float(step)) for step in np.geomspace(10, 800, 34)}),
    "targets": {"training_loss": 0.1, "validation_loss": 0.5},
    "search": {
        "optimiser": "sgd",
        "multiplier": [[0.1, 10], [0.5, 2]],
        "ranges": {"rate": [1e-4, 1], "batch": [16, 128], "width": [32, 128]},
        "epochs": 10,
        "trials": 64,
        "seeds": list(range(5)),
    },
}
QUICK = SETTINGS | {
    "depths": [3],
    "width": 16,
    "multipliers": [0.5, 1.0],
    "rates": {"sgd": [0.01, 0.03], "adam": [0.003]},
    "seeds": [0, 1],
    "evaluated": [5, 10],
    "targets": {"training_loss": 2.0, "validation_loss": 2.2},
    "search": SETTINGS["search"] | {"epochs": 1, "trials": 4, "seeds": [0]},
}


class Store:
    """Runs in a file, which is written anew, whole, whenever one is added."""

    def __init__(self, path: Path, settings: dict):
        self.path, self.lock = path, Lock()
        self.numbers = {"settings": settings, "grid": [], "searches": []}
        if path.exists():
            self.numbers = json.loads(path.read_text())
            if self.numbers["settings"] != json.loads(json.dumps(settings)):
                raise SystemExit(f"{path} holds runs of other settings; move it away, or name another with --store.")

    def missing(self, kind: str, tasks: list[dict]) -> list[dict]:
        return [task for task in tasks if not any(task.items() <= run.items() for run in self.numbers[kind])]

    def add(self, kind: str, runs: list[dict]) -> None:
        with self.lock:
            self.numbers[kind] += runs
            self.write()
        for run in runs:
            words = ", ".join(str(value) for value in run.values() if not isinstance(value, dict))
            print(f"{kind}: {words}", file=sys.stderr, flush=True)

    def write(self) -> None:
        """Write the file, whole or not at all, a run a line."""
        write = partial(json.dumps, allow_nan=False, separators=(",", ":"))
        parts = {name: write(value) for name, value in self.numbers.items()}
        parts |= {name: "[\n" + ",\n".join(map(write, self.numbers[name])) + "\n]" for name in KINDS}
        temporary = self.path.with_suffix(".new")
        temporary.write_text("{\n" + ",\n".join(f'"{name}":{text}' for name, text in parts.items()) + "\n}\n")
        os.replace(temporary, self.path)


def grid_tasks(settings: dict) -> list[dict]:
    """Return what there is to train: a task is a kind of network and a seed, at all multipliers and learning rates."""
    kinds = product(settings["depths"], settings["weights"], settings["rates"], settings["seeds"])
    return [dict(zip(("depth", "activation", "optimiser", "seed"), kind, strict=True)) for kind in kinds]


def search_tasks(settings: dict) -> list[dict]:
    kinds = product(
        sorted(settings["depths"], reverse=True),  # the longest first
        settings["weights"],
        settings["search"]["multiplier"],
        settings["search"]["seeds"],
    )
    return [dict(zip(("depth", "activation", "multiplier", "seed"), kind, strict=True)) for kind in kinds]


def steps_to(target: float, at: list[int], losses: np.ndarray) -> np.ndarray:
    """Return after how many steps a loss first is at ``target``, NaN if never; ``losses``: (len(at), networks).

    Between two evaluations the logarithm of the loss is taken to be a straight line in that of the step.
    """
    found = np.full(losses.shape[1], np.nan)
    for i in np.flatnonzero((losses <= target).any(0)):
        k = int(np.argmax(losses[:, i] <= target))
        if k == 0:
            found[i] = at[0]
            continue
        above, below = np.log(losses[k - 1 : k + 1, i] / target)
        share = above / (above - below) if np.isfinite(above) else 1.0
        found[i] = at[k - 1] * (at[k] / at[k - 1]) ** share
    return found


def run_grid(settings: dict, tasks: list[dict], device: str) -> list[dict]:
    """Train the networks of tasks that differ in the seed alone, all at once; return a run a task."""
    import torch
    from training_nets import Ensemble, digits, train, widths

    torch.set_flush_denormal(True)
    begun, task = time.perf_counter(), tasks[0]
    multipliers, rates = settings["multipliers"], settings["rates"][task["optimiser"]]
    points = list(product([task["seed"] for task in tasks], multipliers, rates))
    seed_of, multiplier_of, rate_of = zip(*points, strict=True)
    sizes = widths(settings["width"], task["depth"])
    ensemble = Ensemble(task["activation"], sizes, multiplier_of, rate_of, seed_of, task["optimiser"], device)
    found = train(ensemble, digits(), settings["batch"], settings["evaluated"])
    outcomes = {
        f"steps_to_{name}": steps_to(target, settings["evaluated"], found[name]).round()
        for name, target in settings["targets"].items()
    }
    outcomes |= {name: found[name][-1] for name in ("training_loss", "validation_accuracy")}
    where = {"device": torch.cuda.get_device_name() if device == "cuda" else "cpu", "torch": torch.__version__}
    where["seconds"] = round((time.perf_counter() - begun) / len(tasks), 1)
    shape = len(tasks), len(multipliers), len(rates)
    return [
        {**task, **where, "outcomes": {name: plain(values.reshape(shape)[i]) for name, values in outcomes.items()}}
        for i, task in enumerate(tasks)
    ]


def plain(rows: np.ndarray) -> list:
    """Return rows of numbers as lists: of three figures, null where not finite or beyond a million."""
    return [[None if not abs(v) < 1e6 else int(v) if v == int(v) else float(f"{v:.3g}") for v in row] for row in rows]


def run_search(settings: dict, task: dict) -> dict:
    import optuna
    import torch
    from training_search import search

    begun, asked = time.perf_counter(), settings["search"]
    ranges = {"multiplier": task["multiplier"], **asked["ranges"]}
    found = search(task["activation"], task["depth"], ranges, asked["trials"], asked["epochs"], task["seed"])
    seconds = round(time.perf_counter() - begun, 1)
    where = {"device": "cpu", "torch": torch.__version__, "optuna": optuna.__version__}
    return {**task, **where, "seconds": seconds, **found}


def run(store: Store, settings: dict, device: str, processes: int) -> None:
    """Do what the store does not hold yet. Searches run beside the grid where that has a device of its own."""

    def keep(done):
        if not done.cancelled() and done.exception() is None:
            store.add("searches", [done.result()])

    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, signal.signal, (signal.SIGINT, signal.SIG_IGN)) as pool:
        searches = [pool.submit(run_search, settings, t) for t in store.missing("searches", search_tasks(settings))]
        for search in searches:
            search.add_done_callback(keep)
        try:
            if device != "cuda":
                _ = [search.result() for search in searches]
            tasks = store.missing("grid", grid_tasks(settings))
            while tasks:
                kind = {name: value for name, value in tasks[0].items() if name != "seed"}
                alike = [task for task in tasks if kind.items() <= task.items()]
                chosen = alike if device == "cuda" else alike[:1]
                store.add("grid", run_grid(settings, chosen, device))
                tasks = [task for task in tasks if task not in chosen]
            _ = [search.result() for search in searches]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for child in multiprocessing.active_children():
                child.terminate()
            raise


def main(argv=None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", type=Path, default=STORE, help="file of runs (default: benchmarks/training.json)")
    parser.add_argument("--device", choices=("cpu", "cuda"), help="default: cuda where there is one")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="of searches (default: all cores)")
    parser.add_argument("--quick", action="store_true", help="few and small networks, a minute; name a store")
    options = parser.parse_args(argv)
    if options.quick and options.store == STORE:
        parser.error("--quick needs a --store of its own")
    if options.device is None:
        import torch

        options.device = "cuda" if torch.cuda.is_available() else "cpu"
    settings = QUICK if options.quick else SETTINGS
    store = Store(options.store, settings)
    run(store, settings, options.device, options.processes)
    store.numbers["summary"] = summary(store.numbers)
    store.write()


if __name__ == "__main__":
    main()
