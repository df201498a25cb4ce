"""Optuna's searches over multiplier, learning rate, batch size and width, and how much each of them matters."""

import math

import torch
from torch import nn
from training_nets import CLASSES, batches, digits, optimiser, sequential, widths

# By the name of a setting: what the search draws uniformly is its logarithm, to this base. Optuna's own log=True would
# do for the search, but fANOVA then averages over the setting itself, where nearly all learning rates are large.
BASES = {"multiplier": 10, "rate": 10, "batch": 2, "width": 2}


def loss_of(activation: str, depth: int, trial: dict, epochs: int, seed: int, data: dict) -> float:
    """Train one network and return its validation loss, at most ln 10: what guessing costs."""
    x, y = data["training"]
    model = sequential(activation, widths(trial["width"], depth), trial["multiplier"], seed)
    step = optimiser("sgd", model.parameters(), trial["rate"])
    for rows in batches(len(x), trial["batch"], epochs * (len(x) // trial["batch"]), seed):
        step.zero_grad()
        loss = nn.functional.cross_entropy(model(x[rows]), y[rows])
        if not torch.isfinite(loss):
            return math.log(CLASSES)
        loss.backward()
        step.step()
    with torch.no_grad():
        loss = float(nn.functional.cross_entropy(model(data["validation"][0]), data["validation"][1]))
    return min(loss, math.log(CLASSES)) if math.isfinite(loss) else math.log(CLASSES)


def search(activation: str, depth: int, ranges: dict, trials: int, epochs: int, seed: int) -> dict:
    """Return one search's trials, as a list for each setting and of losses, and its importances by fANOVA."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    data, rows = digits(), []

    def objective(trial):
        chosen = {}
        for name, (low, high) in ranges.items():
            base = BASES[name]
            draw = trial.suggest_int if base == 2 else trial.suggest_float
            chosen[name] = base ** draw(name, *(round(math.log(end, base), 12) for end in (low, high)))
        loss = loss_of(activation, depth, chosen, epochs, 1000 * seed + trial.number, data)
        rows.append({**chosen, "loss": loss})
        return loss

    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
    study.optimize(objective, n_trials=trials)
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=seed)
    importances = optuna.importance.get_param_importances(study, evaluator=evaluator)
    columns = {name: [float(f"{row[name]:.4g}") for row in rows] for name in rows[0]}
    return {"trials": columns, "importances": {name: round(importances[name], 4) for name in ranges}}
