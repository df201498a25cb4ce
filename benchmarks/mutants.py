"""Which deliberate faults the tests would not notice.

mutmut changes one operator, number, argument or word of a module at a time, and runs the tests that reach it. Each
module has tests of its own here, fast ones, so that thousands of faults are tried in reasonable time. What survives is
to be killed by a new test, or is explained in mutants_equal.toml: a substitution in a line of that module, and why no
test could tell. benchmarks/mutants.json holds what was found; docs/mutants.md is made from it.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import tomllib
from fnmatch import fnmatch
from pathlib import Path

from report import table_lines, write_between_marks

ROOT = Path(__file__).resolve().parent.parent
STORE = ROOT / "benchmarks" / "mutants.json"
EQUAL = ROOT / "benchmarks" / "mutants_equal.toml"
MARK = "mutants"
ALL, FIFTH, TENTH = "*", "*[38]", "*3"  # of a function's mutants, by the last digit of their numbers
PURE = {"NUMBA_DISABLE_JIT": "1"}  # tests that simulate are skipped
MODULES = {  # what is mutated: which of its mutants, tests that hold it, their environment
    "tails": (ALL, "tails", PURE),
    "statistics": (ALL, "estimates", PURE),
    "comparison": (ALL, "scores exported", {}),
    "scores": (ALL, "scores", PURE),
    "simulate/measure": (ALL, "measure simulate_asks checkpoints executors", {}),
    "simulate/memory": (ALL, "measure", PURE),
    "simulate/bins": (ALL, "ensemble moments", {}),
    "simulate/ensemble": (ALL, "ensemble", PURE),
    "simulate/samplers": (ALL, "samplers simulate_asks", PURE),
    "simulate/forward": (ALL, "simulate_asks", PURE),
    "simulate/backward": (ALL, "simulate_asks", PURE),
    "simulate/pair": (ALL, "simulate_asks", PURE),
    "simulate/law": (ALL, "simulate_asks", PURE),
    "simulate/gram": (ALL, "simulate_asks", PURE),
    "simulate/graph": (ALL, "simulate_asks", PURE),
    "sum_tree": (ALL, "sum_tree estimates", PURE),
    "rescaled": (ALL, "rescaled_sums", PURE),
    "locks": (ALL, "locks", {}),
    "archive": (ALL, "archive", PURE),
    "strict_json": (ALL, "archive", PURE),
    "own_files": (ALL, "own_files", PURE),
    "run_files": (ALL, "run_files", PURE),
    "runs": (ALL, "runs", PURE),
    "exported": (ALL, "plain_values", PURE),
    "simulate/chain": (ALL, "simulate_asks", PURE),
    "simulate/answers": (ALL, "simulate_asks merging moments", {}),
    "simulate/builds": (ALL, "builds", PURE),
    "simulate/checkpoints": (ALL, "checkpoints", {}),
    "simulate/executors": (ALL, "cluster executors", {}),
    "simulate/worker": (ALL, "cluster executors", {}),
    "simulate/merging": (ALL, "merging rescaled checkpoints executors own_files", {}),
    "simulate/moments": (ALL, "moments", {}),
    "simulate/pool": (ALL, "ensemble", {}),
    "simulate/sample": (ALL, "sample", {}),
    "simulate/instructions": (FIFTH, "simulate_graph stop", {}),
    "simulate/program": (FIFTH, "simulate_graph stop", {}),
    "simulate/walk": (FIFTH, "simulate_graph stop", {}),
    "theory/gaussian/closed/elu": (TENTH, "activation_mean correlation_maps expectations derivative_moment", {}),
    "theory/gaussian/closed/erf": (TENTH, "correlation_maps expectations derivative_moment", {}),
    "theory/gaussian/closed/gelu": (TENTH, "activation_mean correlation_maps expectations derivative_moment", {}),
    "theory/gaussian/closed/hardtanh": (TENTH, "correlation_maps expectations derivative_moment", {}),
    "theory/gaussian/closed/sin": (TENTH, "slope_moments correlation_maps expectations derivative_moment", {}),
    "theory/gaussian/closed/slopes": (TENTH, "activation_mean correlation_maps expectations derivative_moment", {}),
    "theory/gaussian/correlation_maps": (TENTH, "correlation_maps", {}),
    "theory/gaussian/derivative_moment": (TENTH, "derivative_moment", {}),
    "theory/gaussian/expectations": (TENTH, "expectations", {}),
    "theory/gaussian/features": (TENTH, "features", {}),
    "theory/gaussian/first_moment": (TENTH, "activation_mean expectations", {}),
    "theory/gaussian/hermite": (TENTH, "fixed_points", {}),
    "theory/gaussian/log_moments": (TENTH, "expectations left_out", {}),
    "theory/gaussian/often": (TENTH, "often", {}),
    "theory/gaussian/panels": (TENTH, "expectations features", {}),
    "theory/gaussian/plane": (TENTH, "correlation_maps features", {}),
    "theory/gaussian/quadrature": (TENTH, "expectations features", {}),
    "theory/gaussian/slope_moments": (TENTH, "slope_moments", {}),
}

FORGET = """
import functools, gc

def pytest_sessionstart():
    for cached in [x for x in gc.get_objects() if isinstance(x, functools._lru_cache_wrapper)]:
        if cached.__module__.startswith("varprop"):
            cached.cache_clear()
"""  # mutmut forks once all tests have run: what the code itself computed and kept would hide a fault


def mutate(module: str, folder: Path, jobs: int, before: dict | None, equal: list, seconds: float | None) -> dict:
    """Return what became of a module's mutants: counts, and those that survived.

    With what there was ``before`` only functions are tried again of which mutants survived unexplained. After so many
    ``seconds`` what was not tried yet is left.
    """
    pick, names, more = MODULES[module]
    for name in ("varprop", "tests", "benchmarks", "docs"):
        shutil.copytree(ROOT / name, folder / name, dirs_exist_ok=True)  # with the machine code of kernels
    settings = {
        "source_paths": ["varprop"],
        "only_mutate": [f"varprop/{module}.py"],
        "also_copy": ["benchmarks", "docs", "README.md"],
        "pytest_add_cli_args_test_selection": [f"tests/test_{name}.py" for name in names.split()],
        "pytest_add_cli_args": ["-p", "no:cacheprovider", "-m", "not slow"],
    }
    lines = [f"{key} = {json.dumps(value)}" for key, value in settings.items()]
    project = (ROOT / "pyproject.toml").read_text()
    (folder / "pyproject.toml").write_text("\n".join([project, "[tool.mutmut]", *lines]))
    shutil.copy(ROOT / "README.md", folder)
    (folder / "tests" / "conftest.py").write_text(FORGET)
    dotted = f"varprop.{module.replace('/', '.')}"
    paths = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path and Path(path) != ROOT]
    one = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(paths)}
    environment = os.environ | one | more
    again = {x["in"] for x in before["survived"] if reason(module, x, equal) is None} if before else {"*"}
    if not again:
        return before
    wanted = [f"{dotted}.*{function}__mutmut_{pick}" for function in sorted(again)]
    whole = mutmut(folder, environment, "run", "--max-children", str(jobs), *wanted, seconds=seconds) is not None
    codes = json.loads((folder / "mutants" / "varprop" / f"{module}.py.meta").read_text())["exit_code_by_key"]
    tried = {name: code for name, code in codes.items() if code is not None}
    function = {name: name.removeprefix(f"{dotted}.").split("__mutmut_")[0].removeprefix("x_") for name in codes}
    survived = [{"in": function[name], **change(folder, name)} for name, code in tried.items() if code in (0, 5, 33)]
    timed_out = [function[name] for name, code in tried.items() if code not in (0, 1, 3, 5, 33)]
    if before:
        known = {function[name] for name in tried}
        survived = [x for x in before["survived"] if x["in"] not in known] + survived
        timed_out += [name for name in before["timed out"] if name not in known]
    count = sum(fnmatch(name, f"*__mutmut_{pick}") for name in codes) if whole else len(tried)
    return {"mutants": len(codes), "tried": count, "timed out": timed_out, "survived": survived}


def mutmut(folder: Path, environment, *arguments, seconds: float | None = None) -> str | None:
    """Return what mutmut prints, None where it was stopped; raise RuntimeError with its last lines where it fails."""
    command = [sys.executable, "-m", "mutmut", *arguments]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen(command, cwd=folder, env=environment, start_new_session=True, **streams) as process:
        try:
            out, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # and the tests that run
            return None
    if process.returncode:
        raise RuntimeError("\n".join([" ".join(command), *out.splitlines()[-40:]]))
    return out


def change(folder: Path, name: str) -> dict:
    """Return the lines that a mutant takes out and puts in."""
    lines = mutmut(folder, os.environ, "show", name).splitlines()
    was, now = (
        "\n".join(line[1:].strip() for line in lines if line.startswith(sign) and not line.startswith(3 * sign))
        for sign in "-+"
    )
    return {"was": was, "now": now}


def reason(module: str, survivor: dict, equal: list) -> str | None:
    """Return why nothing can tell a survivor from the module, or None."""
    for rule in equal:
        if rule["module"] not in ("*", module) or rule.get("in", survivor["in"]) != survivor["in"]:
            continue
        parts = survivor["was"].split(rule["was"])
        if any(
            rule["was"].join(parts[:i]) + rule["now"] + rule["was"].join(parts[i:]) == survivor["now"]
            for i in range(1, len(parts))
        ):
            return rule["why"]
    return None


def page(store: dict, equal: list) -> str:
    """Return the tables of docs/mutants.md."""
    rows, reasons = [], {}
    for module in [module for module in MODULES if module in store]:
        found = store[module]
        why = [reason(module, survivor, equal) for survivor in found["survived"]]
        late = len(found["timed out"])
        killed = found["tried"] - late - len(why)
        counts = (found["mutants"], found["tried"], killed, late, len(why) - why.count(None))
        rows.append([f"`{module}`", *map(str, counts), str(why.count(None))])
        for survivor, text in zip(found["survived"], why, strict=True):
            if text:
                reasons.setdefault(text, []).append(f"`{module}`, `{survivor['in']}`")
    heads = ["module", "mutants", "tried", "killed", "timed out", "equal", "not explained"]
    lines = [*table_lines(heads, rows), ""]
    if missing := [f"`{module}`" for module in MODULES if module not in store]:
        lines += [f"Not run yet: {', '.join(missing)}.", ""]
    lines += ["Why the equal ones are:", ""]
    for text, places in sorted(reasons.items()):
        counted = [f"{place} ({places.count(place)})" for place in dict.fromkeys(places)]
        lines.append(f"* {text} {'; '.join(counted)}.")
    return "\n".join(lines)


def main(argv=None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("modules", nargs="*", default=list(MODULES), help="which of these (default: all)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="tests at a time (default: as many as cores)")
    parser.add_argument("--again", action="store_true", help="only functions with survivors that nothing explains")
    parser.add_argument("--page", action="store_true", help="only make the page again")
    parser.add_argument("--seconds", type=float, help="of one module, after which the rest of its mutants is left")
    parser.add_argument("--store", type=Path, default=STORE, help="where to keep it, elsewhere without a page")
    parser.add_argument("--take", type=Path, nargs="*", default=[], help="stores to take modules from first")
    options = parser.parse_args(argv)
    store = json.loads(options.store.read_text()) if options.store.exists() else {}
    for path in options.take:
        store |= json.loads(path.read_text())
    equal = tomllib.loads(EQUAL.read_text())["equal"]
    for module in [] if options.page else options.modules:
        with tempfile.TemporaryDirectory(prefix="varprop-mutants-") as folder:
            before = store.get(module) if options.again else None
            store[module] = mutate(module, Path(folder), options.jobs, before, equal, options.seconds)
        options.store.write_text(json.dumps(store, indent=1) + "\n")
        for survivor in store[module]["survived"]:
            if reason(module, survivor, equal) is None:
                print(f"{module}, {survivor['in']}\n  - {survivor['was']}\n  + {survivor['now']}", flush=True)
    if options.store != STORE:
        return
    STORE.write_text(json.dumps(store, indent=1) + "\n")
    print(page(store, equal))
    write_between_marks(ROOT / "docs" / "mutants.md", MARK, page(store, equal))


if __name__ == "__main__":
    main()
