"""Sums merge to the bit: however networks are split, in whatever order they come. No kernel runs here."""

import itertools

import numpy as np
import pytest

from varprop.kernels import LANES
from varprop.sum_tree import TILE, Part, SumTree, _subtrees, joined, missing, overlap

RNG = np.random.default_rng()


def leaves(tiles):
    """Return sums of tiles of all sizes, whose sum depends on its order."""
    return RNG.normal(size=(tiles, 2, 3)) * 10.0 ** RNG.integers(-12, 12, (tiles, 1, 1))


def slow(sums, first, last):
    """Return the sum of a subtree by its definition."""
    if last - first == 1:
        return sums[first]
    middle = (first + last) // 2
    return slow(sums, first, middle) + slow(sums, middle, last)


def test_a_tile_is_the_lanes_of_a_kernel():
    assert TILE == LANES


@pytest.mark.parametrize("tiles", [1, 2, 3, 7, 8, 31, 64, 100])
def test_subtrees_are_sums_of_their_halves(tiles):
    sums, tree = leaves(tiles), SumTree()
    tree.add(0, sums.copy())
    assert len(tree.nodes) == bin(tiles).count("1")
    for (level, index), found in tree.nodes.items():
        np.testing.assert_array_equal(found, slow(sums, index << level, (index + 1) << level))
    assert tree.spans == ((0, tiles * TILE),)
    np.testing.assert_allclose(tree.total(), sums.sum(axis=0), rtol=1e-9, atol=1e-3)


def test_any_split_in_any_order_gives_the_same_bits():
    for _ in range(300):
        tiles = int(RNG.integers(1, 200))
        first = int(RNG.integers(0, 1000))
        sums, whole = leaves(tiles), SumTree()
        whole.add(first, sums.copy())
        cuts = sorted({0, tiles, *RNG.integers(0, tiles + 1, RNG.integers(0, 12)).tolist()})
        shards = []
        for a, b in itertools.pairwise(cuts):
            shard = SumTree()
            shard.add(first + a, sums[a:b].copy())
            shards.append(shard)
        merged = SumTree()
        for i in RNG.permutation(len(shards)):
            merged.include(shards[i])
        assert merged.spans == whole.spans
        assert merged.nodes.keys() == whole.nodes.keys()
        assert len(merged.nodes) <= 2 * 9
        np.testing.assert_array_equal(merged.total(), whole.total())


def test_a_left_fold_gives_other_bits():
    """The control: what this replaced."""
    sums, tree = leaves(1000), SumTree()
    tree.add(0, sums.copy())
    total = np.zeros((2, 3))
    for tile in sums:
        total += tile
    assert (total != tree.total()).any()


def test_a_part_of_a_tile_comes_last():
    tree, other = SumTree(), SumTree(part=Part(2, 7, np.full((1, 1), 0.5)))
    tree.add(0, np.ones((2, 1, 1)))
    tree.include(other)
    assert (tree.spans, tree.networks) == (((0, 2 * TILE + 7),), 2 * TILE + 7)
    assert tree.total() == 2.5
    alone = other.copy()
    alone.part = None
    assert (alone.networks, other.networks) == (0, 7)


def test_counts_are_kept_together():
    tree, other = SumTree(), SumTree()
    tree.add_counts(0, 3, np.full((1, 4), 3.0))
    other.add_counts(5, 2, np.full((1, 4), 2.0))
    tree.include(other)
    tree.add_counts(3, 2, np.full((1, 4), 2.0))
    assert tree.spans == ((0, 7 * TILE),)
    np.testing.assert_array_equal(tree.total(), [[7.0] * 4])
    assert all(sums.size == 0 for sums in tree.nodes.values())


def test_gaps_are_seen():
    tree = SumTree()
    for tile in (0, 1, 5):
        tree.add(tile, np.ones((1, 1, 1)))
    assert tree.spans == ((0, 128), (320, 384))
    assert tree.networks == 192


def test_spans():
    assert joined([(5, 7), (0, 2), (2, 3), (6, 9)]) == ((0, 3), (5, 9))
    assert missing((0, 10), ()) == ((0, 10),)
    assert missing((0, 10), ((0, 3), (5, 7))) == ((3, 5), (7, 10))
    assert missing((4, 6), ((0, 3), (5, 7))) == ((4, 5),)
    assert missing((0, 3), ((0, 3),)) == ()
    assert missing((0, 2), ((4, 6),)) == ((0, 2),)
    assert missing((2, 5), ((0, 1), (7, 9))) == ((2, 5),)
    assert overlap([(0, 3), (8, 9)], [(3, 8)]) is None
    assert overlap([(0, 3), (6, 9)], [(2, 8)]) == (2, 3)


def test_a_copy_holds_all_and_grows_by_itself():
    tree = SumTree(np.ones((1, 5)), {}, Part(5, 7, np.ones((1, 1))), np.ones((1, 4)))
    tree.add_counts(0, 3, np.ones((1, 4)))
    copy = tree.copy()
    assert (copy.pivots is tree.pivots, copy.part is tree.part, copy.counts is tree.counts) == (True, True, True)
    copy.add_counts(3, 1, np.ones((1, 4)))
    assert (tree.networks, copy.networks) == (3 * TILE + 7, 4 * TILE + 7)


def test_subtrees_begin_at_multiples_of_their_size():
    for first, last in itertools.combinations(range(40), 2):
        found = list(_subtrees(first, last))
        assert [tile for level, index in found for tile in range(index << level, (index + 1) << level)] == [
            *range(first, last)
        ]
        largest = [(level, index) for level, index in found if (level, index ^ 1) in found]
        assert not largest, "two that are neighbours are one"
