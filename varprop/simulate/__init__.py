"""The same quantities as `varprop.theory`, measured on random networks."""

from .backward import backward
from .forward import forward
from .law import law

__all__ = ["backward", "forward", "law"]
