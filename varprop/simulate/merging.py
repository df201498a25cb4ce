"""Records of several runs as one, and runs that go on: to the bit what one run would have given."""

from collections.abc import Iterable, Mapping
from concurrent.futures import Executor
from dataclasses import replace
from itertools import combinations
from operator import attrgetter
from os import PathLike
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from .. import rescaled
from ..activations import Activation
from ..checks import quote, whole
from ..grams import Grams
from ..law import Law
from ..records import Backward, Forward, Pair
from ..run_files import read
from ..runs import Digest, Run
from ..sum_tree import TILE, SumTree, overlap
from ..variance_scaling import VarianceScaling
from .executor_error import counted

if TYPE_CHECKING:
    from .executors import There

Measured = TypeVar("Measured", Forward, Backward, Pair, Law, Grams)
NEAR = 1e-4  # how far ln q-hat of networks 0 to 63 may lie apart between processors; other networks are further


def merge(*records: Measured) -> Measured:
    """Return one record of the networks of several, equal to the bit to that of one run.

    Parameters
    ----------
    records
        Of one function of `simulate` with equal arguments, but for ``first=`` and ``networks=``: of other networks
        each. Gaps between them are allowed, and listed in the result's ``run.gaps``.

    Returns
    -------
    Forward, Backward, Pair, Law or Grams
        As the records are. Where they were drawn by several versions or types of processor, ``run.mixed`` is True, and
        last digits may differ from those of one run: all sums are scaled by the sizes that the first networks' had.

    Raises
    ------
    TypeError
        For what is no record of `simulate`.
    ValueError
        With the difference, for records of other questions, of networks that two of them have, or of which networks 0
        to 63 are not the same.

    Examples
    --------
    >>> import varprop
    >>> from varprop import Network, simulate
    >>> network = Network([64] * 4, "relu", "he")
    >>> one = simulate.forward(network, networks=640)
    >>> two = simulate.forward(network, networks=360, first=640)
    >>> whole = simulate.forward(network, networks=1000)
    >>> bool((varprop.merge(one, two).variance.values == whole.variance.values).all())
    True
    """
    if not records:
        raise TypeError("merge needs records; give one or more.")
    runs = [run_of(record) for record in records]
    first, *others = runs
    for other in others:
        check_same(first, other, "these records are of two questions: one has {}")
    for one, other in combinations(runs, 2):
        twice = overlap(one.spans, other.spans)
        if twice is not None:
            raise ValueError(f"two of these records hold networks {_named(twice)}; draw others, by first=.")
    end = max(run.spans[-1][1] for run in runs)
    for run in runs:
        if run.sums.part is not None and run.spans[-1][1] < end:
            raise ValueError(
                f"a record ends at network {run.spans[-1][1]}, within a tile of {TILE}, and is not the last; "
                f"extend it to a multiple of {TILE}."
            )
    base = min(runs, key=attrgetter("spans"))  # whatever the order in which they are given
    sums = SumTree(base.sums.pivots)
    builds: list = []
    for run in runs:
        run = _scaled_like(base, run)
        sums.include(run.sums)
        builds += run.builds
    return _alike(records[0], Run(first.question, sums, together(builds)))


def extend(
    record: Measured,
    networks: int,
    *,
    inputs: ArrayLike | None = None,
    threads: int | None = None,
    block_size: int | None = None,
    executor: Executor | None = None,
    progress: bool | None = None,
) -> Measured:
    """Return a record with more networks: those that come after its last, equal to the bit to that of one run.

    Parameters
    ----------
    record
        Of `simulate`, `merge` or `load`.
    networks
        How many more to draw.
    inputs
        Those that the record was made with, where they were too large for it to keep (over a MiB).
    threads, block_size, executor, progress
        As in `simulate.forward`.

    Raises
    ------
    TypeError
        For what is no record of `simulate`.
    ValueError
        For a number below 1, or inputs that are missing or others.
    ExecutorError
        As in `simulate.forward`.
    """
    from . import ensemble, measure

    run: Run = run_of(record)
    networks = whole(networks, "networks", 1, measure.MOST)
    asked, plan = measure.planned(as_asked(run.question, inputs))
    if inputs is not None:
        check_same(run, replace(run, question=asked), "these inputs are not the record's: they have {}")
    end, known = run.spans[-1][1], run.sums.copy()
    known.part = None  # drawn anew, with what comes after it
    first = end // TILE * TILE
    more = SumTree(known.pivots)
    crew: ensemble.Here | There = measure.crew_for(asked, plan, threads, block_size, executor)
    with counted(more, end - first + networks):
        ensemble.run(crew, more, lambda tree: end - first + networks, first=first, progress=progress)
    known.include(more)
    return _alike(record, Run(run.question, known, together([*run.builds, *crew.builds])))


def _alike(record: Measured, run: Run) -> Measured:
    """Return the record of a run of the same question as another record's."""
    from .answers import answer

    found = answer(run)
    assert isinstance(found, type(record))
    return found


def load(
    path: str | PathLike, *, functions: Mapping[str, Activation | VarianceScaling] | None = None
) -> Forward | Backward | Pair | Law | Grams:
    """Return the record in a file that `record.save` or a checkpoint wrote, to equal bits.

    Parameters
    ----------
    path
        The file.
    functions
        Of a network with functions of one's own, which no file holds, what `custom_activation` and `custom_weights`
        returned, by name. They are held against values that the file has of them.

    Raises
    ------
    TypeError
        For functions that are no dict.
    ValueError
        With the file's name and what is wrong, for anything else, for functions that are missing or others, and for a
        checkpoint with fewer than two networks.
    OSError
        Where there is no file, or it cannot be opened.

    Examples
    --------
    >>> import os, tempfile, varprop
    >>> from varprop import Network, simulate
    >>> path = os.path.join(tempfile.mkdtemp(), "he.varprop")
    >>> simulate.forward(Network([64] * 4, "relu", "he"), networks=1000).save(path)
    >>> varprop.load(path).networks
    1000
    """
    from .answers import answer

    if not isinstance(functions, Mapping | None):
        raise TypeError(f"functions is {quote(functions)}; give a dict of functions of your own by name.")
    run, _ = read(path, functions)
    if run.sums.networks < 2:
        raise ValueError(f"{path} is a checkpoint of {run.sums.networks} networks; a record needs two.")
    return answer(run)


def run_of(record: object) -> Run:
    """Return the run of a record. Raises TypeError for what was not simulated."""
    run = getattr(record, "run", None)
    if not isinstance(run, Run):
        of_one = " What is .at() a position is a part of a record, without its sums." if hasattr(record, "at") else ""
        raise TypeError(f"this is {quote(record)}; give a record of varprop.simulate.{of_one}")
    return run


def check_same(one: Run, other: Run, words: str) -> None:
    """Raise ValueError, by these words, unless two runs are of one question."""
    differences = one.question.differences(other.question)
    if differences:
        raise ValueError(f"{words.format('; '.join(differences))}.")


def _scaled_like(base: Run, run: Run) -> Run:
    """Return a run of the same question with its sums scaled by the pivots of another.

    Raises ValueError where these are so far apart that networks 0 to 63 are others.
    """
    pivots, own = base.sums.pivots, run.sums.pivots
    assert pivots is not None
    assert own is not None
    if np.array_equal(own, pivots):
        return run
    apart = rescaled.distance(run.question.kind, own, pivots)
    if not apart <= NEAR:
        raise ValueError(
            f"the networks 0 to 63 of these records are not the same: ln q-hat differs by {apart:.2g}, where another "
            f"type of processor makes up to {NEAR:g}; they were drawn by versions that give other networks."
        )
    builds = tuple({**build, "sums": "scaled anew"} for build in run.builds)
    return replace(run, sums=rescaled.rescaled(run.question, run.sums, pivots), builds=builds)


def together(builds: Iterable) -> tuple:
    """Return builds of which no two decide the same bits."""
    from .builds import decisive

    found: list = []
    for build in builds:
        if decisive(build) not in map(decisive, found):
            found.append(build)
    return tuple(found)


def as_asked(question, inputs=None):
    """Return a question as it was asked: with data in the place of a digest, and of a pair's two descriptions one."""
    arguments = dict(question.arguments)
    if inputs is not None:
        arguments["inputs"] = inputs
    for name, value in arguments.items():
        if isinstance(value, Digest):
            raise ValueError(f"the record holds no {name}, which were {value}: give them again, as {name}=.")
    if question.kind == "pair" and arguments["inputs"] is not None:
        arguments["correlation"] = None
    return replace(question, arguments=arguments)


def _named(span) -> str:
    first, last = span
    return f"{first:,} to {last - 1:,}"
