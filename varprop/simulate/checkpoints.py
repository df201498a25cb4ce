"""What is known of a run, written down as it goes, so that a run that was stopped anywhere goes on from there."""

import contextlib
import re
import time
from collections.abc import Iterator
from pathlib import Path

from .. import locks, run_files
from ..files import as_path
from ..run_files import Stage
from ..runs import Question, Run
from ..sum_tree import SumTree

LEAST = 1.0  # seconds between two writings
SHARE = 0.01  # of the time, that writing may take


@contextlib.contextmanager
def kept(path, question: Question, builds, first: int, networks, relative_error) -> Iterator["Checkpoint | None"]:
    """Yield the `Checkpoint` of a run, or None where there is no ``path``; at the end all that is known is in it.

    Raises ValueError where another run writes to it.
    """
    if path is None:
        yield None
        return
    path = as_path(path)
    with locks.only_writer(path):
        found = Checkpoint(path, question, builds, first, networks, relative_error)
        try:
            yield found
        finally:
            found.write()


class Checkpoint:
    """A file that holds what is known of one run.

    Parameters
    ----------
    path
        Its name, as a Path. What it holds of the same question is gone on with; of another it is refused.
    question
        What is asked.
    builds
        By what networks are drawn here.
    first, networks, relative_error
        As in `simulate.forward`.
    """

    def __init__(self, path, question: Question, builds, first: int, networks, relative_error):
        self.path, self._question, self.builds = path, question.kept(), tuple(builds)
        self._stage = Stage(first, 0, relative_error)
        self._written: tuple[SumTree, Stage] | None = None
        found, stage = self._found(), self._stage
        if found is not None:
            run, stage = found
            self._check(run, stage, networks)
            self.builds = run.builds
        self._latest = (SumTree() if found is None else run.sums), stage
        self.goal = stage.networks
        self.write()  # so that a place that cannot be written is known at once

    @property
    def sums(self) -> SumTree:
        """What is known, to be added to."""
        return self._latest[0].copy()

    def keep(self, tree: SumTree, goal: int) -> None:
        """Take note of what is known, and write it down where the last time is long past."""
        # a copy, since an interruption may come while the tree is added to
        self._latest = tree.copy(), Stage(self._stage.first, goal, self._stage.relative_error)
        if time.monotonic() >= self._next:
            self.write()

    def write(self) -> None:
        """Write down what was noted last. Raises ValueError where it cannot be written; what was there stays."""
        if self._written is self._latest:
            return
        start = time.monotonic()
        sums, stage = self._latest
        run_files.write(self.path, Run(self._question, sums, self.builds), stage)
        end, self._written = time.monotonic(), self._latest
        self._next = end + max(LEAST, (end - start) / SHARE)

    def _found(self) -> tuple[Run, Stage] | None:
        """Return what the file holds, or None where there is none; what a killed writer left beside it goes."""
        left = re.compile(re.escape(f".{self.path.name[:60]}.") + "[0-9a-f]{16}")
        with contextlib.suppress(OSError):
            for name in self.path.resolve().parent.iterdir():
                if left.fullmatch(name.name):
                    Path(name).unlink()
        try:
            run, stage = run_files.read(self.path, run_files.functions_of(self._question.network))
        except FileNotFoundError:
            return None
        if stage is None:  # a record that was saved
            spans = run.spans
            stage = Stage(spans[0][0] if spans else self._stage.first, run.sums.networks)
        return run, stage

    def _check(self, run: Run, stage: Stage, networks) -> None:
        """Raise ValueError with the difference where the file is of something else than what is asked."""
        others = self._question.differences(run.question)
        for name in ("first", "relative_error"):
            theirs, ours = getattr(stage, name), getattr(self._stage, name)
            if theirs != ours and not (name == "relative_error" and ours is None):
                others.append(f"{name} {theirs}, not {ours}")
        if others:
            raise ValueError(f"checkpoint {self.path} is of something else: it has {'; '.join(others)}.")
        if networks is not None and run.sums.networks > networks:
            raise ValueError(
                f"checkpoint {self.path} holds {run.sums.networks:,} networks, and {networks:,} are asked for; ask for "
                "as many or more, or read it by varprop.load."
            )
