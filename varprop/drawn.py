"""The one door from what is drawn to `plots`, opened at the first plot: varprop works, and starts, without it."""

from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .plots.look import Axes as Axes  # for signatures alone


def plots() -> ModuleType:
    """Return the module `plots`."""
    from . import plots

    return plots
