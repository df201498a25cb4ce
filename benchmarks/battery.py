"""The generator on trial: varprop's random bits through dieharder and what else is at hand, and 10^10 of its normals.

Bits come from battery_bits.c, a twin of kernels/philox.py that is first held against the package's own draws. Each test
is a process of its own, with bits of its own. A weak p-value is tried again on other bits, twice as many where the
program can, until no row of the test is weak, or one failed. Bad generators are tried too, and must fail. All is
written to benchmarks/battery.json as it comes, and docs/battery.md is made from that. Equal seeds give equal bits.

This takes some three hours of one core; `--resume` goes on where a run was stopped.
"""

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from datetime import date
from multiprocessing import get_context
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy is loaded: each process has one core

import numpy as np
from battery_normals import CONTROLS, run_normals
from battery_suites import ATTEMPTS, GOOD, LAYOUTS, Job, plan, weak_rows

from varprop.kernels import LANES
from varprop.kernels.philox import draw

ROOT = Path(__file__).resolve().parent.parent
SOURCES, BUILT = ROOT / "benchmarks", ROOT / ".battery"
STORE, PAGE = SOURCES / "battery.json", ROOT / "docs" / "battery.md"
PROGRAMS = {"dieharder": "dieharder", "ent": "ent", "rngtest": "rngtest", "PractRand": "RNG_test"}
LONGEST, LONGEST_OF_BAD = 3600, 60  # seconds; a bad generator can keep a test busy for ever


def built(name: str, *libraries: str) -> str | None:
    """Compile a program of this folder where it is not yet; return its path, or None where that fails."""
    source, target = SOURCES / f"{name}.c", BUILT / name
    if not target.exists() or target.stat().st_mtime < source.stat().st_mtime:
        BUILT.mkdir(exist_ok=True)
        prefix = os.environ.get("TESTU01", "/usr")
        paths = [f"-I{prefix}/include", f"-L{prefix}/lib"] if libraries else []
        command = ["cc", "-O3", "-march=native", "-o", target, source, *paths, *libraries]
        if not shutil.which("cc") or subprocess.run(command, capture_output=True).returncode:
            return None
    return str(target)


def find_tools() -> dict:
    """Return where the programs are."""
    tools = {suite: shutil.which(program) for suite, program in PROGRAMS.items()}
    tools["bits"] = built("battery_bits")
    tools["TestU01"] = built("battery_testu01", "-ltestu01", "-lprobdist", "-lmylib", "-lm")
    for needed in ("bits", "dieharder"):
        if not tools[needed]:
            raise SystemExit("make battery needs dieharder and a C compiler: apt-get install dieharder gcc")
    return {name: path for name, path in tools.items() if path}


def package_words(layout: str, start: tuple[int, int, int, int], draws: int) -> bytes:
    """Return what battery_bits should write of a layout, by the package's own `draw`."""
    order, shape = LAYOUTS[layout]
    axes = [("knsi".index(name), int(length or 2**62)) for name, length in re.findall(r"([knsi])(\d*)", order)]
    words = np.empty((draws, 4), np.uint32)
    for t in range(draws):
        at, rest = list(start), t
        for axis, length in axes:
            at[axis] += rest % length
            rest //= length
        words[t] = draw(*(np.uint64(x) for x in at))
    if shape == "lanes":
        words = words.reshape(-1, LANES, 4).transpose(0, 2, 1)
    elif shape == "xor":
        words = words[::2] ^ words[1::2]
    elif shape == "lows":
        words = words.astype(np.uint8)
    elif shape == "turned":
        bits = np.unpackbits(np.ascontiguousarray(words).view(np.uint8), bitorder="little").reshape(-1, 32)
        words = np.packbits(bits[:, ::-1], axis=1, bitorder="little")
    return np.ascontiguousarray(words).tobytes()


def check_bits(bits: str, draws: int = 8192 + 64) -> int:
    """Hold battery_bits against the package, in every layout; return how many draws were equal."""
    starts = [(0, 0, 0, 0), (2**64 - 2**15, 2**32 - 40, 37, 2**32 - 500)]
    for layout, (order, shape) in LAYOUTS.items():
        for start in starts:
            expected = package_words(layout, start, draws)
            command = [bits, "philox", "10", *map(str, start), order, shape]
            with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
                if process.stdout.read(len(expected)) != expected:
                    raise SystemExit(f"battery_bits and varprop's own bits differ: {layout}, from {start}")
                process.stdout.close()
    return draws * len(starts) * len(LAYOUTS)


def reliable_tests(dieharder: str) -> tuple[set[int], list[str]]:
    """Return the numbers of the tests that dieharder calls good, and the names of the others with its word for them."""
    lines = re.findall(
        r"-d (\d+)\s+(.*?)\s+(Good|Suspect|Do Not Use)",
        subprocess.run([dieharder, "-l"], capture_output=True, text=True).stdout,
    )
    return {int(d) for d, _, word in lines if word == "Good"}, [f"{n} ({w})" for _, n, w in lines if w != "Good"]


def run(job: Job, tools: dict, seed: int) -> dict:
    """Return the rows of one job, the bytes that it read and the seconds it took."""
    started = time.perf_counter()
    source = subprocess.Popen(job.source(tools["bits"], seed), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    streams = {"stdin": source.stdout, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    reader = subprocess.Popen(job.reader(tools), text=True, **streams)
    source.stdout.close()
    limit = LONGEST if job.generator == GOOD else LONGEST_OF_BAD
    try:
        text, note = reader.communicate(timeout=limit)[0], f"ended with {reader.returncode}"
    except subprocess.TimeoutExpired:
        reader.kill()
        text, note = reader.communicate()[0], f"stopped after {limit} s"
    read = source.communicate()[1]
    rows = job.results(text)
    if not rows:
        rows = [[note, None, "STOPPED"]]
    return {"rows": rows, "bytes": int(read or 0), "seconds": round(time.perf_counter() - started, 1)}


def run_all(jobs: list[Job], store: dict, tools: dict, workers: int, until: float, save) -> None:
    """Run what is not in the store yet, until the time is up."""

    def timely(job):
        return run(job, tools, store["seed"]) if time.time() < until else None

    with ThreadPoolExecutor(workers) as pool:
        asked = {pool.submit(timely, job): job for job in jobs if job.key not in store["jobs"]}
        for future in as_completed(asked):
            if future.result() is not None:
                store["jobs"][asked[future].key] = future.result()
                save()


def unsettled(jobs: list[Job], store: dict) -> list[Job]:
    """Return the tests to try again: those that have a weak row in their latest attempt."""
    more = []
    for job in jobs:
        while job.again().key in store["jobs"]:
            job = job.again()
        if job.attempt < ATTEMPTS and weak_rows(store["jobs"].get(job.key)):
            more.append(job.again())
    return more


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--seconds", type=float, default=float("inf"), help="start no test after so long")
    parser.add_argument("--resume", action="store_true", help="go on where the last run was stopped")
    parser.add_argument("--small", action="store_true", help="a rehearsal of a minute")
    parser.add_argument("--seed", type=int, default=0, help="other seeds, other bits")
    parser.add_argument("--store", type=Path, default=STORE)
    parser.add_argument("--page", action="store_true", help="make docs/battery.md again, and nothing else")
    asked = parser.parse_args()
    if not asked.page:
        trial(asked)
    from battery_page import page  # which loads matplotlib
    from report import write_between_marks

    store = json.loads(asked.store.read_text())
    if asked.store == STORE:
        write_between_marks(PAGE, "battery", page(store))
    else:
        print(page(store))


def trial(asked) -> None:
    """Run the battery; the store is written after each job."""
    until = time.time() + asked.seconds
    tools = find_tools()
    reliable, left_out = reliable_tests(tools["dieharder"])
    store = json.loads(asked.store.read_text()) if asked.resume else {"seed": asked.seed, "jobs": {}, "normals": {}}
    store |= {"left out": left_out, "tools": sorted(set(tools) - {"bits"}), "day": str(date.today())}
    store |= {"draws held against the package": check_bits(tools["bits"]), "machine": platform.machine()}

    def save():
        spare = asked.store.with_suffix(".part")
        spare.write_text(as_json(store))
        spare.replace(asked.store)

    numbers = {None: 10**10, **CONTROLS}
    with ProcessPoolExecutor(asked.workers, mp_context=get_context("spawn")) as pool:
        for spoilt, size in numbers.items():
            name = spoilt or "as they are"
            if name not in store["normals"] and time.time() < until:
                size //= 1000 if asked.small else 1
                store["normals"][name] = run_normals(size, spoilt, store["seed"], pool)
                save()
    jobs = plan(tools, reliable, asked.small)
    good = [job for job in jobs if job.generator == GOOD]
    run_all(unsettled(good, store) + jobs, store, tools, asked.workers, until, save)
    while (more := unsettled(good, store)) and time.time() < until:
        run_all(more, store, tools, asked.workers, until, save)
    save()


def as_json(store: dict) -> str:
    """Return JSON with a line a job."""
    lines = json.dumps({k: v for k, v in store.items() if k != "jobs"}, indent=1)[:-2]
    jobs = ",\n".join(f"  {json.dumps(key)}: {json.dumps(result)}" for key, result in sorted(store["jobs"].items()))
    return f'{lines},\n "jobs": {{\n{jobs}\n }}\n}}\n'


if __name__ == "__main__":
    main()
