"""Compile what the tests draw with, in two processes, so that pytest's workers find it on disk: `make test` runs it.

Numba keeps only the outermost kernels on disk; what they call, each process compiles anew. So the kernels of chains,
which share much, are one job, and those of graphs the other.
"""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor

from varprop import Network, simulate
from varprop.layers import Dense, Dropout, Gate, LayerNorm, Residual

CHAIN = Network([2, 3, 2], "gelu", "he")
GRAPH = Network.sequential(4, Residual(LayerNorm(), Dense(4), "tanh", Dropout(0.1)), Gate(4, "silu"), positions=2)


def chains():
    for method in ("dense", "conditional"):
        simulate.backward(CHAIN, networks=2, method=method)
        simulate.forward(CHAIN, networks=2, method=method, moments=4)
    simulate.law(CHAIN, networks=2)


def graphs():
    for method in ("dense", "conditional"):
        simulate.backward(GRAPH, networks=2, method=method)
    simulate.forward(GRAPH, networks=2, moments=4)
    simulate.pair(CHAIN, networks=2, correlation=0.5)
    simulate.gram(CHAIN, [[1.0, 2.0]] * 2, networks=2)


def main() -> None:
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        for job in [pool.submit(job) for job in (chains, graphs)]:
            job.result()


if __name__ == "__main__":
    main()
