"""By what networks are drawn: on one of these, equal seeds give equal bits."""

import functools
import hashlib
import platform
import sys
from importlib import metadata


@functools.cache
def _here() -> tuple:
    import llvmlite.binding as llvm  # which numba has loaded already

    from ..kernels.options import config  # numba's, which may have been told to compile for another processor

    features = config.CPU_FEATURES
    if features is None:
        features = llvm.get_host_cpu_features().flatten()
    return (
        ("varprop", sys.modules["varprop"].__version__),
        ("python", platform.python_version()),
        *((name, metadata.version(name)) for name in ("numpy", "numba", "llvmlite")),
        ("llvm", ".".join(map(str, llvm.llvm_version_info))),
        ("system", platform.system()),
        ("machine", platform.machine()),
        ("processor", config.CPU_NAME or llvm.get_host_cpu_name()),
        ("features", hashlib.sha256(features.encode()).hexdigest()[:12]),
    )


def here() -> dict[str, str]:
    """Return the versions of what draws and the type of processor, by name."""
    return dict(_here())


def decisive(build) -> dict[str, str]:
    """Return what of a build decides the bits: not Python, nor the operating system."""
    names = ("varprop", "numpy", "numba", "llvm", "machine", "processor", "features", "sums")
    return {name: build.get(name) for name in names}
