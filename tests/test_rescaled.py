"""Shards of processors of two types merge: sums go over from one's pivots to the other's, and lose nothing."""

import os
import subprocess
import sys
from dataclasses import fields, replace

import numpy as np
import pytest
from evidence import fresh_seed, needs_compiler
from test_merging import CHAIN, GRAPH, KINDS, bits

import varprop
from varprop import Network, rescaled, simulate
from varprop.layer_profile import LayerProfile
from varprop.simulate import ensemble, measure
from varprop.simulate.answers import answer
from varprop.simulate.merging import NEAR, as_asked
from varprop.sum_tree import SumTree
from varprop.sums import PIVOTS

NAMES = PIVOTS.names
SHARDS = [(0, 192), (192, 128), (320, 360)]
DEAD = Network([3, 2, 2], "relu", "he")  # of whom many have no logarithm
EXPLODING = Network([3, 8, 8, 2], "relu", multiplier=1e90)  # exponents of pivots matter, and powers overflow
MORE = [(simulate.forward, DEAD, {}), (simulate.forward, EXPLODING, {}), (simulate.backward, GRAPH, {})]
FIRST = {kind[0]: i for i, kind in reversed(list(enumerate(KINDS)))}  # of each function, in `make test`
CASES = [
    case if i == FIRST[case[0]] else pytest.param(*case, marks=pytest.mark.slow)
    for i, case in enumerate([*KINDS, *MORE])
]


def nudged(record, change):
    """Return the record that would have been drawn if the sizes of networks 0 to 63 had come out otherwise."""
    run, (span,) = record.run, record.run.spans
    pivots = change(run.sums.pivots)
    _, plan = measure.planned(as_asked(run.question))
    tree = SumTree(pivots)
    ensemble.run(ensemble.Here(plan), tree, lambda tree: span[1] - span[0], first=span[0])
    return answer(replace(run, sums=tree))


def by(size):
    """Return how to change pivots by so much, relatively, each otherwise; of a law its edges."""

    def change(pivots):
        found, random = pivots.copy(), np.random.default_rng()
        if (pivots[:, NAMES.index("offset")] == 0).all() and not (pivots == 1).all():
            found[:, :2] *= 1 + size / 16 * random.uniform(0.5, 1, (len(pivots), 2))
        elif not (pivots == 1).all():
            for name in ("size", "second_size"):
                found[:, NAMES.index(name)] *= 1 + size * random.uniform(0.5, 1, len(pivots))
        return found

    return change


def numbers(value):
    """Return all numbers of a record, in one array."""
    if isinstance(value, LayerProfile):
        return np.concatenate([np.ravel(value.values), np.ravel(value.errors)])
    if hasattr(value, "run"):
        return np.concatenate([numbers(getattr(value, f.name)) for f in fields(value)])
    return np.ravel(value) if isinstance(value, np.ndarray) else np.empty(0)


def held(found, expected, atol=0.0):
    assert len(numbers(expected)) > 3
    np.testing.assert_allclose(numbers(found), numbers(expected), rtol=1e-6, atol=atol)


@needs_compiler
@pytest.mark.parametrize(("function", "network", "given"), CASES)
def test_shards_of_other_pivots_are_one_run(function, network, given):
    seed = fresh_seed()
    whole = function(network, networks=680, seed=seed, **given)
    one, two, three = (function(network, networks=n, first=f, seed=seed, **given) for f, n in SHARDS)
    for size in (2**-47, 1e-7, 1e-5):
        other = nudged(three, by(size))
        merged = varprop.merge(two, other, one)
        assert merged.run.spans == ((0, 680),)
        assert bits(merged) == bits(varprop.merge(one, two, other))
        if function is simulate.law:
            np.testing.assert_allclose(merged.run.sums.total().sum(axis=1), 680, rtol=1e-12)
            for p in (0.05, 0.5, 0.95):  # a network on an edge may lie on either side of it
                a, b = merged.log_quantile(p), whole.log_quantile(p)
                np.testing.assert_allclose(a.values, b.values, atol=0.05)
        else:
            held(merged, whole, atol=1e-12)
        changed = not np.array_equal(other.run.sums.pivots, one.run.sums.pivots)
        assert changed == (function is not simulate.gram)
        assert merged.run.mixed == changed
        assert [build["sums"] for build in merged.run.builds if "sums" in build] == ["scaled anew"] * changed


@pytest.mark.parametrize(("function", "network", "given"), CASES)
def test_sums_by_other_pivots_are_those_that_would_have_been_taken(function, network, given):
    """Column by column, by pivots that lie further apart than any processors'."""
    record = function(network, networks=136, first=64, **given)
    if function in (simulate.law, simulate.gram):
        return
    other = nudged(record, by(0.3))
    for one, two in ((record, other), (other, record)):
        found = rescaled.rescaled(one.run.question, one.run.sums, two.run.sums.pivots)
        assert found.spans == two.run.sums.spans
        np.testing.assert_allclose(found.total(), two.run.sums.total(), rtol=1e-9, atol=1e-9)
        rough = one.run.sums.total()
        assert not np.allclose(rough, two.run.sums.total(), rtol=1e-3, atol=1e-9)  # without it


def test_a_record_is_extended_by_its_own_pivots():
    one, whole = (nudged(simulate.forward(CHAIN, networks=n), lambda pivots: 1.001 * pivots) for n in (64, 128))
    assert bits(varprop.extend(one, 64)) == bits(whole)


def test_counts_go_over_bin_by_bin():
    tree = SumTree(np.array([[0.0, 1.0, 0, 0, 0]]))
    tree.add_counts(0, 4, np.array([[10.0, 6.0, *np.arange(2**14 * 1.0) % 3, 5.0]]))
    question = simulate.law(CHAIN, networks=2).run.question
    moved = rescaled.rescaled(question, tree, np.array([[0.25, 1.0, 0, 0, 0]])).counts[0]
    assert moved[0] == 10
    assert moved.sum() == tree.counts.sum()
    np.testing.assert_allclose(moved[1:6], [6.0, 0.25, 1.25, 1.5, 0.25])
    back = rescaled.rescaled(question, tree, tree.pivots).counts
    np.testing.assert_array_equal(back, tree.counts)


def test_what_is_another_run_is_refused():
    one, two = (simulate.forward(CHAIN, networks=64, first=first) for first in (0, 64))
    for change in (by(10 * NEAR), lambda p: p * np.nan, lambda p: p[:1], lambda p: -p, lambda p: p * [1, 1, 1, 1, 0]):
        other = replace(two, run=replace(two.run, sums=two.run.sums.copy()))
        other.run.sums.pivots = change(two.run.sums.pivots)
        said = (
            r"^the networks 0 to 63 of these records are not the same: ln q-hat differs by [\w.]+, where another type "
            r"of processor makes up to 0\.0001; they were drawn by versions that give other networks\.$"
        )
        with pytest.raises(ValueError, match=said):
            varprop.merge(one, other)
    strange = simulate.forward(CHAIN, networks=64, first=64, seed=1)  # a generator that gave other networks
    strange = replace(strange, run=replace(strange.run, question=two.run.question))
    with pytest.raises(ValueError, match="they were drawn by versions that give other networks"):
        varprop.merge(one, strange)
    laws = [simulate.law(CHAIN, networks=64, first=first) for first in (0, 64)]
    laws[1].run.sums.pivots = laws[1].run.sums.pivots + np.array([0.01, 0, 0, 0, 0])
    with pytest.raises(ValueError, match=r"differs by 0\.01"):
        varprop.merge(*laws)


def test_how_far_apart_processors_may_be(monkeypatch):
    one, two = (simulate.forward(CHAIN, networks=64, first=first) for first in (0, 64))
    other = nudged(two, by(1e-7))
    monkeypatch.setattr(rescaled, "distance", lambda *given: NEAR)
    assert varprop.merge(one, other).networks == 128
    monkeypatch.setattr(rescaled, "distance", lambda *given: np.nextafter(NEAR, 1))
    with pytest.raises(ValueError, match=r"ln q-hat differs by 0\.0001, "):
        varprop.merge(one, other)


def test_a_power_of_two_that_goes_from_a_size_to_its_exponent_changes_nothing():
    one, two = (simulate.forward(CHAIN, networks=64, first=first) for first in (0, 64))

    def change(pivots):
        return np.concatenate([pivots[:, :1] * 2.0**256, pivots[:, 1:2] - 256, pivots[:, 2:]], axis=1)

    other = nudged(two, change)
    assert rescaled.distance("forward", other.run.sums.pivots, two.run.sums.pivots) < 1e-12
    held(varprop.merge(one, other), simulate.forward(CHAIN, networks=128))


OTHER = """
import sys
import numpy as np
from test_merging import KINDS
for i, (function, network, given) in enumerate(KINDS):
    function(network, networks=360, first=320, seed=int(sys.argv[2]), **given).save(f"{sys.argv[1]}/{i}")
"""


@pytest.mark.slow
@needs_compiler
def test_another_processor_draws_a_shard(tmp_path):
    """Compiled for a plain one, without fused products and wide registers, kernels give other last digits."""
    seed = fresh_seed()
    environment = {**os.environ, "NUMBA_CPU_NAME": "generic", "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    environment["PYTHONPATH"] = os.pathsep.join([os.path.dirname(__file__), *sys.path])
    subprocess.run([sys.executable, "-c", OTHER, str(tmp_path), str(seed)], check=True, env=environment)
    differ = 0
    for i, (function, network, given) in enumerate(KINDS):
        one, two = (function(network, networks=n, first=f, seed=seed, **given) for f, n in ((0, 320), (320, 360)))
        other = varprop.load(tmp_path / str(i))
        assert other.run.builds != two.run.builds
        differ += bits(other) != bits(two)
        merged = varprop.merge(one, other)
        assert merged.run.mixed
        varprop.extend(merged, 64)
        if function is simulate.law:
            continue
        held(merged, function(network, networks=680, seed=seed, **given), atol=1e-6)
    assert differ > len(KINDS) // 2
