"""By what networks are drawn is said as the makers of each part say it."""

import platform
import re

import llvmlite
import numba
import numpy as np

import varprop
from varprop.simulate import builds

ALL = ["varprop", "python", "numpy", "numba", "llvmlite", "llvm", "system", "machine", "processor", "features"]


def test_what_draws_is_named():
    found = builds.here()
    assert list(found) == ALL
    assert [found[name] for name in ALL[:5]] == [
        varprop.__version__,
        platform.python_version(),
        np.__version__,
        numba.__version__,
        llvmlite.__version__,
    ]
    assert re.fullmatch(r"\d+\.\d+\.\d+", found["llvm"])
    assert (found["system"], found["machine"]) == (platform.system(), platform.machine())
    assert found["processor"]
    assert re.fullmatch("[0-9a-f]{12}", found["features"])
    found["numpy"] = "another"
    assert builds.here()["numpy"] == np.__version__


def test_what_decides_the_bits():
    decisive = ["varprop", "numpy", "numba", "llvm", "machine", "processor", "features", "sums"]
    assert builds.decisive({name: f"of {name}" for name in [*ALL, "sums", "more"]}) == {
        name: f"of {name}" for name in decisive
    }
    assert builds.decisive({}) == dict.fromkeys(decisive)
