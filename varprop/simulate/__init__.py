"""The same quantities as `varprop.theory`, measured on random networks."""

from .backward import backward
from .forward import forward
from .gram import gram
from .law import law
from .pair import pair

__all__ = [
    "backward",
    "forward",
    "gram",
    "law",
    "pair",
]
