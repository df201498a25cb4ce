"""Sums over networks by other pivots: what was summed on one type of processor, as another would have summed it.

Powers are summed of d = x / p - o, where pivot p and offset o come from networks 0 to 63, whose last digits differ
between processors. By another pivot p' that is x / p' - o' = r d + (r o - o') with r = p / p', so that its powers are
made of those of d, by the binomial theorem: sums are as good as if they had been taken by p' at once.
"""

from math import comb, prod

import numpy as np

from .quantities import moments_up_to
from .runs import Question
from .sum_tree import TILE, Part, SumTree
from .sums import BELOW, LAYER, MOMENT, PAIR, PIVOTS, PLACE, PRODUCTS, columns, law_bins, named, product

_silent = np.errstate(all="ignore")  # powers of what explodes end as infinity, and stay there


@_silent
def distance(kind: str, one: np.ndarray, other: np.ndarray) -> float:
    """Return how far two sets of pivots lie apart: the largest difference of a logarithm of what they are sizes of."""
    if one.shape != other.shape:
        return np.inf
    if kind == "law":
        ends = np.array([[0.0], [law_bins(len(one))]])
        moved = [low + width * ends for low, width in ((p[:, 0], p[:, 1]) for p in (one, other))]
        return float(np.abs(moved[0] - moved[1]).max())
    a, b = named(one, PIVOTS), named(other, PIVOTS)
    if (a["offset"] != b["offset"]).any():
        return np.inf
    return float(
        np.abs([_log_ratio(a, b, "size", "exponent"), _log_ratio(a, b, "second_size", "second_exponent")]).max()
    )


def rescaled(question: Question, tree: SumTree, pivots: np.ndarray) -> SumTree:
    """Return a tree of the same networks by other ``pivots``; rows whose pivots are equal keep their bits.

    Pivots of `simulate.law` are edges of bins, in which networks are taken to lie evenly.
    """
    old, change = np.asarray(tree.pivots), _CHANGES[question.kind]
    rows = np.any(old != pivots, axis=1)

    @_silent
    def changed(sums: np.ndarray, networks: int) -> np.ndarray:
        if not sums.size:  # a node of counts
            return sums
        found = np.array(sums)
        found[rows] = change(question, found[rows], networks, old[rows], pivots[rows])
        return found

    part = tree.part
    return SumTree(
        pivots,
        {(level, index): changed(sums, TILE << level) for (level, index), sums in tree.nodes.items()},
        None if part is None else Part(part.tile, part.networks, changed(part.sums, part.networks)),
        None if tree.counts is None else changed(tree.counts, tree.networks),
    )


def _log_ratio(a, b, size: str, exponent: str) -> np.ndarray:
    return np.log(a[size] / b[size]) + (a[exponent] - b[exponent]) * np.log(2.0)


def _powers(found: np.ndarray, at: list[int], count, scale, shift) -> None:
    """Set sums of powers of ``scale d + shift`` in the place of those of d, which stand ``at`` these columns."""
    sums = [np.broadcast_to(count, len(found)), *(found[:, column].copy() for column in at)]
    for k, column in enumerate(at, 1):
        found[:, column] = sum(comb(k, j) * scale**j * shift ** (k - j) * sums[j] for j in range(k + 1))


_AT = {name: column for column, name in enumerate(LAYER.names or ())}


def _layers(question: Question, found: np.ndarray, networks: int, old: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Change sums of `sums.LAYER` or `sums.PLACE`, (rows, columns), and of moments; cosines have no pivot."""
    a, b = named(old, PIVOTS), named(new, PIVOTS)
    o, p = a["offset"], b["offset"]
    log, a_log = _log_ratio(a, b, "size", "exponent"), _log_ratio(a, b, "second_size", "second_exponent")
    r, s = np.exp(log), np.exp(a_log)
    shift, f_shift = r * o - p, 3 * (r**2 * o - p)
    q1, f1 = found[:, _AT["q1"]].copy(), found[:, _AT["f1"]].copy()
    found[:, _AT["qf"]] *= r**3
    found[:, _AT["qf"]] += r * f_shift * q1 + r**2 * shift * f1 + networks * shift * f_shift
    _powers(found, [_AT[f"q{k}"] for k in (1, 2, 3, 4)], networks, r, shift)
    _powers(found, [_AT[f"f{k}"] for k in (1, 2)], networks, r**2, f_shift)
    _powers(found, [_AT[f"a{k}"] for k in (1, 2, 3, 4)], networks, s, s * o - p)
    _powers(found, [_AT[f"log{k}"] for k in (1, 2, 3, 4)], found[:, _AT["alive"]], 1.0, log)
    found[:, _AT["root"]] *= np.sqrt(r)
    found[:, _AT["mean1"]] *= np.sqrt(s)
    found[:, _AT["mean2"]] *= s
    start = columns(LAYER if question.network.is_chain else PLACE)
    for power in moments_up_to(question.arguments.get("moments")):
        end, scale, gaussian = start + columns(MOMENT), r ** (power // 2), prod(range(1, power, 2))
        _powers(found, list(range(start, end)), networks, scale, gaussian * (scale * o - p))
        start = end
    return found


def _pairs(question, found: np.ndarray, networks: int, old: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Change sums of `sums.PAIR`: of products of x, y and p, which is z z' less half of x and y, all without offsets.

    The three and 1 go over into one another by a matrix; products of four of these four hold all sums.
    """
    a, b = named(old, PIVOTS), named(new, PIVOTS)
    o, offset = a["offset"], b["offset"]
    r, s = np.exp(_log_ratio(a, b, "size", "exponent")), np.exp(_log_ratio(a, b, "second_size", "second_exponent"))
    t = np.sqrt(r * s)
    at = {name: column for column, name in enumerate(PAIR.names or ())}
    change = np.zeros((len(found), 4, 4))
    change[:, 0, 0] = 1.0
    change[:, 1, 0], change[:, 1, 1] = r * o - offset, r
    change[:, 2, 0], change[:, 2, 2] = s * o - offset, s
    change[:, 3] = np.stack([(2 * t - r - s) / 2 * o, (t - r) / 2, (t - s) / 2, t], axis=1)
    products = np.empty((4, 4, 4, 4, len(found)))
    for four in np.ndindex(4, 4, 4, 4):
        factors = [i for i in four if i]
        products[four] = found[:, at[product(factors)]] if factors else networks
    for _ in range(4):  # one factor after the other, each of which then comes last
        products = np.einsum("nij,jklmn->klmin", change, products)
    for some in PRODUCTS:
        found[:, at[product(some)]] = products[*some, *[0] * (4 - len(some))]
    return found


def _counts(question, found: np.ndarray, networks: int, old: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Change counts of ln q-hat in bins: (rows, columns), of which pivots are a first edge and a width."""
    for counts, before, after in zip(found, old, new, strict=True):
        bins = np.arange(len(counts) - BELOW - 1)
        below = np.cumsum(counts[BELOW:-1])  # each edge
        moved = np.interp(after[0] + after[1] * bins, before[0] + before[1] * bins, below)
        total = counts[BELOW:].sum()
        counts[BELOW:] = np.diff(moved, prepend=0.0, append=total)
    return found


def _same(question, found: np.ndarray, networks: int, old: np.ndarray, new: np.ndarray) -> np.ndarray:
    return found  # products are summed as they are


_CHANGES = {"forward": _layers, "backward": _layers, "pair": _pairs, "law": _counts, "gram": _same}
