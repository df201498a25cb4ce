"""What should be: variances of random networks, computed without drawing any."""

from .budget import networks_needed
from .forward import forward
from .gains import gain
from .law import law
from .precision import precision

__all__ = ["forward", "gain", "law", "networks_needed", "precision"]
