"""A Dask cluster, where a command asks for one."""

import contextlib
import logging
from collections.abc import Iterator
from concurrent.futures import Executor

from ..checks import one_line, quote
from ..simulate import ExecutorError

PATIENCE = "20s"  # in which a scheduler must answer


@contextlib.contextmanager
def cluster(address: str | None) -> Iterator[Executor | None]:
    """Yield an executor of the cluster whose scheduler is at ``address``; None where none is asked for.

    Raises ValueError where Dask is not installed or the address is none, ExecutorError where nothing answers there.
    """
    if address is None:
        yield None
        return
    try:
        from distributed import Client
    except ImportError:
        raise ValueError("--dask needs the package distributed: pip install 'varprop[dask]'.") from None
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what is lost is said in an error of ours
    try:
        client = Client(address, timeout=PATIENCE, set_as_default=False)
    except ValueError as error:
        raise ValueError(f"--dask {quote(address)}: {one_line(error)}") from None
    except Exception as error:  # of many kinds: names that are none, ports where nobody listens
        raise ExecutorError(f"--dask {quote(address)}: no scheduler answers there: {one_line(error)}") from None
    with client:
        yield client.get_executor()
