"""Numbers that callers give: the same words for the same mistake, everywhere."""

from fractions import Fraction

import numpy as np
import pytest

from varprop import Network, VarianceScaling, checks, compare, leaky_relu, simulate, theory

NETWORK = Network([2, 2])

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
