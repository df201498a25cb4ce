"""The same quantities as `varprop.theory`, measured on random networks."""

from .backward import backward
from .forward import forward

__all__ = ["backward", "forward"]
