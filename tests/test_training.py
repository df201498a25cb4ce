"""The committed training runs, what is made of them, and what README and captions say of them. No PyTorch is needed."""

import json
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def store():
    return json.loads((ROOT / "benchmarks" / "training.json").read_text())


@pytest.fixture
def training(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import training

    return training


@pytest.fixture
def made(training):
    import training_summary

    return training_summary


def test_the_committed_runs_are_all_there(training, store):
    settings = store["settings"]
    assert settings == json.loads(json.dumps(training.SETTINGS))
    for kind, tasks in (("grid", training.grid_tasks(settings)), ("searches", training.search_tasks(settings))):
        kept = training.Store(training.STORE, training.SETTINGS)
        assert kept.missing(kind, tasks) == []
        assert len(store[kind]) == len(tasks)
        assert all(run["device"] and run["torch"] for run in store[kind])
    for run in store["grid"]:
        shape = len(settings["multipliers"]), len(settings["rates"][run["optimiser"]])
        for values in run["outcomes"].values():
            assert np.shape(values) == shape
    for run in store["searches"]:
        assert {len(values) for values in run["trials"].values()} == {settings["search"]["trials"]}
        assert sum(run["importances"].values()) == pytest.approx(1, abs=1e-3)
        low, high = run["multiplier"]
        assert low <= min(run["trials"]["multiplier"]) <= max(run["trials"]["multiplier"]) <= high


def test_the_committed_summary_is_made_from_the_committed_runs(made, store):
    assert made.of_grid(store, 30, "tanh", "sgd") == store["summary"]["grid"]["tanh, 30 layers, sgd"]
    for name, found in store["summary"]["searches"].items():
        depth, activation, range_ = (10 if "10 layers" in name else 30), name[:4], name.split(", ")[2]
        ends = [float(end) for end in range_.split(" to ")]
        assert made.of_searches(store, depth, activation, ends) == found


def test_figures_are_drawn_from_the_committed_summary(store):
    grid, searches = (
        json.loads((ROOT / "figures" / f"multiplier_{name}.json").read_text()) for name in ("training", "importance")
    )
    for name, found in store["summary"]["grid"].items():
        assert grid[name]["training_loss"]["same"] == pytest.approx(found["training_loss"]["same"], rel=1e-6)
        assert grid[name]["validation_accuracy"] == pytest.approx(found["validation_accuracy"], rel=1e-6)
    for name, found in store["summary"]["searches"].items():
        assert searches[name]["importances"] == found["importances"]


def test_the_captions_say_what_was_run(training):
    settings, words = training.SETTINGS, {5: "five", 8: "eight", 0.1: "a\ntraining loss of 0.1"}
    captions = [(ROOT / "analysis" / f"multiplier_{name}.py").read_text() for name in ("training", "importance")]
    for said in (f"of width {settings['width']}", words[settings["targets"]["training_loss"]]):
        assert said in captions[0]
    assert f"{words[len(settings['seeds'])]} seeds" in captions[0]
    assert f"after {settings['evaluated'][-1]} steps" in captions[0]
    asked = settings["search"]
    assert f"{words[len(asked['seeds'])].title()} searches of {asked['trials']} trials" in captions[1]


def test_steps_to_a_loss(training):
    at = [10, 20, 40]
    losses = np.array([[2.0, 0.1, np.nan, 1.0], [0.5, 0.1, np.nan, np.nan], [0.125, 0.05, np.nan, 0.2]])
    found = training.steps_to(0.25, at, losses)
    assert found[0] == pytest.approx(20 * 2**0.5)  # half way between 0.5 and 0.125
    assert found[1] == 10  # at the first evaluation already
    assert np.isnan(found[2])
    assert found[3] == 40  # from what was no number


def test_the_range_around_the_best_multiplier(made):
    multipliers = np.array([0.25, 0.5, 1, 2, 4])
    needed = np.array([np.inf, 100, 100, 200, 800])
    assert made.reach(multipliers, needed, 200) == [0.5, 2]
    low, high = made.reach(multipliers, needed, 400)
    assert (low, high) == (0.5, pytest.approx(2 * 2**0.5))
    assert made.reach(multipliers, np.array([100, 90, 80, 70, 60]), 1000) == [0.25, 4]


def test_what_is_best_and_how_sure(made):
    multipliers, rates = np.array([0.5, 1.0, 2.0]), np.array([0.1, 1.0])
    rng = np.random.default_rng(0)
    steps = np.array([[[100, 300], [80, 40], [60, 50]]]) * np.exp(0.01 * rng.normal(size=(8, 3, 2)))
    steps[:5, 2] = np.inf  # most seeds never get there
    found = made.of_steps(steps, multipliers, rates, 800)
    assert found["best"] == 1
    assert found["best_between"] == [1, 1]
    assert found["rate"][:2] == [0.1, 1.0]
    assert found["steps"] == [pytest.approx(100, rel=0.02), pytest.approx(40, rel=0.02), None]
    assert found["theory_over_best"] == 1
    assert found["tolerance"] == 1.1
    low, high = found["same"]
    assert 0.9 < low < 1
    assert high == 1
    # seeds differ by more than a tenth: by how much counts
    wide = made.of_steps(steps ** rng.normal(1, 0.1, (8, 1, 1)), multipliers, rates, 800)
    assert wide["tolerance"] > 1.2


def test_stopped_and_gone_on(training, monkeypatch, tmp_path):
    path, done = tmp_path / "runs.json", []

    def run_grid(settings, tasks, device):
        if len(done) == 5 and device != "again":
            raise KeyboardInterrupt
        done.extend(tasks)
        return [{**task, "outcomes": {"training_loss": [[1.0, None]]}} for task in tasks]

    settings = training.QUICK | {"search": training.QUICK["search"] | {"seeds": []}}
    monkeypatch.setattr(training, "run_grid", run_grid)
    with pytest.raises(KeyboardInterrupt):
        training.run(training.Store(path, settings), settings, "cpu", 1)
    assert len(json.loads(path.read_text())["grid"]) == 5
    training.run(training.Store(path, settings), settings, "again", 1)
    assert done == training.grid_tasks(settings)  # each once
    assert len(json.loads(path.read_text())["grid"]) == len(done)
    assert [file.name for file in tmp_path.iterdir()] == ["runs.json"]
    with pytest.raises(SystemExit, match="other settings"):
        training.Store(path, training.SETTINGS)
