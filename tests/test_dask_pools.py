"""Other executors than Dask's, as docs/past_one_machine.md shows them; `make test-dask` runs it."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "past_one_machine.md").read_text(encoding="utf-8")
SCRIPTS = re.findall(r"```\{code-block\} python\n(.*?)```", PAGE, re.DOTALL)
ROOT_MAY = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}  # Open MPI's, in containers
ANY_CORES = {"PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe"}
PROCESSES = """
import multiprocessing, sys
from concurrent.futures import ProcessPoolExecutor

import numpy as np

from varprop import Network, custom_activation, simulate

phi = custom_activation(np.tanh) if sys.argv[1] == "fork" else "tanh"  # by cloudpickle, where a script has one
network = Network([64] * 4, phi, "lecun")
if __name__ == "__main__":
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context(sys.argv[1])) as pool:
        there = simulate.forward(network, networks=50_000, executor=pool)
    here = simulate.forward(network, networks=50_000)
    print((there.variance.values == here.variance.values).all())
"""


def run(folder, script, *words, before=()):
    (folder / "script.py").write_text(script)
    environment = {**os.environ, **ROOT_MAY, **ANY_CORES, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    command = [*before, sys.executable, "-W", "error::DeprecationWarning:varprop", *words]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def script_with(word):
    (found,) = [script for script in SCRIPTS if word in script]
    return found


@pytest.mark.parametrize("how", ["fork", "spawn", "forkserver"])
def test_processes_of_any_start(tmp_path, how):
    assert run(tmp_path, PROCESSES, "script.py", how) == ["True"]


def test_loky_as_the_docs_show_it(tmp_path):
    pytest.importorskip("loky")
    assert run(tmp_path, script_with("loky"), "script.py") == ["True"]


def test_mpi_as_the_docs_show_it(tmp_path):
    mpiexec = shutil.which("mpiexec", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    if importlib.util.find_spec("mpi4py") is None or mpiexec is None:
        pytest.skip("there is no MPI")
    script, words = script_with("MPIPoolExecutor"), ("-m", "mpi4py.futures", "script.py")
    assert f"mpiexec -n 3 python {' '.join(words)}" in PAGE
    assert run(tmp_path, script, *words, before=[mpiexec, "-n", "3"]) == ["True"]
