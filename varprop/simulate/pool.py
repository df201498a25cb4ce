"""Threads that draw, which nobody waits for once they are told to stop: a kernel may be long in looking at its flag.

Python waits for the threads of `concurrent.futures.ThreadPoolExecutor` before it ends, and these draw one orthogonal
matrix of width 4096 in a minute.
"""

import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Self

PATIENCE = 0.3  # seconds that threads are waited for where an exception ends the work


class Pool:
    """As much of an executor as is needed here: ``submit``, and a ``with`` that ends it.

    Parameters
    ----------
    threads
        The most that work at once.
    """

    def __init__(self, threads: int):
        self.threads, self._queue = threads, SimpleQueue[tuple | None]()
        self._started: list[threading.Thread] = []

    def submit(self, function: Callable, *given) -> Future:
        """Return the future of ``function(*given)``."""
        future: Future = Future()
        self._queue.put((future, function, given))
        if len(self._started) < self.threads:
            thread = threading.Thread(target=self._work, name=f"varprop_{len(self._started)}", daemon=True)
            self._started.append(thread)
            thread.start()
        return future

    def _work(self) -> None:
        while (item := self._queue.get()) is not None:
            future, function, given = item
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(function(*given))
                except BaseException as error:
                    future.set_exception(error)
            del item, future, function, given  # or their arrays live until the next

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind, error, trace) -> None:
        with contextlib.suppress(Empty):
            while error is not None and (item := self._queue.get_nowait()) is not None:
                item[0].cancel()
        for _ in self._started:
            self._queue.put(None)
        for thread in self._started:
            thread.join(None if error is None else PATIENCE / len(self._started))
