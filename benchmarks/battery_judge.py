"""p-values of the sums that battery_normals makes, each against the law of independent normals."""

import numpy as np
from scipy import special, stats

CELLS = 64  # a side; 4,096 in two dimensions
FINE, TAIL = (
    2.0**-6,
    4.5,
)  # the histogram's finest bins end there: float32 angles show below, and few numbers lie beyond
THRESHOLDS = (4.5, 4.75, 5.0, 5.25, 5.5, 5.75, 6.0, 6.25)
LEVEL = 1e-6  # of a family: all tests of one kind together


def _bins() -> tuple[np.ndarray, np.ndarray]:
    """Return the chance of each number by its top 16 bits, and its lower end."""
    ends = (np.arange(2**15, dtype=np.uint32) << 16).view(np.float32)
    edges = np.append(np.where(np.isfinite(ends), ends, np.inf).astype(np.float64), np.inf)
    chance = -np.diff(special.ndtr(-edges))
    return np.concatenate([chance, chance]), np.concatenate([edges[:-1], -edges[1:]])


CHANCE, LOWER = _bins()
ORDER = np.argsort(LOWER, kind="stable")
BELOW = np.cumsum(CHANCE[ORDER])
CELL_OF = np.empty(2**16, np.intp)  # cells of nearly equal chance, which end where bins do
CELL_OF[ORDER] = np.minimum((BELOW - CHANCE[ORDER] / 2) * CELLS, CELLS - 1)
CELL_CHANCE = np.bincount(CELL_OF, CHANCE, CELLS)


def _groups() -> np.ndarray:
    """Return the group of each of the top 16 bits: fine bins, but one near 0 and one of each tail."""
    size = np.tile(np.abs((np.arange(2**15, dtype=np.uint32) << 16).view(np.float32)), 2)
    group = np.arange(2**16)
    group[size < FINE] = 0
    group[~(size < TAIL) & (np.arange(2**16) < 2**15)] = 1
    group[~(size < TAIL) & (np.arange(2**16) >= 2**15)] = 2
    return np.unique(group, return_inverse=True)[1]


GROUP = _groups()


def chi_square(counts: np.ndarray, chance: np.ndarray) -> float:
    """Return the p-value of counts in cells of these chances."""
    expected = counts.sum() * chance / chance.sum()
    return float(stats.chi2.sf(((counts - expected) ** 2 / expected).sum(), counts.size - 1))


def block_p_value(counts: np.ndarray) -> float:
    """Return the p-value of one step's counts in 64 cells."""
    return chi_square(np.bincount(CELL_OF, counts, CELLS), CELL_CHANCE)


def two_sided(z: float) -> float:
    """Return the chance of a normal at least as far from 0."""
    return float(2 * stats.norm.sf(abs(z)))


def judge(sums: dict, steps: int) -> dict:
    """Return p-values by family and test, the least of each family times their number, and the verdict."""
    families = {"distribution": distribution(sums), "tails": tails(sums), "independence": independence(sums, steps)}
    family = {name: min(1.0, min(tests.values()) * len(tests)) for name, tests in families.items()}
    verdict = "FAILED" if min(family.values()) * len(family) < LEVEL else "PASSED"
    beyond = {f"{t:g}": [int((np.abs(sums["tail"]) > t).sum()), sums["powers"][0] * tail_chance(t)] for t in THRESHOLDS}
    largest = float(np.abs(sums["tail"]).max(initial=0))
    return {"family": family, "verdict": verdict, "tests": families, "beyond": beyond, "largest": largest}


def distribution(sums: dict) -> dict:
    """Return p-values of moments, of a histogram in some 2,000 bins, of its distance, and of the steps' p-values."""
    n, means = sums["powers"][0], sums["powers"] / sums["powers"][0]
    found = {
        f"mean of z^{k}": two_sided((means[k] - right) / np.sqrt(spread / n))
        for k, right, spread in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96), (6, 15, 10395 - 225))
    }
    found["histogram"] = chi_square(np.bincount(GROUP, sums["bits"]), np.bincount(GROUP, CHANCE))
    distance = np.abs(np.cumsum(sums["bits"][ORDER]) / n - BELOW).max()
    found["Kolmogorov's distance"] = float(stats.kstwobign.sf(distance * np.sqrt(n)))
    found["each step's histogram"] = float(stats.kstest(sums["blocks"], "uniform").pvalue)
    return found


def tail_chance(threshold: float) -> float:
    """Return how likely |z| lies beyond, over all 2^64 pairs of words: a radius takes 2^32 values, up to 6.76."""
    words = np.arange(int(2**32 * np.exp(-(threshold**2) / 2)) + 2)
    radius = np.sqrt(-2 * np.log((words + 0.5) / 2**32))
    return float(np.arccos(np.minimum(threshold / radius, 1)).sum() * 2 / np.pi / 2**32)


def tails(sums: dict) -> dict:
    """Return p-values of how many lie beyond each threshold, and of all of them on either side."""
    n, tail = sums["powers"][0], sums["tail"]
    found = {}
    for threshold in THRESHOLDS:
        law, count = stats.poisson(n * tail_chance(threshold)), (np.abs(tail) > threshold).sum()
        found[f"beyond {threshold:g}"] = float(min(1.0, 2 * min(law.cdf(count), law.sf(count - 1))))
    found["above and below"] = float(stats.binomtest(int((tail > 0).sum()), max(tail.size, 1)).pvalue)
    return found


def independence(sums: dict, steps: int) -> dict:
    """Return p-values of correlations of z and of z^2: all, the largest and some means of them; and of cells."""
    blocks, found = 4 * steps, {}
    terms = {
        "self": 1024 * blocks,
        "index": 1023 * blocks,
        **dict.fromkeys(("stream", "seed", "networks"), 1024 * steps),
    }
    for what in ("products", "squares"):
        for name, n in terms.items():
            z = sums[f"{what}, {name}"] / np.sqrt(n)
            upper = z[np.triu_indices(len(z), 1)] if name == "self" else z.ravel()
            found[f"{what}, {name}: all"] = float(stats.chi2.sf((upper**2).sum(), upper.size))
            found[f"{what}, {name}: largest"] = min(1.0, two_sided(np.abs(upper).max()) * upper.size)
            # as one number each: equal places, places side by side, units of a draw within a network
            own = [] if name == "self" else [np.trace(z) / 16]
            beside = [np.trace(z, 1) / np.sqrt(255)]
            units = [np.trace(z[64 * i :, 64 * j :][:64, :64]) / 8 for i in range(4) for j in range(i + 1, 4)]
            for word, means in (("same place", own), ("side by side", beside), ("units of a draw", units)):
                if means:
                    found[f"{what}, {name}: {word}"] = float(stats.chi2.sf(np.square(means).sum(), len(means)))
    for power, what in enumerate(("products", "squares")):
        n = [256 * (1024 - lag) * blocks for lag in range(2, 9)]
        z = sums["lags"][power] / np.sqrt(n)
        found[f"{what}, index: lags 2 to 8"] = float(stats.chi2.sf((z**2).sum(), len(z)))
    for name in (name for name in sums if name.startswith("cells")):
        found[name] = chi_square(sums[name].ravel(), np.outer(CELL_CHANCE, CELL_CHANCE).ravel())
    return found
