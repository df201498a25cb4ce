"""Which Pythons, NumPys, SciPys and Numbas varprop runs with: each tried for real, the wheel in a fresh environment.

For each Python at hand, the oldest versions that pyproject.toml allows and that have wheels, and the newest. Some fast
tests run against the installed wheel, kernels among them, and two commands. benchmarks/versions.json holds what came
out, written row by row; docs/versions.md is made from it. `make versions`.
"""

import argparse
import json
import platform
import re
import shutil
import sys
import tempfile
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor, as_completed
from datetime import date
from pathlib import Path

from dist import COMMANDS, ROOT, UV, do, run, uses

STORE = ROOT / "benchmarks" / "versions.json"
PAGE = ROOT / "docs" / "versions.md"
PYTHONS = ("3.11", "3.12", "3.13")
ENDS = {"oldest": "lowest-direct", "newest": "highest"}
SHOWN = ("numpy", "scipy", "numba", "llvmlite", "matplotlib", "rich", "typer")
DRAWN = "from varprop import Network, theory; theory.forward(Network([64] * 5)).plot().figure.savefig('drawn.svg')"
TESTS = ("network", "philox", "scores", "tails")


def interpreter(version: str) -> str | None:
    """Return a Python of this version at hand: one on the path, or one of pyenv's."""
    found = [shutil.which(f"python{version}")]
    found += map(str, sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python")))
    for path in filter(None, found):
        said = run(path, "-c", "import sys; print('%d.%d' % sys.version_info[:2])")
        if said.returncode == 0 and said.stdout.strip() == version:
            return path
    return None


def pins(python: str, end: str) -> list[str]:
    """Return ``name==version`` of all that the package needs, at one end of what pyproject.toml allows."""
    how = ("--resolution", ENDS[end], "--only-binary", ":all:", "--python", python)
    return do(UV, "pip", "compile", "--quiet", "--no-header", "--no-annotate", *how, "pyproject.toml", cwd=ROOT).split()


def tried(python: str, end: str, wheel: Path) -> dict:
    """Return one row: the versions, what the tests said, what went wrong."""
    wanted = pins(python, end)
    versions = dict(pin.split("==") for pin in wanted)
    row = {"versions": {name: versions[name] for name in SHOWN}}
    with tempfile.TemporaryDirectory(prefix="varprop-") as folder:
        home, bins = Path(folder), Path(folder) / "env" / "bin"
        with open(ROOT / "pyproject.toml", "rb") as file:
            own = tomllib.load(file)["project"]["optional-dependencies"]["test"]
        test = [need for need in own if re.match(r"pytest>|hypothesis|mpmath|cloudpickle", need)]
        steps = [
            (UV, "venv", "--quiet", "--python", python, str(home / "env")),
            (UV, "pip", "install", "--quiet", "--python", str(bins / "python"), *wanted, *test, str(wheel)),
            *uses(bins),
            [str(bins / "python"), "-W", "error", "-c", DRAWN],  # from Python: the oldest typer warns of click
        ]
        shutil.copytree(ROOT / "tests", home / "tests")  # apart from the sources, so that the wheel is what is tested
        (home / "pytest.ini").write_text(
            "[pytest]\nfilterwarnings = error\nmarkers = slow\naddopts = -q -m 'not slow' -p no:cacheprovider\n"
        )
        files = [f"tests/test_{name}.py" for name in TESTS]
        steps.append([str(bins / "python"), "-m", "pytest", *files])
        start, said = time.monotonic(), None
        for step in steps:
            said = run(*step, cwd=home)
            if said.returncode:
                words = said.stdout.strip().splitlines()
                row["failed"] = {"step": " ".join(map(str, step[:4])).replace(folder, ""), "said": words[-12:]}
                break
        row["seconds"] = round(time.monotonic() - start)
        found = re.search(r"(\d+) passed.*|\d+ failed.*", said.stdout)
        row["tests"] = re.sub(r" in [\d.]+s.*", "", found[0]) if found else ""
    return row


def page(store: dict) -> str:
    """Return docs/versions.md."""
    names = ("Python", "versions", "NumPy", "SciPy", "Numba", "llvmlite", "Matplotlib", "rich", "typer", "result")
    lines = [f"| {' | '.join(names)} |", "|" + "---|" * len(names)]
    for version in PYTHONS:
        python = store["pythons"].get(version)
        if python is None:
            lines.append(f"| {version} |" + " |" * 8 + " not tried: no such Python at hand |")
            continue
        for end in ENDS:
            row = python["rows"].get(end)
            if row is None:
                lines.append(f"| {python['full']} | {end} |" + " |" * 7 + " not tried |")
                continue
            result = f"fails at `{row['failed']['step']}`" if "failed" in row else f"{row['tests']}"
            cells = [python["full"], end, *(row["versions"][name] for name in SHOWN), result]
            lines.append(f"| {' | '.join(cells)} |")
    tests = ", ".join(f"`test_{name}.py`" for name in TESTS)
    commands = ", ".join(f"`{words}`" for words in COMMANDS)
    return f"""# Versions tried

What varprop was run with: for each Python the oldest versions that `pyproject.toml` allows and that have wheels, and
the newest. Each row is a fresh environment into which the built wheel was installed with just these versions. In it
{commands}
ran, a figure was drawn with warnings as errors, then {tests} ran,
which compile kernels and draw with them. All other tests run on the newest versions for the Python of continuous
integration alone. `make versions` makes this page again.

{chr(10).join(lines)}

Tried on {store["date"]}: {store["machine"]}.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--jobs", type=int, default=1, help="rows tried at once")
    parser.add_argument("--only", choices=ENDS, help="try these rows again, and keep the others")
    asked = parser.parse_args()
    before = json.loads(STORE.read_text(encoding="utf-8"))["pythons"] if asked.only else {}
    store = {"date": str(date.today()), "machine": f"{platform.system()}, {platform.machine()}", "pythons": {}}
    with tempfile.TemporaryDirectory(prefix="varprop-dist-") as folder:
        do(sys.executable, "-m", "build", "--wheel", "--outdir", folder, str(ROOT))
        (wheel,) = Path(folder).glob("*.whl")
        rows = []
        for version in PYTHONS:
            python = interpreter(version)
            if python is None:
                store["pythons"][version] = None
                continue
            full = run(python, "-c", "import platform; print(platform.python_version())").stdout.strip()
            store["pythons"][version] = {"full": full, "rows": (before.get(version) or {}).get("rows", {})}
            rows += [(version, python, end) for end in ENDS if asked.only in (None, end)]
        with ThreadPoolExecutor(asked.jobs) as pool:
            found = {pool.submit(tried, python, end, wheel): (version, end) for version, python, end in rows}
            for done in as_completed(found):
                version, end = found[done]
                row = store["pythons"][version]["rows"][end] = done.result()
                print(version, end, json.dumps(row), flush=True)
                STORE.write_text(json.dumps(store, indent=1) + "\n", encoding="utf-8")
                PAGE.write_text(page(store), encoding="utf-8")
    failed = [v for v, p in store["pythons"].items() if p and any("failed" in row for row in p["rows"].values())]
    if failed:
        sys.exit(f"fails with Python {', '.join(failed)}; see {STORE.name}.")


if __name__ == "__main__":
    main()
