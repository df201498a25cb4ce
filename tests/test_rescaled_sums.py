"""Sums by other pivots are those that NumPy takes of made networks by these, column by column. No kernel runs here."""

from itertools import combinations_with_replacement

import numpy as np
import pytest

from varprop import Network, rescaled
from varprop.runs import Question
from varprop.sum_tree import TILE, Part, SumTree

CHAIN = Network([3, 8, 8, 2], "relu", "he")
IMAGE = Network.sequential(3, *CHAIN.sequence, positions=2)
RNG = np.random.default_rng()
ROWS = 3  # layers


def asked(kind, network=CHAIN, **arguments):
    return Question(kind, network, {"inputs": None, **arguments}, 0, "auto")


def some_pivots(offset=1.0):
    """Return pivots of exponents of their own in each row, whose sizes are near each other."""
    exponents = 2 * RNG.integers(-3, 4, (ROWS, 2))
    sizes = RNG.uniform(0.8, 1.25, (ROWS, 2)) * 2.0**-exponents
    offsets = np.broadcast_to(offset, (ROWS,))
    return np.stack([sizes[:, 0], exponents[:, 0], sizes[:, 1], exponents[:, 1], offsets], axis=1)


def networks(count):
    """Return numbers of so many networks, (rows, count) each, some dead: q, powers of z, those of a, its mean."""
    q = RNG.gamma(3.0, size=(ROWS, count)) * (RNG.random((ROWS, count)) < 0.9)
    of_q = {k: q**k * RNG.uniform(1, 5, q.shape) for k in (2, 3, 4)}
    return q, of_q, q * RNG.uniform(0.1, 1.0, q.shape), RNG.normal(size=q.shape) * np.sqrt(q)


def powers(x, highest=4):
    return [(x**k).sum(axis=1) for k in range(1, highest + 1)]


def taken(found, pivots, places=False, highest=0):
    """Return the sums (rows, columns) over networks by the definition of each column."""
    q, of_q, a, mean = found
    size, exponent, a_size, a_exponent, offset = pivots.T[:, :, None]
    unit, a_unit = size * 2.0**exponent, a_size * 2.0**a_exponent
    d, f = q / unit - offset, of_q[2] / unit**2 - 3 * offset
    alive, mean = q > 0, mean / np.sqrt(a_unit)
    logs = np.where(alive, np.log(np.where(alive, q, 1.0) / unit), 0.0)
    columns = [*powers(d), np.sqrt(q / unit).sum(axis=1), *powers(f, 2), (d * f).sum(axis=1)]
    columns += [*powers(a / a_unit - offset), alive.sum(axis=1), *powers(logs), (a == 0).sum(axis=1)]
    columns += [*powers(mean, 2)]
    columns += [np.full(ROWS, float(n)) for n in (7, 5, 3)] if places else []  # cosines, which have no pivot
    for k, gaussian in ((2, 3), (3, 15), (4, 105)):
        columns += powers(of_q[k] / unit**k - gaussian * offset) if 2 * k <= highest else []
    return np.stack(columns, axis=1)


def taken_of_pairs(found, pivots):
    q, _, a, cosine = found
    size, exponent, size2, exponent2, offset = pivots.T[:, :, None]
    u, v = q / (size * 2.0**exponent), a / (size2 * 2.0**exponent2)
    product = np.sqrt(u * v) * np.tanh(cosine)
    three = {1: u - offset, 2: v - offset, 3: product - (u + v) / 2}
    columns = [
        np.prod([three[i] for i in factors], axis=0).sum(axis=1)
        for power in (1, 2, 3, 4)
        for factors in combinations_with_replacement((1, 2, 3), power)
    ]
    return np.stack([*columns, *(np.full(ROWS, float(n)) for n in range(5))], axis=1)


CASES = {
    "forward": (asked("forward"), lambda x, p: taken(x, p)),
    "forward with moments": (asked("forward", moments=6), lambda x, p: taken(x, p, highest=6)),
    "backward": (asked("backward", loss="linear"), lambda x, p: taken(x, p)),
    "forward of a graph": (asked("forward", IMAGE, moments=8), lambda x, p: taken(x, p, places=True, highest=8)),
    "pair": (asked("pair", correlation=0.5), taken_of_pairs),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("offsets", [(1.0, 1.0), (0.0, 0.0), (1.0, 0.0), (0.0, 1.0), ([0, 1, 1], [1, 1, 0])])
def test_sums_by_other_pivots_are_those_that_numpy_takes(name, offsets):
    question, take = CASES[name]
    old, new = map(some_pivots, offsets)
    new[1] = old[1]  # a row that stays
    keys = {(0, 8): TILE, (2, 0): 4 * TILE, (1, 2): 2 * TILE}
    many = {key: networks(count) for key, count in keys.items()}
    last = networks(5)
    tree = SumTree(old, {key: take(x, old) for key, x in many.items()}, Part(9, 5, take(last, old)))
    kept = tree.total().copy()
    found = rescaled.rescaled(question, tree, new)
    assert found.pivots is new
    assert list(found.nodes) == list(keys)
    assert found.counts is None
    for key, x in many.items():
        np.testing.assert_allclose(found.nodes[key], take(x, new), rtol=1e-7, atol=1e-7)
        np.testing.assert_array_equal(found.nodes[key][1], tree.nodes[key][1])
    assert found.part[:2] == (9, 5)
    np.testing.assert_allclose(found.part.sums, take(last, new), rtol=1e-7, atol=1e-7)
    np.testing.assert_array_equal(tree.total(), kept)
    without = rescaled.rescaled(question, SumTree(old), new)
    assert (without.nodes, without.part, without.counts) == ({}, None, None)


def test_products_stay_as_they_are():
    tree = SumTree(some_pivots(), {(0, 0): RNG.normal(size=(ROWS, 8))})
    found = rescaled.rescaled(asked("gram"), tree, some_pivots())
    np.testing.assert_array_equal(found.nodes[0, 0], tree.nodes[0, 0])


def test_counts_and_a_part_of_them_go_over():
    """From bins of width 1 to those of width 2 that begin 1 lower, of which each holds two, or half the first."""
    old, new = (
        np.array([[0.0, 1.0, 0, 0, 0], [3.0, 0.5, 0, 0, 0]]),
        np.array([[-1.0, 2.0, 0, 0, 0], [3.0, 0.5, 0, 0, 0]]),
    )
    counts = np.array([[4.0, 2.0, 1, 3, 5, 7, 6], [1.0] * 7])
    tree = SumTree(old, {(1, 0): np.empty((0, 0))}, Part(2, 9, counts[:, ::-1].copy()), counts.copy())
    found = rescaled.rescaled(asked("law"), tree, new)
    # zeros, below, bins from -1 to 7, above; the edges 0 and 1 lie within the first, and so on
    np.testing.assert_allclose(found.counts, [[4.0, 2.0, 1, 8, 7, 0, 6], [1.0] * 7])
    np.testing.assert_allclose(found.part.sums, [[6.0, 7.0, 5, 4, 2, 0, 4], [1.0] * 7])
    assert found.nodes[1, 0].size == 0
    np.testing.assert_array_equal(tree.counts, counts)


def test_how_far_pivots_lie_apart():
    one = some_pivots()
    for column, change, far in ((0, 1.5, np.log(1.5)), (2, 0.5, np.log(2.0))):
        other = one.copy()
        other[1, column] *= change
        assert rescaled.distance("forward", one, other) == pytest.approx(far)
    for column in (1, 3):
        other = one.copy()
        other[2, column] += 4
        assert rescaled.distance("pair", one, other) == pytest.approx(4 * np.log(2.0))
    other = one.copy()
    other[0, 4] = 0.0
    assert rescaled.distance("backward", one, other) == np.inf
    assert rescaled.distance("backward", one, one[:2]) == np.inf
    assert rescaled.distance("forward", one, one) == 0.0
    assert np.isnan(rescaled.distance("forward", one, -one * [1, 1, 1, 1, -1]))
    edges = np.array([[0.0, 1e-3, 0, 0, 0], [1.0, 1e-3, 0, 0, 0]])  # 2^14 bins of each of two layers
    for change, far in (([0.25, 0, 0, 0, 0], 0.25), ([0, 1e-5, 0, 0, 0], 2**14 * 1e-5), ([0, 0, 1, 1, 1], 0.0)):
        other = edges.copy()
        other[1] += change
        assert rescaled.distance("law", edges, other) == pytest.approx(far)
        assert rescaled.distance("law", other, edges) == pytest.approx(far)
