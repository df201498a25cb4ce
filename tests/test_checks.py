"""Numbers that callers give: the same words for the same mistake, everywhere."""

import copy
import pickle
from fractions import Fraction

import numpy as np
import pytest
from evidence import needs_compiler

from varprop import Network, VarianceScaling, checks, compare, custom_activation, leaky_relu, simulate, theory

NETWORK = Network([2, 2])
MEASURED = simulate.forward(NETWORK, networks=2)

NUMBERS = {
    "multiplier": lambda v: Network([2, 2], multiplier=v),
    "bias_variance": lambda v: Network([2, 2], bias_variance=v),
    "scale": lambda v: VarianceScaling(v),
    "slope of leaky_relu": lambda v: leaky_relu(v),
    "correlation": lambda v: theory.pair(NETWORK, v),
    "level": lambda v: compare(simulate.forward(NETWORK, networks=2), theory.forward(NETWORK), level=v),
    "relative_error": lambda v: theory.networks_needed(NETWORK, v),
    "q": lambda v: theory.gain("tanh", v),
    "start": lambda v: theory.fixed_point("tanh", 1.0, start=v),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_what_is_no_number_is_a_type_error_and_what_is_none_of_those_allowed_a_value_error(name):
    for wrong in ("a", True, np.bool_(True), 1j, np.array("a")):
        with pytest.raises(TypeError, match=f"{name} is .*; give a number"):
            NUMBERS[name](wrong)
    for wrong in (float("nan"), float("inf"), 10**400):
        with pytest.raises(ValueError, match=f"{name} is (nan|inf|beyond float64); (it must|give a smaller)"):
            NUMBERS[name](wrong)
    for half in (0.5, np.float32(0.5), np.array(0.5), Fraction(1, 2)):
        NUMBERS[name](half)


def test_whole_numbers():
    assert checks.whole(np.uint64(2**63), "seed", 0, 2**64 - 1) == 2**63
    for wrong in (2.0, True, "2", None):
        with pytest.raises(TypeError, match=r"n is .*; give a whole number"):
            checks.whole(wrong, "n", 1, 3)
    with pytest.raises(ValueError, match="n is 4000; it must be from 1 to 3,000"):
        checks.whole(np.int16(4000), "n", 1, 3000)


class Unshowable:
    def __repr__(self):
        raise RuntimeError("no")


class Page:
    def __repr__(self):
        return "Module(\n  (0): Linear\n" * 1000


LONG = [Unshowable(), Page(), [Page()] * 3, list(range(10**6)), 10**5000, np.ones((300, 300)), "x" * 300, b"\n" * 300,
        {i: i for i in range(10**5)}, np.full(5, "x" * 99), lambda: 3]  # fmt: skip
QUOTING = {
    **NUMBERS,
    "activation": lambda v: Network([2, 2], v),
    "weights": lambda v: Network([2, 2], weights=v),
    "widths": lambda v: Network(v),
    "width": lambda v: Network([2, v]),
    "network": lambda v: theory.forward(v),
    "loss": lambda v: theory.backward(NETWORK, loss=v),
    "order": lambda v: theory.forward(NETWORK, order=v),
    "method": lambda v: simulate.forward(NETWORK, networks=2, method=v),
    "source": lambda v: theory.precision(v, "float16"),
    "dtype": lambda v: theory.precision(NETWORK, v),
    "networks": lambda v: simulate.forward(NETWORK, networks=v),
    "seed": lambda v: simulate.forward(NETWORK, networks=2, seed=v),
    "quantity": lambda v: compare(MEASURED, theory.forward(NETWORK), quantity=v),
    "measured": lambda v: compare(v, v),
    "mode": lambda v: VarianceScaling(1, v),
    "distribution": lambda v: VarianceScaling(1, "fan_in", v),
    "bound": lambda v: theory.law(NETWORK).probability_below(v),
    "layer": lambda v: theory.law(NETWORK).log_density(v),
    "phi": lambda v: custom_activation(v),
}


@pytest.mark.parametrize("name", QUOTING)
@pytest.mark.parametrize("value", LONG, ids=lambda value: type(value).__name__)
def test_a_value_is_quoted_on_one_line(name, value):
    if callable(value) and name in ("activation", "phi"):
        value = print
    with pytest.raises((TypeError, ValueError)) as error:
        QUOTING[name](value)
    words = str(error.value)
    assert "\n" not in words
    assert len(words) < 600


def test_quotes_keep_both_ends():
    assert checks.quote([1, "a"]) == "[1, 'a']"
    assert checks.quote("head" + "-" * 300 + "tail").startswith("'head---")
    assert checks.quote("head" + "-" * 300 + "tail").endswith("---tail'")
    assert max(len(checks.quote(value)) for value in LONG) == checks.LONGEST
    assert checks.quote(10**5000) == "a whole number of 16,610 bits"


def test_two_inputs_in_the_place_of_a_correlation():
    for side, more in ((theory, {}), (simulate, {"networks": 2})):
        for given in (np.eye(2), [[1.0, 0], [0, 1]], [1.0, 2.0]):
            with pytest.raises(TypeError, match=r"two inputs, of shape \(2, 2\), are given as inputs="):
                side.pair(NETWORK, given, **more)


@needs_compiler
def test_a_long_network_is_named_on_one_line():
    long = Network(range(1, 400), multiplier=[1 + 1 / n for n in range(1, 399)])
    with pytest.raises(ValueError, match=r"the two networks differ: 1,2,3,.*\.\.\..* was measured, 2\*2, ") as error:
        compare(simulate.forward(long, networks=2), theory.forward(NETWORK))
    assert len(str(error.value)) < 300


def test_what_a_function_of_ones_own_says_is_cut_to_a_line():
    def talks(z):
        raise RuntimeError("no\n" * 1000)

    with pytest.raises(ValueError, match=r"fails at .*: no no no .*\.\.\.") as error:
        custom_activation(talks)
    assert len(str(error.value)) < 300
    assert "\n" not in str(error.value)


def test_errors_that_no_mean_reaches_are_refused():
    for ask in (theory.networks_needed, lambda n, e: simulate.forward(n, relative_error=e)):
        for error in (1e-170, 1e-200, 1e-16):
            with pytest.raises(ValueError, match=f"relative_error is {error}; it must lie between 1e-15 and 1"):
                ask(NETWORK, error)
    with pytest.raises(ValueError, match="no number of them gives a mean"):
        theory.networks_needed(Network([1] * 600), 1e-14)


def test_whole_numbers_of_any_kind_will_do():
    one, other = (
        simulate.forward(NETWORK, networks=n, seed=s, block_size=b, threads=t).variance.values
        for n, s, b, t in ((np.uint64(70), np.uint64(3), np.uint64(7), np.int8(1)), (70, 3, 7, 1))
    )
    np.testing.assert_array_equal(one, other)


def test_arrays_of_no_dimension_are_numbers_and_networks_stay_hashable():
    network = Network([2, 2], multiplier=np.array(2.0), bias_variance=np.float32(0.5))
    assert hash(network) == hash(Network([2, 2], multiplier=2.0, bias_variance=0.5))
    assert hash(Network([2, 2, 2], multiplier=[np.array(2.0), 1])) == hash(Network([2, 2, 2], multiplier=(2.0, 1)))


def test_results_are_read_only_and_stay_so_through_a_pickle():
    for record in (theory.forward(NETWORK), simulate.forward(NETWORK, networks=2)):
        for profile in (record.variance, pickle.loads(pickle.dumps(record)).variance, copy.deepcopy(record).variance):
            with pytest.raises(ValueError, match="read-only"):
                profile.values[0] = 1.0
    for law in (theory.law(NETWORK), pickle.loads(pickle.dumps(theory.law(NETWORK)))):
        for array in law.layers[0][:4]:
            with pytest.raises(ValueError, match="read-only"):
                array[0] = 1.0
