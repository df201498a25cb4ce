"""The training behind figures/multiplier_training.svg: many networks at once, as each alone; stopped and gone on."""

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def _one_thread(one_torch_thread):
    yield
    torch.set_flush_denormal(False)


@pytest.fixture
def nets(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import training_nets

    return training_nets


@pytest.fixture
def training(nets):
    import training

    return training


@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("optimiser", ["sgd", "adam"])
def test_each_of_many_is_trained_as_if_alone(nets, activation, optimiser):
    data, at, size = nets.digits(), [1, 8, 16], 32
    sizes = nets.widths(24, 6)
    points = [(0.7, 0.02, 3), (1.3, 0.005, 3), (1.0, 0.01, 8)]
    together = nets.train(nets.Ensemble(activation, sizes, *zip(*points, strict=True), optimiser), data, size, at)
    x, y = data["training"]
    for i, (multiplier, rate, seed) in enumerate(points):
        model = nets.sequential(activation, sizes, multiplier, seed)
        step = nets.optimiser(optimiser, model.parameters(), rate)
        losses = []
        for taken, rows in enumerate(nets.batches(len(x), size, at[-1], seed), 1):
            step.zero_grad()
            torch.nn.functional.cross_entropy(model(x[rows]), y[rows]).backward()
            step.step()
            if taken in at:
                losses.append([torch.nn.functional.cross_entropy(model(a), b).item() for a, b in data.values()])
        found = np.transpose([together["training_loss"][:, i], together["validation_loss"][:, i]])
        np.testing.assert_allclose(found, losses, rtol=2e-3)  # float32, and 16 steps that amplify its rounding
        np.testing.assert_allclose(found[0], losses[0], rtol=1e-5)
    assert together["training_loss"][-1].max() < together["training_loss"][0].min()


def test_a_committed_run_is_what_the_network_does_alone(training, nets):
    store = json.loads(training.STORE.read_text())
    settings, kind = store["settings"], {"depth": 10, "activation": "tanh", "optimiser": "sgd", "seed": 3}
    (run,) = (run for run in store["grid"] if kind.items() <= run.items())
    multiplier, rate, data = 2.0535, 0.03162, nets.digits()
    model = nets.sequential("tanh", nets.widths(settings["width"], 10), multiplier, kind["seed"])
    step, at, losses = nets.optimiser("sgd", model.parameters(), rate), settings["evaluated"], []
    x, y = data["training"]
    for taken, rows in enumerate(nets.batches(len(x), settings["batch"], 60, kind["seed"]), 1):
        step.zero_grad()
        torch.nn.functional.cross_entropy(model(x[rows]), y[rows]).backward()
        step.step()
        if taken in at:
            losses.append(torch.nn.functional.cross_entropy(model(x), y).item())
    (found,) = training.steps_to(settings["targets"]["training_loss"], at[: len(losses)], np.array(losses)[:, None])
    where = settings["multipliers"].index(multiplier), settings["rates"]["sgd"].index(rate)
    assert found == pytest.approx(np.array(run["outcomes"]["steps_to_training_loss"])[where], rel=0.05)


def test_a_network_that_diverges_is_left_and_the_others_go_on(nets):
    data, sizes = nets.digits(), nets.widths(16, 3)
    rates = [1e6, 0.02, 1e6]
    found = nets.train(nets.Ensemble("relu", sizes, [1.0] * 3, rates, [0, 0, 1], "sgd"), data, 64, [5, 10, 15])
    alone = nets.train(nets.Ensemble("relu", sizes, [1.0], [0.02], [0], "sgd"), data, 64, [5, 10, 15])
    np.testing.assert_allclose(found["training_loss"][:, 1], alone["training_loss"][:, 0], rtol=1e-3)
    assert np.isnan(found["training_loss"][-1, [0, 2]]).all()


def test_batches_hold_every_sample_once_an_epoch(nets):
    rows = nets.batches(100, 32, 7, 0)
    assert rows.shape == (7, 32)
    for epoch in (rows[:3], rows[3:6]):
        assert len(epoch.unique()) == 96
    assert not torch.equal(rows[:3], nets.batches(100, 32, 3, 1))


def test_stopped_and_gone_on_gives_what_one_run_gives(training, monkeypatch, tmp_path):
    def do(path, grid):
        monkeypatch.setattr(training, "run_grid", grid)
        training.run(training.Store(path, settings), settings, "cpu", 1)
        return json.loads(path.read_text())

    settings = training.QUICK | {"search": training.QUICK["search"] | {"seeds": []}}
    real, taken = training.run_grid, []

    def interrupted(settings, tasks, device):
        if len(taken) == 3:
            raise KeyboardInterrupt
        taken.append(tasks)
        return real(settings, tasks, device)

    whole = do(tmp_path / "whole.json", real)
    with pytest.raises(KeyboardInterrupt):
        do(tmp_path / "parts.json", interrupted)
    assert len(json.loads((tmp_path / "parts.json").read_text())["grid"]) == 3
    parts = do(tmp_path / "parts.json", real)
    for run in (*whole["grid"], *parts["grid"]):
        del run["seconds"]
    assert parts == whole
    assert len(whole["grid"]) == len(training.grid_tasks(settings))
    with pytest.raises(SystemExit, match="other settings"):
        training.Store(tmp_path / "parts.json", training.SETTINGS)


def test_a_search_is_equal_twice_and_knows_what_matters(nets):
    pytest.importorskip("optuna")
    from training_search import search

    ranges = {"multiplier": [0.5, 2], "rate": [1e-5, 1], "batch": [64, 128], "width": [16, 32]}
    one, two = (search("relu", 2, ranges, 12, 1, seed=4) for _ in range(2))
    assert one == two
    assert sum(one["importances"].values()) == pytest.approx(1, abs=1e-3)
    assert max(one["importances"], key=one["importances"].get) == "rate"
    assert set(one["trials"]["batch"]) <= {64, 128}
    assert max(one["trials"]["loss"]) <= 2.303
