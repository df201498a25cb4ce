"""Build the wheel and the sources, check both, and use each in an empty environment, away from this tree: `make dist`.

What was built stays in dist/.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
UV = str(Path(sys.executable).with_name("uv"))
IMPORT = (
    "from importlib import resources; from pathlib import Path; import sys, varprop; "
    "assert Path(varprop.__file__).is_relative_to(sys.prefix), varprop.__file__; "
    "assert resources.files('varprop').joinpath('py.typed').is_file(); print(varprop.__version__)"
)
COMMANDS = ("varprop predict 64,64,64,10", "varprop check 64,64,10 --networks 2000 --seed 1")


def run(*command, **options) -> subprocess.CompletedProcess:
    """Return what came of a command, its output as text, errors with it; it finds no package of this tree."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    options = {"text": True, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "env": environment} | options
    return subprocess.run(command, check=False, **options)


def do(*command, **options) -> str:
    """Return what a command says. Ends this program, with that, where it fails."""
    said = run(*command, **options)
    if said.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{said.stdout}")
    return said.stdout


def uses(bins: Path) -> list[list[str]]:
    """Return the commands by which what is installed in an environment is used."""
    typed = [[str(bins / words.split()[0]), *words.split()[1:]] for words in COMMANDS]
    return [[str(bins / "python"), "-c", IMPORT], *typed]


def main() -> None:
    folder = ROOT / "dist"
    shutil.rmtree(folder, ignore_errors=True)
    do(sys.executable, "-m", "build", "--outdir", str(folder), str(ROOT))
    built = sorted(folder.iterdir())
    print(do(sys.executable, "-m", "twine", "--no-color", "check", "--strict", *map(str, built)).strip())
    for path in built:
        with tempfile.TemporaryDirectory(prefix="varprop-") as home:
            bins = Path(home) / "env" / "bin"
            do(UV, "venv", "--quiet", "--python", sys.executable, str(bins.parent))
            do(UV, "pip", "install", "--quiet", "--python", str(bins / "python"), str(path))
            for command in uses(bins):
                do(*command, cwd=home)
        print(f"{path.name}: installed into an empty environment, and used")


if __name__ == "__main__":
    main()
