"""A word on stderr where a call takes a while, as in simulation; none where no terminal reads it."""

import threading
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from ..asides import at_terminal, say

SHOW_AFTER = 3.0  # seconds
P = ParamSpec("P")
R = TypeVar("R")


def says_when_slow(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate a public function of theory: it says that it is at work once it has taken a while."""

    @wraps(function)
    def told(*args: P.args, **kwargs: P.kwargs) -> R:
        if not at_terminal():
            return function(*args, **kwargs)
        said = f"varprop: theory.{function.__name__} is at work; deep networks and wide data take a while ..."
        timer = threading.Timer(SHOW_AFTER, lambda: say(said))
        timer.daemon = True
        timer.start()
        try:
            return function(*args, **kwargs)
        finally:
            timer.cancel()

    return told
