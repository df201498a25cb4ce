"""The one door from what is drawn to `plots`, opened at the first plot: varprop works, and starts, without it."""

from types import ModuleType


def plots() -> ModuleType:
    """Return the module `plots`."""
    from . import plots

    return plots
