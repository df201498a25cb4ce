"""By what networks are drawn: on one of these, equal seeds give equal bits."""

import functools
import platform
import sys
from importlib import metadata


@functools.cache
def _here() -> tuple:
    import llvmlite.binding as llvm  # which numba has loaded already

    return (
        ("varprop", sys.modules["varprop"].__version__),
        ("python", platform.python_version()),
        *((name, metadata.version(name)) for name in ("numpy", "numba", "llvmlite")),
        ("llvm", ".".join(map(str, llvm.llvm_version_info))),
        ("system", platform.system()),
        ("machine", platform.machine()),
        ("processor", llvm.get_host_cpu_name()),
    )


def here() -> dict[str, str]:
    """Return the versions of what draws and the type of processor, by name."""
    return dict(_here())


def decisive(build) -> dict[str, str]:
    """Return what of a build decides the bits: not Python, nor the operating system."""
    return {name: build.get(name) for name in ("varprop", "numpy", "numba", "llvm", "machine", "processor")}
