"""Threads and processes that call at once get what one call gets, to the bit."""

import multiprocessing
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from evidence import needs_compiler
from numba import float32

from varprop import Network, simulate
from varprop.kernels.separate import Separate

NETWORK = Network([8] * 4, "tanh", "lecun")
SEEDS = [0, 1, 2, 3] * 3


def ask(seed):
    """Return a variance's bytes."""
    return simulate.forward(NETWORK, networks=1000, seed=seed).variance.values.tobytes()


@needs_compiler
def test_threads_may_ask_at_once():
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(ask, SEEDS))
    assert found == [ask(seed) for seed in SEEDS]
    assert len(set(found)) == 4


def double(x):
    x[:] = 2 * x


@needs_compiler
def test_what_is_compiled_on_its_own_is_compiled_once():
    one = Separate(double, (float32[::1],))
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(lambda _: one.address, range(32)))) == 1


@needs_compiler
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # Python 3.12 warns of any process with threads
@pytest.mark.parametrize("how", ["fork", pytest.param("spawn", marks=pytest.mark.slow)])
def test_processes_may_ask_at_once(how):
    if how not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {how} here")
    expected = [ask(seed) for seed in SEEDS]
    with multiprocessing.get_context(how).Pool(2) as pool:
        assert pool.map(ask, SEEDS) == expected


SUMS = """
import numpy as np
from varprop import Network, simulate
rng = np.random.default_rng(0)
rows, given = rng.standard_normal((4, 20_000)), rng.standard_normal(20_000)
network = Network([20_000, 8, 20_000], "tanh", "lecun")
found = simulate.backward(network, rows, loss=given, networks=128, threads=1)
pair = simulate.pair(network, inputs=rows[:2], networks=128, threads=1)
print([(p.values.tobytes().hex(), p.errors.tobytes().hex()) for r in (found, pair) for p in r.profiles.values()])
"""


@pytest.mark.slow
@needs_compiler
def test_threads_of_blas_play_no_part():
    """Sums of many numbers come in another order there: of 20,000, more threads than one take part."""
    said = {
        subprocess.run(
            [sys.executable, "-c", SUMS],
            env={**os.environ, "OPENBLAS_NUM_THREADS": threads},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for threads in "12"
    }
    assert len(said) == 1
