"""A progress bar over networks, or a word, for whoever waits at a terminal or in a notebook."""

import sys
import threading
import time
from contextlib import contextmanager, nullcontext

from .asides import at_terminal, say

SHOW_AFTER = 1.5  # seconds of silence before a progress bar or a word on compilation
_CELLS = 30  # of a bar of text


def _in_notebook() -> bool:
    """Whether a Jupyter kernel runs this process: what goes to stderr is read there, though it is no terminal."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return getattr(shell, "kernel", None) is not None


def wanted(progress) -> bool:
    return at_terminal() or _in_notebook() if progress is None else progress


@contextmanager
def says_when_slow(message: str, progress):
    timer = threading.Timer(SHOW_AFTER, lambda: say(f"varprop: {message}"))
    if wanted(progress):
        timer.start()
    try:
        yield
    finally:
        timer.cancel()


def bar(networks: int, progress):
    """Return a context that yields ``advance(count, total)``, which shows progress once the work takes a while."""
    if not wanted(progress):
        return nullcontext(lambda count, total: None)
    return _notebook_bar() if _in_notebook() else _rich_bar(networks)


@contextmanager
def _notebook_bar():
    """Show progress as one output of text that is drawn again: rich's bar would need ipywidgets, and warns of it."""
    drawn, shown, next_time = 0, None, time.monotonic() + SHOW_AFTER

    def advance(count, total):
        nonlocal drawn, shown, next_time
        drawn = min(drawn + count, total)
        if time.monotonic() >= next_time or (shown and drawn == total):
            next_time = time.monotonic() + 0.5
            text = {"text/plain": _bar_of_text(drawn, total)}
            if shown:
                shown.update(text, raw=True)
            else:
                from IPython.display import display  # a notebook has it

                shown = display(text, raw=True, display_id=True)

    yield advance


def _bar_of_text(drawn: int, total: int) -> str:
    full = _CELLS * drawn // total
    return f"networks {'█' * full}{'░' * (_CELLS - full)} {drawn:,} of {total:,}"


@contextmanager
def _rich_bar(networks: int):
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("networks"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True, force_jupyter=False)
    bar = Progress(*columns, console=console, transient=console.is_terminal)
    task, start = bar.add_task("networks", total=networks), time.monotonic()

    def advance(count, total):
        drawn = min(bar.tasks[task].completed + count, total)
        bar.update(task, completed=drawn, total=total)
        if not bar.live.is_started and time.monotonic() - start > SHOW_AFTER:
            bar.start()

    try:
        yield advance
    finally:
        if bar.live.is_started:
            bar.stop()
