"""What a worker of an executor does: the description of a question and a range of tiles in, their sums out.

It draws on one thread: an executor has as many workers as it wants to keep cores busy.
"""

import contextlib
import hashlib
import os
import pickle
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np

from ..checks import one_line
from ..kernels import LANES
from ..runs import Question
from ..sum_tree import SumTree
from . import builds, ensemble, measure, memory
from .executor_error import ExecutorError

LONGEST = 300.0  # seconds that a worker waits for another to compile, which may be frozen
_one_at_a_time = threading.Lock()


@dataclass(frozen=True)
class Asked:
    """A question on its way to a worker.

    Attributes
    ----------
    digest
        Of ``content``, by which a worker knows what it has seen.
    version
        Of varprop, where it comes from.
    content
        The question, pickled.
    """

    digest: str
    version: str
    content: bytes = field(compare=False, repr=False)

    @classmethod
    def of(cls, question: Question) -> "Asked":
        """Return a question as it travels: by cloudpickle, where there is one, with the functions of a script."""
        try:
            import cloudpickle as by
        except ImportError:
            by = pickle
        content = by.dumps(question)
        return cls(hashlib.sha256(content).hexdigest(), _version(), content)


def carried(asked: Asked) -> Asked:
    """Return what is given: a task whose result other workers fetch, and which may be run again."""
    return asked


def find_pivots(asked: Asked) -> tuple[np.ndarray, dict]:
    """Return typical sizes among networks 0 to 63, and the build that drew them."""
    return _ready(asked).pivots(np.zeros(1, np.uint8)), builds.here()


def draw(asked: Asked, tile: int, tiles: int, part: int, pivots: np.ndarray) -> tuple[SumTree, dict]:
    """Return the sums of tiles, of a last one the first ``part`` networks, and the build that drew them."""
    plan, found, stop = _ready(asked), SumTree(pivots), np.zeros(1, np.uint8)
    span = tile * LANES, tile * LANES + (part or tiles * LANES)
    for start, count, rest in ensemble.blocks([span], ensemble.Size(None, plan.draws, plan.numbers).block(tiles)):
        plan.add(found, start, count, rest, stop)
    found.pivots = None  # who asked has them
    return found, builds.here()


def _ready(asked: Asked) -> ensemble.Plan:
    """Return how a question is answered, with all kernels compiled. Raises ExecutorError where it cannot be read."""
    if asked.version != _version():
        raise ExecutorError(f"a worker has varprop {_version()}, and here is {asked.version}; install one on both")
    with _one_at_a_time:
        return _planned(asked)


@lru_cache(maxsize=4)
def _planned(asked: Asked) -> ensemble.Plan:
    try:
        question = pickle.loads(asked.content)
    except Exception as error:  # a module of the user's that is not there, above all
        raise ExecutorError(f"a worker cannot read the network: {one_line(error).rstrip('.')}") from error
    _, plan = measure.planned(question)
    memory.check_memory(plan.memory, 1, None, say=False)
    with _alone_here():
        plan.compile(np.zeros(1, np.uint8))
    return plan


@contextlib.contextmanager
def _alone_here():
    """Let one process of this machine compile; those that had to wait for it find on disk what it made."""
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    user = os.getuid() if hasattr(os, "getuid") else 0
    path, end = Path(tempfile.gettempdir()) / f"varprop-{user}.lock", time.monotonic() + LONGEST
    try:
        file = os.open(path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o600)
    except OSError:
        yield
        return
    try:
        waited = False
        while time.monotonic() < end:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                waited = True
                time.sleep(0.05)
            except OSError:  # a file system without locks
                break
        if waited:  # then all who did load what is there, at once
            fcntl.flock(file, fcntl.LOCK_UN)
        yield
    finally:
        os.close(file)


def _version() -> str:
    return sys.modules["varprop"].__version__
