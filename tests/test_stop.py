"""A nonzero flag ends every kernel before it has done anything: so Ctrl-C need not wait for a wide layer."""

import importlib
import inspect
import pkgutil

import numpy as np
import pytest
from evidence import needs_compiler

from varprop import Network
from varprop.inputs import as_inputs, as_loss
from varprop.kernels import LANES, layers, options, places, powers
from varprop.kernels.layer import RECORD_FIELDS
from varprop.layers import Dense, Dropout, Gate, LayerNorm, Residual
from varprop.simulate import samplers
from varprop.simulate.program import Program

STOP = np.ones(1, np.uint8)
MODULES = [
    importlib.import_module(f"{layers.__name__}.{found.name}") for found in pkgutil.iter_modules(layers.__path__)
]
DIRECT = {
    f"{module.__name__}.{name}": kernel
    for module in (*MODULES, places, powers)
    for name, kernel in vars(module).items()
    if isinstance(kernel, options.Direct)
}
GRAPH = (Residual(LayerNorm(), Dense(4), "tanh", Dropout(0.2), drop=0.1), Gate(4, "silu"), Dense(5, "orthogonal"))


def arrays_in(values):
    for value in values:
        if isinstance(value, np.ndarray):
            yield value
        elif isinstance(value, tuple):
            yield from arrays_in(value)


def test_every_kernel_takes_the_flag():
    assert len(DIRECT) > 15
    for name, kernel in DIRECT.items():
        assert list(inspect.signature(kernel.__wrapped__).parameters)[-1] == "stop", name


def test_no_kernel_of_a_graph_sets_anything_once_the_flag_is_set(monkeypatch):
    """Each call of a walk is made twice, first with the flag set, and then as it is."""
    seen, call = set(), options.Direct.__call__

    def told_to_stop(self, *arguments):
        held = list(arrays_in(arguments[:-1]))
        before = [array.copy() for array in held]
        call(self, *arguments[:-1], STOP)
        for array, was in zip(held, before, strict=True):
            np.testing.assert_array_equal(array, was, err_msg=self.__name__)
        seen.update(name for name, kernel in DIRECT.items() if kernel is self)
        call(self, *arguments)

    monkeypatch.setattr(options.Direct, "__call__", told_to_stop)
    given, many = np.arange(1.0, 9.0).reshape(1, 2, 4), np.ones((2, 5))
    asked = [
        (GRAPH, 2, None, "linear", "records"),
        (GRAPH, 2, given, "half_square", "grams"),
        (GRAPH, 2, given, "cross_entropy", "records"),
        (GRAPH, 2, given, many, "records"),
        (GRAPH, 1, 0.5, None, "pairs"),
        ((Dense(16), Dense(5)), 2, None, many, "records"),
    ]
    for nodes, positions, rows, loss, kind in asked:
        network = Network.sequential(4, *nodes, positions=positions)
        program = Program(network, rows, 2, 3, "auto", loss)
        count = len(network.places) + 1
        shape = {"records": (3 * count, places.FIELDS + 1), "grams": (count, 2, 2), "pairs": (count, 6)}[kind]
        for _, walk, first in program.walks(0, 1):
            some = {kind: np.zeros((1, *shape, LANES))}
            walk.forward(first, np.zeros(1, np.uint8), **some)
            if loss is not None:
                walk.backward(first, np.zeros(1, np.uint8), **some)
    assert seen == set(DIRECT)


@needs_compiler
@pytest.mark.parametrize("weights", ["he", "he_orthogonal"])
@pytest.mark.parametrize("method", ["conditional", "dense"])
def test_no_sampler_of_a_chain_writes_a_record_once_the_flag_is_set(method, weights):
    network = Network([3, 5, 2], "tanh", weights)
    inputs, loss = as_inputs(None, 3), as_loss("cross_entropy", 2)
    for sample, rows in (
        (samplers.forward_sampler(network, inputs, 1, method), 2),
        (samplers.backward_sampler(network, inputs, loss, 1, method), 3),
    ):
        records = np.full((2, rows, RECORD_FIELDS, LANES), -7.0)
        sample(0, records, STOP)
        np.testing.assert_array_equal(records, -7.0)
