"""Single networks: q-hat, d-hat or cosines of each, block after block."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Literal, overload

import numpy as np
from numpy.typing import ArrayLike

from .. import checks
from ..names import choose
from ..network import Network, check_network
from ..runs import Question
from ..samples import BackwardSample, ForwardSample, PairSample, Sample

QUANTITIES = ("forward", "backward", "pair")


@overload
def sample(
    network: Network,
    inputs: ArrayLike | None = None,
    *,
    networks: int,
    quantity: Literal["forward"] = "forward",
    seed: int = 0,
    first: int = 0,
    method: str = "auto",
    threads: int | None = None,
    block_size: int | None = None,
) -> Iterator[ForwardSample]: ...


@overload
def sample(
    network: Network,
    inputs: ArrayLike | None = None,
    *,
    networks: int,
    quantity: Literal["backward"],
    loss: str | ArrayLike = "linear",
    seed: int = 0,
    first: int = 0,
    method: str = "auto",
    threads: int | None = None,
    block_size: int | None = None,
) -> Iterator[BackwardSample]: ...


@overload
def sample(
    network: Network,
    inputs: ArrayLike | None = None,
    *,
    networks: int,
    quantity: Literal["pair"],
    correlation: float | None = None,
    seed: int = 0,
    first: int = 0,
    method: str = "auto",
    threads: int | None = None,
    block_size: int | None = None,
) -> Iterator[PairSample]: ...


def sample(
    network: Network,
    inputs: ArrayLike | None = None,
    *,
    networks: int,
    quantity: str = "forward",
    loss: str | ArrayLike = "linear",
    correlation: float | None = None,
    seed: int = 0,
    first: int = 0,
    method: str = "auto",
    threads: int | None = None,
    block_size: int | None = None,
) -> Iterator[Sample]:
    """Yield what single random networks give, in blocks, in order; memory does not grow with their number.

    Network number i is the one that `simulate.forward`, `backward` and `pair` draw with this seed, to the bit.

    Parameters
    ----------
    network, inputs, seed, method, threads
        As in `simulate.forward`; for ``"pair"`` ``inputs`` are two rows, or None.
    networks
        How many to draw.
    quantity
        ``"forward"``, ``"backward"`` or ``"pair"``: which function's networks.
    loss
        Of ``"backward"``, as in `simulate.backward`.
    correlation
        Of ``"pair"``, as in `simulate.pair`.
    first
        The number of the first network: any.
    block_size
        Networks a block, rounded up to a multiple of 64; by default so many as take some 30 ms, or a MiB.

    Yields
    ------
    ForwardSample, BackwardSample or PairSample
        Arrays (networks, L), L layers or places. Numbers beyond float64 are 0 or infinite; their logarithms are not.

    Raises
    ------
    TypeError, ValueError
        As the function of that quantity does, when it is called, before any network is drawn.

    Examples
    --------
    >>> import numpy as np
    >>> from varprop import Network, simulate
    >>> blocks = simulate.sample(Network([64, 64, 64, 10], "relu", "he"), networks=10_000)
    >>> q = np.concatenate([block.q for block in blocks])
    >>> print(q.shape, q.mean(axis=0).round(2))
    (10000, 3) [2.01 2.   2.01]
    """
    from . import measure  # when it is called: kernels load numba
    from .memory import check_memory

    check_network(network)
    quantity = choose(quantity, QUANTITIES, "unknown quantity {}", kind="sampled")
    arguments: dict = {"inputs": inputs}
    if quantity == "backward":
        arguments["loss"] = loss
    elif quantity == "pair":
        arguments["correlation"] = correlation
    if quantity != "backward" and not (isinstance(loss, str) and loss == "linear"):
        raise ValueError(f"loss is of quantity='backward', and this is {quantity!r}; leave it out.")
    if quantity != "pair" and correlation is not None:
        raise ValueError(f"correlation is of quantity='pair', and this is {quantity!r}; leave it out.")
    question, plan = measure.planned(Question(quantity, network, arguments, checks.seed(seed), method))
    networks = checks.whole(networks, "networks", 1, measure.MOST)
    first = checks.whole(first, "first", 0, measure.MOST)
    here = measure.here_for(plan, threads, block_size)
    check_memory(plan.memory, here.threads, networks, say=False)
    return _blocks(question, plan, here, (first, first + networks))


def _blocks(question: Question, plan, here, span: tuple[int, int]) -> Iterator[Sample]:
    from ..kernels import LANES
    from . import ensemble

    start, end = span[0] // LANES, -(-span[1] // LANES)
    block, stop = here.block(end - start), np.zeros(1, np.uint8)
    pending: deque[Future] = deque()

    def draw(tile: int) -> Sample:
        records = np.empty((min(block, end - tile), plan.rows, plan.reduction.fields, LANES))
        plan.sample(tile * LANES, records, stop)
        low, high = max(span[0] - tile * LANES, 0), span[1] - tile * LANES
        columns = records.transpose(2, 0, 3, 1).reshape(records.shape[2], -1, records.shape[1])
        return _MADE[question.kind](question.network, tile * LANES + low, columns[:, low:high])

    plan.sample(0, np.empty((0, plan.rows, plan.reduction.fields, LANES)), stop)  # one thread compiles what all need
    with ensemble.pool_of(here.threads, stop) as pool:
        for tile in range(start, end, block):
            pending.append(pool.submit(draw, tile))
            if len(pending) > here.most:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


def _scaled(value: np.ndarray, exponent: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return value * 2^exponent, 0 or infinite beyond float64, and its logarithm to base 2."""
    with np.errstate(all="ignore"):
        plain = np.ldexp(value, np.clip(exponent, -4000, 4000).astype(np.int32))
        return plain, np.log2(value) + exponent


def _places(network, columns: np.ndarray, more: int = 0) -> np.ndarray:
    """Return the columns of places, of means over positions where there are several; ``more`` come behind them."""
    return columns[..., -(len(network.places) + more) :]


def _forward(network, first: int, columns: np.ndarray) -> ForwardSample:
    from ..kernels import layer as at
    from .answers import place_names

    of = _places(network, columns)
    fourth, _ = _scaled(of[at.FOURTH], 2 * of[at.EXPONENT])
    q, log2_q = _scaled(of[at.VARIANCE], of[at.EXPONENT])
    second, log2_second = _scaled(of[at.SECOND_MOMENT], of[at.SECOND_EXPONENT])
    return ForwardSample(first, place_names(network), q, log2_q, fourth, second, log2_second)


def _backward(network, first: int, columns: np.ndarray) -> BackwardSample:
    from ..kernels import layer as at
    from .answers import place_names, weighted

    of, count = _places(network, columns, 1), len(network.places)
    d, log2_d = _scaled(of[at.VARIANCE], of[at.EXPONENT])
    weight, log2_weight = _scaled(of[at.SECOND_MOMENT, :, :count], of[at.SECOND_EXPONENT, :, :count])
    without = ~weighted(network)
    weight[:, without] = log2_weight[:, without] = np.nan
    inner = d[:, :count], log2_d[:, :count], weight, log2_weight
    return BackwardSample(first, place_names(network), *inner, d[:, count], log2_d[:, count])


def _pair(network, first: int, columns: np.ndarray) -> PairSample:
    from ..kernels import tally_pair as at
    from .answers import place_names

    own, other = columns[at.FIRST], columns[at.SECOND]
    (q, log2_q), (other_q, log2_other) = (
        _scaled(own, columns[at.FIRST_EXPONENT]),
        _scaled(other, columns[at.SECOND_EXPONENT]),
    )
    size = np.sqrt(own) * np.sqrt(other)
    cosine = np.divide(columns[at.PRODUCT], size, out=np.full(size.shape, np.nan), where=size > 0)
    return PairSample(first, place_names(network), q, log2_q, other_q, log2_other, np.clip(cosine, -1.0, 1.0))


_MADE = {"forward": _forward, "backward": _backward, "pair": _pair}
