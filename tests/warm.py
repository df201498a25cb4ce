"""Compile what the tests draw with, a process a core, so that pytest's workers find it on disk: `make test` runs it.

Each job compiles other kernels, the longest first.
"""

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor

from varprop import Network, simulate
from varprop.layers import Dense, Dropout, Gate, LayerNorm, Residual

CHAIN = Network([2, 3, 2], "gelu", "he")
GRAPH = Network.sequential(4, Residual(LayerNorm(), Dense(4), "tanh", Dropout(0.1)), Gate(4, "silu"), positions=2)


def dense_backward():
    simulate.backward(CHAIN, networks=2, method="dense")


def conditional_backward():
    simulate.backward(CHAIN, networks=2, method="conditional")


def graph_backward():
    for method in ("dense", "conditional"):
        simulate.backward(GRAPH, networks=2, method=method)


def dense():
    simulate.forward(CHAIN, networks=2, method="dense", moments=4)


def conditional():
    simulate.forward(CHAIN, networks=2, method="conditional", moments=4)
    simulate.forward(GRAPH, networks=2, moments=4)
    simulate.pair(CHAIN, networks=2, correlation=0.5)
    simulate.gram(CHAIN, [[1.0, 2.0]] * 2, networks=2)
    simulate.law(CHAIN, networks=2)


JOBS = (dense_backward, conditional_backward, graph_backward, dense, conditional)


def main() -> None:
    with ProcessPoolExecutor(os.cpu_count(), mp_context=multiprocessing.get_context("spawn")) as pool:
        for job in [pool.submit(job) for job in JOBS]:
            job.result()


if __name__ == "__main__":
    main()
