"""Examples in docstrings run and print what they show; bounds in docstrings are the code's."""

import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import pytest
from evidence import needs_compiler

import varprop
from varprop import Network, VarianceScaling, inputs, theory
from varprop.layers import dense
from varprop.theory.fixed import scan
from varprop.theory.losses import softmax

ROOT = Path(__file__).resolve().parent.parent


def docstring_examples():
    """Return every docstring of the package that has examples, as a `doctest.DocTest`; pytorch/ has its own tests."""
    names = [m.name for m in pkgutil.walk_packages(varprop.__path__, "varprop.") if not m.name.endswith("__main__")]
    names = [name for name in names if not name.startswith("varprop.pytorch")]
    finder = doctest.DocTestFinder()
    found = [test for name in ["varprop", *names] for test in finder.find(importlib.import_module(name))]
    return [test for test in found if test.examples]


EXAMPLES = docstring_examples()


@needs_compiler
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_docstrings_print_what_they_show(example):
    assert example.globs.pop("__name__").startswith("varprop")
    example.globs.clear()  # a reader has nothing but what the example imports
    said = []
    failed, tried = doctest.DocTestRunner().run(example, out=said.append)
    assert tried == len(example.examples)
    assert failed == 0, "".join(said)


def test_a_wrong_docstring_is_found():
    wrong = doctest.DocTestParser().get_doctest(">>> 1 + 1\n3\n", {}, "wrong", None, 0)
    assert doctest.DocTestRunner().run(wrong, out=lambda text: None).failed == 1


def test_what_people_call_first_has_an_example():
    names = {example.name.removeprefix("varprop.") for example in EXAMPLES}
    first = {f"{side}.{name}.{name}" for side in ("theory", "simulate") for name in ("forward", "backward", "pair")}
    assert first | {"comparison.compare", "theory.law.law", "theory.fixed.fixed_points.fixed_point"} <= names


def test_bounds_in_docstrings_are_those_of_the_code():
    def plain(bound):
        return re.sub(r"e([-+])0*", lambda e: f"e{e[1].strip('+')}", f"{bound:g}")

    def says(thing, *bounds):
        text = " ".join(thing.__doc__.split())
        assert " to ".join(map(plain, bounds)) in text, thing

    for function in (theory.fixed_point, theory.gains, theory.critical):
        says(function, scan.SMALLEST, scan.LARGEST * 1e-5)
    says(Network, dense.SMALLEST, dense.LARGEST)
    for function in (inputs.as_inputs, inputs.as_loss):
        says(function, inputs.SMALLEST)
        says(function, inputs.LARGEST)
    assert f"{plain(inputs.SMALLEST)} to {plain(inputs.LARGEST)} in size" in (ROOT / "DESIGN.md").read_text()
    says(varprop.compare, varprop.compare.__kwdefaults__["level"])


@pytest.mark.parametrize(("outputs", "percent"), [(2, "0.6% with two outputs"), (1000, "1.6% with a thousand")])
def test_what_one_hot_softmax_leaves_out(outputs, percent):
    assert percent in " ".join(theory.backward.__doc__.split())
    network = Network([1, outputs], "linear", VarianceScaling(softmax.LARGEST, "none"))
    at_most = theory.backward(network, [1.0], loss="cross_entropy", order="infinite").gradient_variance[-1]
    one_hot = 2 * (1 - 1 / outputs) / outputs  # the softmax and the label are two corners, drawn independently
    assert 100 * (1 - at_most / one_hot) == pytest.approx(float(percent.split("%")[0]), abs=0.05)
