"""What should be: variances of random networks, computed without drawing any."""

from importlib import import_module
from typing import TYPE_CHECKING

from .backward import backward
from .budget import networks_needed
from .derivation import Derivation, Step, derivation
from .forward import forward
from .gram import gram
from .law import law
from .pair import pair
from .precision import FORMATS, Precision, precision
from .tune import TunedSide, Tuning, tune
from .weight_law import WeightLaw, weight_law
from .wide_kernels import nngp, ntk

if TYPE_CHECKING:
    from .fixed.edge import Critical, CriticalPoint, critical
    from .fixed.fixed_points import FixedPoint, VariancePoint, fixed_point
    from .fixed.gains import Gains, gain, gains
    from .fixed.phase_diagram import PhaseDiagram, phase_diagram

_LAZY = {  # loaded when asked for
    "fixed.edge": ("Critical", "CriticalPoint", "critical"),
    "fixed.fixed_points": ("FixedPoint", "VariancePoint", "fixed_point"),
    "fixed.gains": ("Gains", "gain", "gains"),
    "fixed.phase_diagram": ("PhaseDiagram", "phase_diagram"),
}


if not TYPE_CHECKING:  # with it checkers would take any name for one that there is

    def __getattr__(name: str):
        for module, names in _LAZY.items():
            if name in names:
                return getattr(import_module(f".{module}", __name__), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return __all__


__all__ = [
    "FORMATS",
    "Critical",
    "CriticalPoint",
    "Derivation",
    "FixedPoint",
    "Gains",
    "PhaseDiagram",
    "Precision",
    "Step",
    "TunedSide",
    "Tuning",
    "VariancePoint",
    "WeightLaw",
    "backward",
    "critical",
    "derivation",
    "fixed_point",
    "forward",
    "gain",
    "gains",
    "gram",
    "law",
    "networks_needed",
    "nngp",
    "ntk",
    "pair",
    "phase_diagram",
    "precision",
    "tune",
    "weight_law",
]
