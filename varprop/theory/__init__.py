"""What should be: variances of random networks, computed without drawing any."""

from .backward import backward
from .budget import networks_needed
from .forward import forward
from .gains import gain

__all__ = ["backward", "forward", "gain", "networks_needed"]
