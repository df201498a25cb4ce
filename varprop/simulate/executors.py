"""The workers of an executor, in other processes or on other machines, as a crew for `ensemble.run`."""

import contextlib
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future
from pickle import PickleError
from queue import Empty, SimpleQueue

import numpy as np

from ..checks import one_line, quote
from ..kernels import LANES
from ..progress import says_when_slow
from ..runs import Question
from ..sum_tree import SumTree
from . import worker
from .ensemble import Plan, Size
from .executor_error import ExecutorError

TASK_DRAWS = 2**28  # random numbers a task, 0.3 to 1 s: a scheduler's millisecond is little beside it
MANY = 64  # workers, beyond whom tasks grow: a scheduler hands out some hundreds of tasks a second
SLOTS = 64  # workers, where an executor does not say how many it has
HEAVY = 2**20  # bytes of a question that Dask's workers are to fetch once, not with each task
LOOK = 5.0  # seconds after which a cluster is looked at anew
PATIENCE = 60.0  # seconds in which a scheduler must answer
_THEIRS = ("distributed", "dask", "loky", "joblib", "mpi4py", "tornado", "asyncio")  # whose errors are the executor's
_LOST = (BrokenExecutor, CancelledError, PickleError, ImportError, OSError)


class There:
    """The workers of an executor.

    Parameters
    ----------
    question
        What they are asked; see `worker`.
    plan
        How networks are drawn. It is not carried out here, and no kernel is compiled.
    executor
        A `concurrent.futures.Executor`.
    block_size
        Networks a task; by default as many as take some half a second.

    Attributes
    ----------
    builds
        Of the workers that drew, without repeats.
    """

    def __init__(self, question: Question, plan: Plan, executor: Executor, block_size: int | None = None):
        self._asked, self._plan, self._block_size = worker.Asked.of(question), plan, block_size
        self._workers = _Cluster(executor) if _is_dask(executor) else _Workers(executor)
        self._done: SimpleQueue = SimpleQueue()
        self._open: set[Future] = set()
        self.builds: list[dict] = []

    @property
    def most(self) -> int:
        """How many tasks are asked for before the first must be done; a cluster may grow."""
        return max(2 * self._workers.slots(), 8)

    def block(self, tiles: int) -> int:
        """Return how many tiles a task has, of so many: a subtree, and several tasks for each worker."""
        if self._block_size is not None:
            return Size(self._block_size, self._plan.draws, self._plan.numbers).block(tiles)
        slots = self._workers.slots()
        by_time = TASK_DRAWS * max(1, slots // MANY) // (self._plan.draws * LANES)
        return 2 ** (max(1, min(by_time, tiles // (4 * slots))).bit_length() - 1)

    @contextlib.contextmanager
    def at_work(self, tree: SumTree, first: int, progress):
        """Be ready to draw networks which go with what ``tree`` knows."""
        try:
            with says_when_slow("waiting for workers, which compile the sampling kernels once a machine ...", progress):
                self._carried = self._workers.carry(self._asked)
                if tree.pivots is None:
                    self._submit(worker.find_pivots, self._carried)
                    self._pivots = self._take(self._wait())
                else:
                    self._pivots = tree.pivots
            yield
        finally:
            if self._open:
                self._workers.cancel(self._open)

    def submit(self, tile: int, tiles: int, part: int) -> Future:
        """Return the future of a `SumTree` of these networks; see `worker.draw`."""
        return self._submit(worker.draw, self._carried, tile, tiles, part, self._pivots)

    def next_done(self, pending: deque) -> SumTree:
        """Take the first future that is done out of those that are ``pending``, and return what it found."""
        future = self._wait()
        pending.remove(future)
        return self._take(future)

    def pivots(self) -> np.ndarray:
        """Return the pivots."""
        return self._pivots

    def _submit(self, *given) -> Future:
        try:
            future = self._workers.executor.submit(*given)
        except Exception as error:
            raise ExecutorError(f"the executor takes no work: {_named(error)}") from error
        self._open.add(future)
        future.add_done_callback(self._done.put)
        return future

    def _wait(self) -> Future:
        """Return a future that is done, in the order in which they end. Raises ExecutorError where none will be."""
        while True:
            with contextlib.suppress(Empty):
                future = self._done.get(timeout=1.0)
                self._open.discard(future)
                return future
            self._workers.check()

    def _take(self, future: Future):
        try:
            found, build = future.result()
        except (Exception, CancelledError) as error:
            if isinstance(error, ExecutorError) or not _is_executors(error):
                raise error
            raise ExecutorError(f"the executor failed: {_named(error)}") from error
        if build not in self.builds:
            self.builds.append(build)
        return found


class _Workers:
    """What is asked of any executor."""

    def __init__(self, executor: Executor):
        self.executor = executor

    def slots(self) -> int:
        """Return how many tasks run at once."""
        return getattr(self.executor, "_max_workers", None) or SLOTS

    def carry(self, asked: worker.Asked):
        """Return what tasks take for what is asked."""
        return asked

    def check(self) -> None:
        """Raise ExecutorError where nothing more will come: other executors break their futures themselves."""

    def cancel(self, futures: set[Future]) -> None:
        for future in list(futures):
            future.cancel()


class _Cluster(_Workers):
    """A cluster of Dask, behind an executor of the same client."""

    def __init__(self, executor):
        self._client = executor._client
        # without names made of what is asked, for which all of it would be read at every task
        super().__init__(self._client.get_executor(**{**executor._kwargs, "pure": False}))
        self._looked, self._slots = -np.inf, SLOTS

    def slots(self) -> int:
        self.check()
        return self._slots

    def carry(self, asked: worker.Asked):
        if len(asked.content) < HEAVY:
            return asked
        return _heeded(lambda: self._client.submit(worker.carried, asked, pure=False))

    def check(self) -> None:
        """Look at the scheduler now and then. Raises ExecutorError where it is gone."""
        if self._client.status != "running":  # it may come back, and will not know of our tasks
            raise ExecutorError(f"the connection to Dask's scheduler is lost: its client is {self._client.status}")
        if time.monotonic() < self._looked + LOOK:
            return
        ask = self._client.scheduler.ncores
        cores = _heeded(lambda: self._client.sync(ask, callback_timeout=PATIENCE))
        self._looked, self._slots = time.monotonic(), sum(cores.values()) or SLOTS

    def cancel(self, futures: set[Future]) -> None:
        if self._client.status == "running":
            self.executor.shutdown(wait=False)  # ours alone: the caller's goes on


def _heeded(ask: Callable):
    """Return what a scheduler answers. Raises ExecutorError where it does not."""
    try:
        return ask()
    except Exception as error:
        raise ExecutorError(f"Dask's scheduler does not answer: {_named(error)}") from error


def check_executor(executor) -> Executor:
    """Return an executor. Raises TypeError for what is none."""
    if isinstance(executor, Executor):
        return executor
    if type(executor).__module__.startswith("distributed") and hasattr(executor, "get_executor"):
        raise TypeError("executor is a Dask Client; give client.get_executor().")
    raise TypeError(f"executor is {quote(executor)}; give a concurrent.futures.Executor.")


def _is_dask(executor: Executor) -> bool:
    return type(executor).__module__.startswith("distributed.")


def _is_executors(error: BaseException) -> bool:
    """Return whether an error is the executor's own, not one that varprop raised in a worker."""
    return isinstance(error, _LOST) or type(error).__module__.partition(".")[0] in _THEIRS


def _named(error: BaseException) -> str:
    return f"{type(error).__name__}: {one_line(error)}".rstrip(": .")
