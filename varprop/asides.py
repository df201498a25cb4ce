"""Words on the way, for whoever waits: on stderr, which a service or a program with windows may not have."""

import sys


def say(words: str, end: str = "\n") -> None:
    """Print words that are no result."""
    if sys.stderr is not None:  # or print would take stdout
        print(words, end=end, file=sys.stderr, flush=True)


def at_terminal() -> bool:
    """Whether someone sits there and reads."""
    return sys.stderr is not None and sys.stderr.isatty()
