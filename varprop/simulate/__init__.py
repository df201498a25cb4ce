"""The same quantities as `varprop.theory`, measured on random networks."""

from .backward import backward
from .forward import forward
from .gram import gram
from .law import law
from .merging import extend, merge
from .pair import pair

__all__ = [
    "backward",
    "extend",
    "forward",
    "gram",
    "law",
    "merge",
    "pair",
]
