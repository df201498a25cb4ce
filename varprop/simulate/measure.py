"""What every measurement shares: its checks, how many networks it draws, and the way to its record."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from .. import checks
from ..kernels import LANES
from ..network import check_network
from ..progress import wanted
from ..runs import Question, Run
from ..sum_tree import SumTree
from ..tails import JUDGED
from . import answers, chain, checkpoints, ensemble, graph
from .executor_error import counted
from .memory import check_memory, say_time
from .merging import as_asked, together

if TYPE_CHECKING:
    from .executors import There

FIRST_STAGE = 64 * LANES
MOST = 10**12
SOME = 10**6  # networks to draw before their skewness is believed to be past all numbers

PLANS: dict[str, Callable[[Question], tuple[Question, ensemble.Plan]]] = {
    "forward": lambda question: (chain if question.network.is_chain else graph).forward(question),
    "backward": lambda question: (chain if question.network.is_chain else graph).backward(question),
    "pair": graph.pair,
    "law": chain.law,
    "gram": graph.gram,
}


def measure(
    kind: str,
    network,
    arguments: dict,
    *,
    seed,
    method,
    networks,
    relative_error=None,
    first=0,
    checkpoint=None,
    threads=None,
    block_size=None,
    executor=None,
    progress=None,
):
    """Return the record of random networks that the function ``kind`` of `simulate` is asked for.

    ``arguments`` are what the function takes beside those below, by name. The rest is as in `simulate.forward`.
    """
    check_network(network)
    question, plan = planned(Question(kind, network, arguments, checks.seed(seed), method))
    stages, first = _stages(networks, relative_error, partial(answers.main_profile, question)), _first(first)
    crew, tree, said = crew_for(question, plan, threads, block_size, executor), SumTree(), wanted(progress)
    if executor is None:
        check_memory(plan.memory, threads, networks, say=said)
    with checkpoints.kept(checkpoint, question, crew.builds, first, networks, relative_error) as kept:

        def keep(known, goal):
            kept.builds = together([*kept.builds, *crew.builds])
            kept.keep(known, goal)

        if kept is not None:
            tree = kept.sums
            if relative_error is not None:
                stages = _after(min(kept.goal, networks or MOST), stages)
        if executor is None and said and networks is not None and relative_error is None:
            say_time(plan.draws, threads, int(networks) - tree.networks)
        with counted(tree, networks, checkpoint):
            ensemble.run(crew, tree, stages, first=first, keep=None if kept is None else keep, progress=progress)
    return answers.answer(Run(question.kept(), tree, together(crew.builds if kept is None else kept.builds)))


def _after(goal: int, stages):
    """Return stages that begin with the one in which a run was stopped: what comes after it depends on its sums."""
    return lambda tree: goal if tree.networks < goal else stages(tree)


def planned(question: Question) -> tuple[Question, ensemble.Plan]:
    """Return a question with its arguments checked, and how it is answered."""
    return PLANS[question.kind](question)


def crew_for(question: Question, plan: ensemble.Plan, threads, block_size, executor) -> "ensemble.Here | There":
    """Return who draws the networks of a question, whose arguments are checked: threads here, or an executor's workers.

    Raises TypeError or ValueError for options that are out of range, or do not go together.
    """
    if executor is None:
        return here_for(plan, threads, block_size)
    from .executors import There, check_executor

    executor = check_executor(executor)
    if threads is not None:
        raise ValueError("threads= is of this process; executor= has workers of its own, of a thread each: give one.")
    return There(as_asked(question), plan, executor, _count(block_size, "block_size"))


def here_for(plan: ensemble.Plan, threads, block_size) -> ensemble.Here:
    """Return the threads of this process. Raises TypeError or ValueError for options that are out of range."""
    return ensemble.Here(plan, _count(threads, "threads"), _count(block_size, "block_size"))


def _count(value, name: str) -> int | None:
    return None if value is None else checks.whole(value, name, 1, 2**20)


def _first(first) -> int:
    """Return the number of the first network, checked."""
    first = checks.whole(first, "first", 0, MOST)
    if first % LANES:
        near = first // LANES * LANES
        raise ValueError(f"first is {first}; it must be a multiple of {LANES}, such as {near} or {near + LANES}.")
    return first


def _stages(networks, relative_error, profile):
    """Return the stages that `ensemble.run` follows: a fixed number, or steps towards an error of ``profile(tree)``."""
    if networks is None and relative_error is None:
        raise TypeError("give networks=, how many to draw, or relative_error=, such as 0.01.")
    if networks is not None:
        networks = checks.whole(networks, "networks", 2, MOST)
    if relative_error is None:
        return lambda tree: networks
    relative_error = checks.part(relative_error, "relative_error", "0.01", least=checks.LEAST_ERROR)
    most = networks or MOST

    def stages(tree):
        done = tree.networks
        if done == 0:
            return min(most, FIRST_STAGE)
        main = profile(tree)
        # a sample that is too skewed to tell its own error understates it, and has not reached any
        skewed = np.max(np.abs(main.skewness), initial=0.0, where=~np.isnan(main.skewness)) / JUDGED
        short = max(main.relative_error / relative_error, skewed)
        if short <= 1 or done >= most:
            return done
        if networks is None and done >= SOME and short**2 * done > MOST:
            raise ValueError(
                f"a relative error of {relative_error:g} needs some {short**2 * done:.0e} networks, so much do they "
                "differ; give networks=, the most to draw, or look at log_mean, which a few thousand tell."
            )
        # A tenth more than the sample asks for, but never over four times what it has seen.
        wanted = min(1.1 * short**2, 4.0) * done
        return min(most, -(-int(wanted) // LANES) * LANES)

    return stages
