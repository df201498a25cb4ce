"""Whether a model's weights are what its modules' resets draw, judged by mean, variance and kurtosis."""

import math

import numpy as np
import torch

MOST_Z = 5.0  # beyond, mean, variance or kurtosis is not that of a fresh draw
MOST = 2**17  # numbers of a tensor that are looked at
ENOUGH = 1000  # numbers from which a kurtosis is judged: below, its sample is too skewed
FEW = 64  # numbers below which mean and variance are judged only beside `MANY` fresh ones, which tell the law's tails
MANY = 2000
HEAVY = 9.0  # kurtosis beyond which fewer than `ENOUGH` numbers are not judged


def same_law(given: np.ndarray, draws: list[np.ndarray]) -> str:
    """Return in words how a tensor's numbers differ from those of fresh ``draws``; nothing where they do not.

    Mean, variance and kurtosis are compared as |z| > `MOST_Z`, with errors from the draws together. Small tensors
    have Student's t and F's tails, as far as the kurtosis lets them.
    """
    fresh = np.concatenate(draws)
    if not np.isfinite(given).all():
        return "it holds NaN or infinite numbers"
    if np.ptp(fresh) == 0:
        value = fresh[0]
        return "" if (given == value).all() else f"a reset makes it {value:g} throughout"
    if np.ptp(given) == 0 and (given.size > 1 or given[0] == 0) and not (fresh == given[0]).any():
        return f"it is {given[0]:g} throughout"
    if given.size < 2 or (given.size < FEW and fresh.size < MANY):
        return ""
    for name, value, expected, z in _scores(given, fresh):
        if abs(z) > MOST_Z:
            return f"its {name} is {value:.4g}, fresh ones have {expected:.4g} (z = {z:.1f})"
    return ""


def some_of(t: torch.Tensor) -> np.ndarray:
    """Return a tensor's numbers, or of a large one every so many, in float64."""
    flat = t.detach().reshape(-1)
    return flat[:: max(1, len(flat) // MOST)].cpu().double().numpy()


def _scores(given: np.ndarray, fresh: np.ndarray):
    """Yield the name of a moment, its value, that of fresh numbers, and the z-score of their difference."""
    from scipy import stats

    n, m = given.size, fresh.size
    centre, spread = fresh.mean(), fresh.var(ddof=1)
    standard = (fresh - centre) / math.sqrt(spread)
    kurtosis = float((standard**4).mean())
    if kurtosis > HEAVY and n < ENOUGH:
        return
    t = (given.mean() - centre) / math.sqrt(spread * (1 / n + 1 / m))
    yield "mean", given.mean(), centre, _normal(stats.t, t, m - 1)
    # A variance of n numbers of this kurtosis is spread as a normal sample's of these degrees of freedom. Few numbers
    # come as near to 0 as n - 1 squares do; there the weaker of the two scores counts.
    freedom = [2 * (k - 1) / max(kurtosis - 1, 0.1) for k in (n, m)]
    ratio = given.var(ddof=1) / spread
    scores = [_normal(stats.f, ratio, *of) for of in (freedom, [n - 1, freedom[1]])[: 2 if n < FEW else 1]]
    yield "variance", given.var(ddof=1), spread, min(scores, key=abs)
    if n < ENOUGH or not kurtosis > 1:
        return
    own = ((given - given.mean()) ** 4).mean() / given.var() ** 2
    influence = standard**4 - kurtosis - 2 * kurtosis * (standard**2 - 1)
    yield "kurtosis", own, kurtosis, (own - kurtosis) / math.sqrt(influence.var() * (1 / n + 1 / m))


def _normal(law, value: float, *parameters) -> float:
    """Return the normal score of a value under a law, from the nearer tail."""
    from scipy import stats

    upper = law.sf(value, *parameters)
    if upper < 0.5:
        return float(stats.norm.isf(max(upper, 1e-300)))
    return float(-stats.norm.isf(max(law.cdf(value, *parameters), 1e-300)))
