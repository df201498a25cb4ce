"""What should be: variances of random networks, computed without drawing any."""

from .backward import backward
from .budget import networks_needed
from .fixed.edge import Critical, CriticalPoint, critical
from .fixed.fixed_points import FixedPoint, VariancePoint, fixed_point
from .fixed.gains import Gains, gain, gains
from .fixed.phase_diagram import PhaseDiagram, phase_diagram
from .forward import forward
from .gram import gram
from .law import law
from .pair import pair
from .precision import FORMATS, Precision, precision
from .wide_kernels import nngp, ntk

__all__ = [
    "FORMATS",
    "Critical",
    "CriticalPoint",
    "FixedPoint",
    "Gains",
    "PhaseDiagram",
    "Precision",
    "VariancePoint",
    "backward",
    "critical",
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
]
