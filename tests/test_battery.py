"""The battery's own tools, and what the committed run came to."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from evidence import needs_compiler
from scipy import special

ROOT = Path(__file__).resolve().parent.parent
PARTS = ("battery", "battery_judge", "battery_normals", "battery_page", "battery_suites")


@pytest.fixture
def parts(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return {name: __import__(name) for name in PARTS}


@pytest.fixture
def store():
    return json.loads((ROOT / "benchmarks" / "battery.json").read_text())


@needs_compiler
@pytest.mark.skipif(not shutil.which("cc"), reason="needs a C compiler")
def test_the_twin_writes_the_packages_bits_in_every_order(parts, monkeypatch, tmp_path):
    monkeypatch.setattr(parts["battery"], "BUILT", tmp_path)
    assert parts["battery"].check_bits(parts["battery"].built("battery_bits"), draws=64) == 64 * 2 * 12
    monkeypatch.setitem(parts["battery"].LAYOUTS, "index", ("n", "draws"))
    words = parts["battery"].package_words("index", (1, 2, 3, 4), 2)
    monkeypatch.setitem(parts["battery"].LAYOUTS, "index", ("i", "draws"))
    assert words[:16] == parts["battery"].package_words("index", (1, 2, 3, 4), 1)
    assert words[16:] != parts["battery"].package_words("index", (1, 2, 3, 4), 2)[16:]


def test_a_program_is_read_as_it_writes(parts):
    job = parts["battery_suites"].Job
    text = "  sts_runs,  2,  100000, 100,0.99999999,\nrgb_bitdist, 3, 100000, 100,0.00421,\n"
    assert job("dieharder", "index", "101").results(text) == [
        ["sts_runs 2", 0.99999999, "FAILED"],
        ["rgb_bitdist 3", 0.00421, "WEAK"],
    ]
    text = "p-value MaxOft AD 0.36\nother\n"
    assert job("TestU01", "index", "SmallCrush 0").results(text) == [["MaxOft AD", 0.36, "PASSED"]]
    text = (
        "  Test Name                         Raw       Processed     Evaluation\n"
        "  [Low1/32]Gap-16:A                 R=  -6.0  p =1-9.0e-4   unusual          \n"
        "  BCFN(2+9,13-8,T)                  R=+26482  p =  1e-6721    FAIL !!!!!!!!  \n"
        "  ...and 122 test result(s) without anomalies\n"
    )
    assert job("PractRand", "index", "64").results(text) == [
        ["[Low1/32]Gap-16:A", 1 - 9e-4, "WEAK"],
        ["BCFN(2+9,13-8,T)", 0.0, "FAILED"],
        ["122 results", None, "PASSED"],
    ]
    text = "0,File-bytes,Entropy,Chi-square,Mean,Pi,Serial\n1,1000000,7.99,254.3,127.6,3.14,0.0001\n"
    names = [row[0] for row in job("ent", "index", "1000000").results(text)]
    assert names == ["bytes", "mean", "serial"]


def test_what_is_weak_is_tried_again_until_it_is_not(parts):
    suites, unsettled = parts["battery_suites"], parts["battery"].unsettled
    job = suites.Job("dieharder", "index", "200 -n 2")
    assert suites.Job.named(job.key) == job
    weak, good = ({"rows": [["rgb_bitdist 2", p, word]]} for p, word in ((0.001, "WEAK"), (0.3, "PASSED")))
    assert unsettled([job], {"jobs": {job.key: good}}) == []
    assert unsettled([job], {"jobs": {job.key: weak}}) == [job.again()]
    assert unsettled([job], {"jobs": {job.key: weak, job.again().key: good}}) == []
    assert "-p" in job.again().reader({"dieharder": "dieharder"})
    assert job.source("bits", 0) != job.again().source("bits", 0) != job.source("bits", 1)


def judged(parts, spoil=lambda z: None, steps=1):
    normals, generator = parts["battery_normals"], np.random.default_rng(np.random.SeedSequence().entropy)
    sums = normals.empty()
    for _ in range(steps):
        z = generator.standard_normal((normals.BLOCKS, normals.ROWS, normals.UNITS), dtype=np.float32)
        spoil(z)
        normals.add(sums, z)
    return parts["battery_judge"].judge(
        sums | {"tail": np.concatenate(sums["tail"]), "blocks": np.array(sums["blocks"])}, steps
    )


@pytest.mark.slow
def test_normals_pass_and_wrong_ones_fail(parts):
    assert judged(parts)["verdict"] == "PASSED"

    def scaled(z):
        z *= np.float32(1.01)

    def twice(z):
        z[3, ::20] = z[0, ::20]

    def mixed(z):
        z[..., 1:] += np.float32(0.01) * z[..., :-1]

    def heavy(z):
        z[np.abs(z) > 3.5] *= 1.4

    kinds = {"distribution": scaled, "independence": twice, "tails": heavy}
    for kind, spoil in kinds.items():
        found = judged(parts, spoil)
        assert found["verdict"] == "FAILED", kind
        assert found["family"][kind] < 1e-6
    assert judged(parts, mixed)["family"]["independence"] < 1e-6


def test_bins_and_tails_are_a_normals(parts):
    judge = parts["battery_judge"]
    assert judge.CHANCE.sum() == pytest.approx(1)
    assert np.abs(judge.CELL_CHANCE * judge.CELLS - 1).max() < 0.1
    for threshold in (4.5, 5.0, 5.5):
        assert judge.tail_chance(threshold) == pytest.approx(2 * special.ndtr(-threshold), rel=2e-3)
    assert judge.tail_chance(6.77) == 0


def test_the_committed_run_passed_and_its_bad_generators_failed(parts, store):
    page, jobs = parts["battery_page"], {parts["battery_suites"].Job.named(k): r for k, r in store["jobs"].items()}
    good = [job for job in jobs if job.generator == parts["battery_suites"].GOOD and job.attempt == 1]
    assert {job.layout for job in good} == set(parts["battery_suites"].LAYOUTS)
    assert {page.ends(jobs, job) for job in good} == {"passed"}
    assert all(result["bytes"] > 0 for result in jobs.values())
    for generator in ("philox 2", "philox 3", "lcg 0"):
        assert any(page.ends(jobs, job) == "failed" for job in jobs if job.generator == generator)
    verdicts = {name: found["verdict"] for name, found in store["normals"].items()}
    assert verdicts.pop("as they are") == "PASSED"
    assert len(verdicts) == 4
    assert set(verdicts.values()) == {"FAILED"}
    text = (ROOT / "docs" / "battery.md").read_text()
    assert page.page(store) in text, "make docs/battery.md again: benchmarks/battery.py --page"
