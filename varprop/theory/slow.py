"""A word on stderr where a call takes a while, as in simulation; none where no terminal reads it."""

import threading
from functools import wraps

from ..asides import at_terminal, say

SHOW_AFTER = 3.0  # seconds


def says_when_slow(function):
    """Decorate a public function of theory: it says that it is at work once it has taken a while."""

    @wraps(function)
    def told(*args, **kwargs):
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
