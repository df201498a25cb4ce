"""What the command line says: results on stdout, as a table or as JSON, and words on the way on stderr."""

import json
import sys

from .. import asides, tables


def show(result, as_json: bool) -> None:
    """Print a result as a table, or as JSON."""
    if sys.stdout is None:
        raise OSError("stdout is closed, and the result has nowhere to go.")
    words = json.dumps(result.to_dict(), allow_nan=False) if as_json else tables.text(result, sys.stdout.encoding)
    print(words, flush=True)


def say(words: str) -> None:
    """Print words for whoever runs it, which are no result."""
    asides.say(f"varprop: {words}")
