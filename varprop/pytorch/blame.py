"""Errors of code that is not ours: each becomes one sentence that says whose it is."""

from contextlib import contextmanager

import torch

from ..checks import one_line

NO_MEMORY = ("out of memory", "not enough memory", "can't allocate memory", "cannot allocate memory")
LONGEST = 300  # characters of someone else's error


def no_memory(error: BaseException) -> bool:
    """Return whether an error says that memory ran out."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in NO_MEMORY)


@contextmanager
def blaming(who, cure: str = ""):
    """Turn any error within into a ValueError: ``who``, the error in brackets, ``cure``; out of memory stays as it is.

    ``who`` are words, or a function that gives them once there is an error.
    """
    try:
        yield
    except Exception as error:
        if no_memory(error):
            raise
        told = one_line(f"{type(error).__name__}: {error}", LONGEST)
        words = who() if callable(who) else who
        raise ValueError(f"{words}: {told}{'; ' * bool(cure)}{cure}{'.' * (told[-1] != '.' or bool(cure))}") from error
