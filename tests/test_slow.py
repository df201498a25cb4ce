"""Theory says that it is at work, at a terminal, and only once it has taken a while."""

import inspect
import io
import sys
import time

import pytest

from varprop import Network, theory
from varprop.theory import slow


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(("stream", "told"), [(Terminal(), True), (io.StringIO(), False)])
def test_a_word_where_a_call_takes_a_while(monkeypatch, stream, told):
    monkeypatch.setattr(slow, "SHOW_AFTER", 0.01)
    monkeypatch.setattr(sys, "stderr", stream)

    def wait():
        end = time.monotonic() + 60  # if no word comes
        while told and not stream.getvalue() and time.monotonic() < end:
            time.sleep(0.01)
        return 3

    assert slow.says_when_slow(wait)() == 3
    assert ("theory.wait is at work" in stream.getvalue()) == told


def test_quick_calls_say_nothing(monkeypatch, capsys):
    stream = Terminal()
    monkeypatch.setattr(slow, "SHOW_AFTER", 1e5)
    monkeypatch.setattr(sys, "stderr", stream)
    theory.forward(Network([2, 2], "relu", "he"))
    assert stream.getvalue() == ""
    for function in (theory.forward, theory.backward, theory.pair, theory.law, theory.precision):
        assert function.__wrapped__
        assert function.__doc__
        assert next(iter(inspect.signature(function).parameters)) in ("network", "source")
