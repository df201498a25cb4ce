"""The error of an executor that did not do what it was given, apart from what loads kernels."""

import contextlib
from os import PathLike

from ..sum_tree import SumTree


class ExecutorError(RuntimeError):
    """An executor's workers or scheduler are lost, or cannot do the work.

    The message says why, and how many networks had been drawn.

    Attributes
    ----------
    checkpoint
        The file that holds them, from which the same call goes on; None where none was asked for.
    """

    checkpoint: PathLike | str | None = None


@contextlib.contextmanager
def counted(tree: SumTree, networks: int | None, checkpoint=None):
    """Have an `ExecutorError` say how many networks had been drawn, and how to go on."""
    try:
        yield
    except ExecutorError as error:
        drawn = f"{tree.networks:,} of {networks:,}" if networks else f"{tree.networks:,}"
        cure = (
            "with a checkpoint, the same call would go on from there."
            if checkpoint is None
            else f"the same call goes on from there, by checkpoint {checkpoint}."
        )
        found = ExecutorError(f"{error}; {drawn} networks were drawn: {cure}")
        found.checkpoint = checkpoint
        raise found from error.__cause__
