"""What the command line says: results on stdout, as a table or as JSON, and words on the way on stderr."""

import json
import sys

from .. import asides, tables


def show(result, as_plain, as_json: bool) -> None:
    """Print a result as a table, or what ``as_plain`` makes of it as JSON."""
    if sys.stdout is None:
        raise OSError("stdout is closed, and the result has nowhere to go.")
    print(json.dumps(as_plain(result)) if as_json else tables.text(result, sys.stdout.encoding), flush=True)


def show_answer(answer, as_json: bool, **more) -> None:
    """Print what a function of an activation returned, with ``more`` of it in JSON."""
    show(answer, lambda answer: {**tables.plain(answer), **more}, as_json)


def say(words: str) -> None:
    """Print words for whoever runs it, which are no result."""
    asides.say(f"varprop: {words}")
