"""Types that users' checkers read: `make lint` holds them true (mypy), and here that no public call lacks one."""

import importlib
import inspect
from functools import cached_property
from importlib import resources

import pytest

PUBLIC = ("varprop", "varprop.theory", "varprop.simulate", "varprop.layers", "varprop.plots")


def untyped(name: str, function) -> list[str]:
    """Return what of a function's signature has no annotation."""
    signature = inspect.signature(function)
    given = [p.name for p in signature.parameters.values() if p.annotation is p.empty and p.name not in ("self", "cls")]
    gives = [] if signature.return_annotation is not signature.empty else ["what it returns"]
    return [f"{name}: {word}" for word in given + gives]


def methods(kind: type):
    """Yield name and function of what a class of varprop has that is public, or is called to make it."""
    for owner in kind.__mro__:
        for name, member in vars(owner).items() if owner.__module__.startswith("varprop.") else ():
            if isinstance(member, (property, cached_property, classmethod, staticmethod)):
                member = getattr(member, "fget", None) or getattr(member, "func", None) or member.__func__
            if inspect.isfunction(member) and member.__module__.startswith("varprop.") and name[0] != "_":
                yield f"{owner.__name__}.{name}", member


@pytest.mark.parametrize("module", PUBLIC)
def test_public_calls_have_types(module):
    found = importlib.import_module(module)
    lacking = []
    for name in found.__all__:
        one = getattr(found, name)
        if inspect.isclass(one):
            lacking += [line for member in methods(one) for line in untyped(*member)]
            if inspect.isfunction(one.__init__):  # of varprop, not of an exception or a tuple
                lacking += [line for line in untyped(name, one.__init__) if "return" not in line]
        elif inspect.isfunction(one):
            lacking += untyped(name, one)
    assert lacking == []


def test_a_call_without_types_is_seen():
    def bad(network: object, inputs=None):
        return inputs

    assert untyped("bad", bad) == ["bad: inputs", "bad: what it returns"]


def test_checkers_are_told_that_types_are_here():
    assert resources.files("varprop").joinpath("py.typed").is_file()
