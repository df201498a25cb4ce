"""The same quantities as `varprop.theory`, measured on random networks."""

from .backward import backward
from .executor_error import ExecutorError
from .forward import forward
from .gram import gram
from .law import law
from .merging import extend, load, merge
from .moments import moments
from .pair import pair
from .sample import sample

__all__ = [
    "ExecutorError",
    "backward",
    "extend",
    "forward",
    "gram",
    "law",
    "load",
    "merge",
    "moments",
    "pair",
    "sample",
]
