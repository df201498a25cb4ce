"""What the runs of benchmarks/training.json say, as numbers: which multipliers train best, and how much they matter."""

import numpy as np

SAME, RESAMPLES = 1.1, 500


def summary(store: dict) -> dict:
    """Return {"grid": a dictionary a kind of network, "searches": one a kind of search}, each by its name."""
    settings = store["settings"]
    kinds = [
        (depth, activation, optimiser)
        for depth in settings["depths"]
        for activation in settings["weights"]
        for optimiser in settings["rates"]
    ]
    searched = [
        (depth, activation, range_)
        for range_ in settings["search"]["multiplier"]
        for depth in settings["depths"]
        for activation in settings["weights"]
    ]
    return {
        "networks": sum(np.size(run["outcomes"]["training_loss"]) for run in store["grid"]),
        "grid": {name_of(*kind): of_grid(store, *kind) for kind in kinds},
        "searches": {name_of(*kind): of_searches(store, *kind) for kind in searched},
    }


def name_of(depth: int, activation: str, third) -> str:
    """Return a name such as "relu, 30 layers, sgd" or "relu, 30 layers, 0.5 to 2"."""
    return f"{activation}, {depth} layers, {third if isinstance(third, str) else '{:g} to {:g}'.format(*third)}"


def outcomes(store: dict, depth: int, activation: str, optimiser: str, name: str) -> np.ndarray:
    """Return an outcome of every run of a kind of network, shape (seeds, multipliers, rates), NaN for null."""
    kind = {"depth": depth, "activation": activation, "optimiser": optimiser}
    runs = sorted((run for run in store["grid"] if kind.items() <= run.items()), key=lambda run: run["seed"])
    return np.array([run["outcomes"][name] for run in runs], dtype=float)


def of_grid(store: dict, depth: int, activation: str, optimiser: str) -> dict:
    """Return what a kind of network needs and reaches at each multiplier, each at the learning rate best for it."""
    settings, kind = store["settings"], (depth, activation, optimiser)
    multipliers = np.array(settings["multipliers"])
    accuracy = np.nan_to_num(outcomes(store, *kind, "validation_accuracy"))  # diverged: nothing is right
    found = {"validation_accuracy": np.median(accuracy, axis=0).max(axis=1).tolist()}
    for loss in settings["targets"]:
        steps = outcomes(store, *kind, f"steps_to_{loss}")
        steps[np.isnan(steps)] = np.inf
        found[loss] = of_steps(steps, multipliers, np.array(settings["rates"][optimiser]), settings["evaluated"][-1])
    return found


def of_steps(steps: np.ndarray, multipliers: np.ndarray, rates: np.ndarray, most: int) -> dict:
    """Judge steps to a loss, shape (seeds, multipliers, rates), inf where ``most`` were too few.

    A multiplier needs the median over seeds at its best rate. Multipliers are the same as the best one where they need
    at most a tenth more, or as much more as one seed differs from another if that is more. Intervals are of 90%, over
    seeds drawn again.
    """
    needed, at = _needed(steps)
    best = int(needed.argmin())
    own = steps[:, np.arange(len(multipliers)), at]  # (seeds, multipliers)
    spread = float(np.exp(np.log(np.minimum(own[:, best], most)).std(ddof=1)))
    drawn = np.random.default_rng(0).choice(len(steps), (RESAMPLES, len(steps)))
    again = np.array([_needed(steps[seeds])[0] for seeds in drawn])
    theory = int(np.flatnonzero(multipliers == 1.0)[0])
    return {
        "steps": _finite(needed),
        "low": _finite(np.quantile(own, 0.25, axis=0, method="lower")),
        "high": _finite(np.quantile(own, 0.75, axis=0, method="higher")),
        "rate": rates[at].tolist(),
        "best": float(multipliers[best]),
        "best_between": _quantiles(multipliers[again.argmin(axis=1)]),
        "theory_over_best": float(needed[theory] / needed[best]),
        "theory_over_best_between": _quantiles(again[:, theory] / again.min(axis=1)),
        "tolerance": max(SAME, spread),
        "same": reach(multipliers, needed, max(SAME, spread) * needed[best]),
        "twice": reach(multipliers, needed, 2 * needed[best]),
        "trained": reach(multipliers, needed, most),
    }


def _needed(steps):
    """Return the median steps of each multiplier at its best rate, and which rate that is."""
    ordered, n = np.sort(steps, axis=0), len(steps)
    medians = (ordered[(n - 1) // 2] + ordered[n // 2]) / 2
    return medians.min(axis=1), medians.argmin(axis=1)


def _finite(values: np.ndarray) -> list:
    return [float(value) if np.isfinite(value) else None for value in values]


def _quantiles(values) -> list[float]:
    return [float(value) for value in np.quantile(values, [0.05, 0.95], method="nearest")]


def reach(multipliers: np.ndarray, needed: np.ndarray, limit: float) -> list[float]:
    """Return from where to where around the best multiplier at most ``limit`` steps are needed.

    Between two multipliers the logarithms are joined by a straight line; where one is beyond it by never training, the
    range ends at the last that does.
    """
    ends = []
    for step in (-1, 1):
        i = int(needed.argmin())
        while 0 <= i + step < len(needed) and needed[i + step] <= limit:
            i += step
        end = multipliers[i]
        if 0 <= i + step < len(needed) and np.isfinite(needed[i + step]):
            share = np.log(limit / needed[i]) / np.log(needed[i + step] / needed[i])
            end *= (multipliers[i + step] / end) ** share
        ends.append(float(end))
    return ends


def of_searches(store: dict, depth: int, activation: str, multiplier: list) -> dict:
    """Return each setting's importance in each search, the multiplier's rank in it, and the best trial's multiplier."""
    kind = {"depth": depth, "activation": activation, "multiplier": multiplier}
    runs = sorted((run for run in store["searches"] if kind.items() <= run.items()), key=lambda run: run["seed"])
    importances = {name: [run["importances"][name] for run in runs] for name in runs[0]["importances"]}
    ranks = [
        sorted(run["importances"].values(), reverse=True).index(run["importances"]["multiplier"]) + 1 for run in runs
    ]
    best = [run["trials"]["multiplier"][int(np.argmin(run["trials"]["loss"]))] for run in runs]
    return {"importances": importances, "rank": ranks, "best": best}
