"""How skewed an estimate from a sample is: what its third moment says, and what lower ones add where that is unsure.

A deep narrow network's q-hat is as skewed as a log-normal, and a sample that misses the largest networks understates
its own spread and skewness alike. Its logarithms and square roots do not. But inputs near 0, a scalar output or a
layer of one unit spread ln q-hat too, to the left, and no mean is more skewed for that. So how ln q-hat spreads is
followed from where most networks are to where the moments come from: to the left it may be wide and be none the worse.
"""

import numpy as np

NEARLY_NORMAL = 0.1  # skewness of a mean of known spread up to which the log-normal of that skewness is its law
JUDGED = 0.2  # skewness of an estimate up to which its sample tells its own error
ENOUGH = 100.0  # networks that carry a third moment, from which it needs no second opinion
CARRIED = 30.0  # networks that carry the variance of a ratio, likewise
LEAST_OF_LOGS = -1.6  # of ln chi2_1, the most skewed term of ln q-hat, whatever a small sample of logarithms says
LEAST_OF_SQUARES = 3 * np.sqrt(2.0)  # what `square_skewness` says of squares of normal numbers
RESOLUTION = 2e-14  # of 1 - correlation, a layer: what float32 in the kernels, squared, may do to it
LEAST_SPREAD = 1e-12  # variance over squared mean that the kernels' rounding makes: such a sample is constant


def lognormal_skewness(relative_variance):
    """Return the skewness of a log-normal from its variance over squared mean."""
    return (3 + relative_variance) * np.sqrt(relative_variance)


def skewness_from_logs(at_zero, at_half, at_one, alive, power=1):
    """Return the skewness of X^power from how ln X spreads, where X is 0 unless ``alive``.

    K(t) = ln E[X^t] of the living has K'' = Var[ln X] where t = 0, and further on the variance under the law tilted by
    X^t, which moments of X come from. Of a gamma variable's power 1/K'' is linear in t, nearly; so it is drawn through
    ``at_zero`` and ``at_half``, the second difference 4 (K(1) - 2 K(1/2)), and goes on to where a sample is too small
    to look. Right tails are not taken for less than a log-normal's where K'' grows, nor K'' at 1 for less than the
    sample's own, ``at_one``.
    """
    rise = 2 * np.fmax(1 / at_half - 1 / at_zero, 0.0)
    start = 1 / at_half - 0.5 * rise

    def at(t):
        return 1 / (start + rise * t)

    # second differences of K at 1, 2, ... 5 give K(2) - 2 K(1) and K(3) - 3 K(1), or the same of t doubled
    d = [np.fmax(at(1), at_one), *map(at, (2, 3, 4, 5))]
    doubled, tripled = d[0], 2 * d[0] + d[1]
    if power == 2:
        doubled, tripled = d[0] + 2 * d[1] + d[2], 2 * d[0] + 4 * d[1] + 3 * d[2] + 2 * d[3] + d[4]
    with np.errstate(all="ignore"):
        two, three = np.expm1(doubled - np.log(alive)), np.expm1(tripled - 2 * np.log(alive))
        return (three - 3 * two) / two**1.5


def mean_skewness(mean, variance, third, fourth, n, second_opinion) -> np.ndarray:
    """Return the least and the most that the skewness of a mean may be, shape (2, L), from a sample's central moments.

    Where few networks carry the third moment, (sum d^3)^4 / (sum d^4)^3 of them, ``second_opinion``, the skewness of
    one term from elsewhere, is heard as well.
    """
    own = third / variance**1.5
    sure = n * third**4 / fourth**3 >= ENOUGH
    bounds = np.where(sure, own, [np.fmin(own, second_opinion), np.fmax(own, second_opinion)])
    return np.where(variance <= LEAST_SPREAD * mean**2, 0.0, bounds / np.sqrt(n))


def square_skewness(values, errors, n, second_opinion) -> np.ndarray:
    """Return the same of an estimate like a mean of squares, whose third moment no sum holds.

    Its terms are about three times as skewed as they are spread, what a small log-normal is and more than a gamma. A
    third more is taken for what a sample misses, since its spread needs fourth powers.
    """
    spread = np.sqrt(n) * errors / np.abs(values)
    most = np.where(spread**2 <= LEAST_SPREAD, 0.0, 4 / 3 * np.fmax(3 * spread, second_opinion))
    return np.array([np.zeros_like(most), most]) / np.sqrt(n)


def log_skewness(skewness, alive) -> np.ndarray:
    """Return the same of a mean of logarithms: a sample's own, once it is large enough whatever they are."""
    few = alive < networks_to_judge(LEAST_OF_LOGS)
    bounds = [np.where(few, LEAST_OF_LOGS, skewness), np.where(few, -LEAST_OF_LOGS, skewness)]
    return np.where(skewness == skewness, bounds, 0.0) / np.sqrt(alive)


def root_skewness(skewness, n) -> np.ndarray:
    """Return the same of the mean of what is as large as a root, from that of the mean of squares.

    A log-normal's root has a quarter of its spread of logarithms. The root may have either sign.
    """
    most = np.abs(skewness).max(axis=0) * np.sqrt(n)
    square = (2 * np.sinh(np.arcsinh(most / 2) / 3)) ** 2  # w - 1, of a log-normal of this skewness
    most = lognormal_skewness(np.expm1(np.log1p(square) / 4))
    return np.array([-most, most]) / np.sqrt(n)


def cosine_skewness(values, errors, n) -> np.ndarray:
    """Return the same of a correlation or a cosine: as far from the end that it is near as a log-normal, or less."""
    side = -np.sign(values)
    away = np.maximum(1 - np.abs(values), RESOLUTION * np.arange(1, len(values) + 1))
    most = side * lognormal_skewness(n * (errors / away) ** 2)
    return np.array([np.zeros_like(most), most]) / np.sqrt(n)


def ratio_skewness(values, errors, variance, third, fourth, with_size, n) -> np.ndarray:
    """Return the same of a correlation or a cosine from central moments of its influence, of 1 less it.

    A ratio is skewed as its influence is, and by ``with_size``, the covariance of that with what it is divided by,
    relatively: where both are large at once, the error that the sample states is large too. The influence's own
    skewness counts with the latter and without it. Its tails lie on both sides and cancel in the third moment, so it is
    networks that carry the variance, n^2 / (n kurtosis) of them, that are counted before a second opinion,
    `cosine_skewness`, is heard as well.
    """
    away, least = 1 - np.abs(values), RESOLUTION * np.arange(1, len(values) + 1)
    rounded, away = away <= least, np.maximum(away, least)  # what is rounding has no moments to speak of
    other = np.sign(values) * lognormal_skewness(n * (errors / away) ** 2)
    own = third / variance**1.5
    opinions = np.where(rounded, 0.0, [own, own - 3 * with_size / np.sqrt(variance)])
    all_ = np.append(opinions, [np.where(~rounded & (n * variance**2 / fourth >= CARRIED), own, other)], axis=0)
    bounds = -np.array([all_.max(axis=0), all_.min(axis=0)])
    return np.where(variance <= LEAST_SPREAD * away**2, 0.0, bounds / np.sqrt(n))


def networks_to_judge(skewness):
    """Return how many networks bring the skewness of a mean of terms of this skewness to `JUDGED`."""
    return (skewness / JUDGED) ** 2
