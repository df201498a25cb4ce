"""What should be: no randomness, no Numba."""

from .forward import forward
from .gains import gain

__all__ = ["forward", "gain"]
