"""A word on stderr where a call takes a while, as in simulation; none where no terminal reads it."""

import sys
import threading
from functools import wraps

SHOW_AFTER = 3.0  # seconds


def says_when_slow(function):
    """Decorate a public function of theory: it says that it is at work once it has taken a while."""

    @wraps(function)
    def told(*args, **kwargs):
        if not sys.stderr.isatty():
            return function(*args, **kwargs)
        said = f"varprop: theory.{function.__name__} is at work; deep networks and wide data take a while ..."
        timer = threading.Timer(SHOW_AFTER, lambda: print(said, file=sys.stderr, flush=True))
        timer.daemon = True
        timer.start()
        try:
            return function(*args, **kwargs)
        finally:
            timer.cancel()

    return told
