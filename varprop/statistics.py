"""Sums over networks to estimates with standard errors."""

from collections import Counter
from dataclasses import replace
from math import factorial, prod

import numpy as np

from . import tails
from .law import LayerLaw
from .origins import Origin
from .quantities import MOMENTS, moments_up_to
from .records import LayerProfile
from .sums import (
    FIRST_BIN,
    LAYER,
    MOMENT,
    PAIR,
    PIVOTS,
    PLACE,
    PRODUCTS,
    ZERO,
    columns,
    named,
    product,
)


def forward_profiles(
    sums: np.ndarray, pivots: np.ndarray, networks: int, highest: int | None = None
) -> dict[str, LayerProfile]:
    """Return the profiles of a `Forward` from the sums that `kernels.tally` makes.

    Parameters
    ----------
    sums
        (L, columns of `sums.LAYER`): powers of d = q-hat / pivot - offset and so on, summed over networks; those
        of `sums.MOMENT` for each moment beyond the second.
    pivots
        (L, columns of `sums.PIVOTS`).
    networks
        How many were summed.
    highest
        4, 6 or 8: up to which moments of z they hold; None for none beyond the second.

    Notes
    -----
    Ratios (fluctuation, kurtosis) get their errors from their influence functions, so the
    correlation of numerator and denominator is in.
    """
    own = columns(LAYER)
    return _profiles(sums[:, :own], pivots, networks, a_follows_q=True) | _high_moments(
        sums[:, own:], pivots, networks, highest
    )


def _high_moments(sums, pivots, networks: int, highest: int | None) -> dict[str, LayerProfile]:
    """Return E z^4 and so on, from powers of what each network has over that power of the pivot."""
    found, n, width = {}, float(networks), columns(MOMENT)
    with np.errstate(all="ignore"):  # exploding layers end as inf
        pivot = named(pivots, PIVOTS)
        for i, (power, name) in enumerate(moments_up_to(highest).items()):
            of, k = named(sums[:, width * i : width * (i + 1)], MOMENT), power // 2
            mean, variance, third, fourth = _moments([of[column] for column in MOMENT.names or ()], n)
            mean = mean + pivot["offset"] * prod(range(1, power, 2))
            size = np.ldexp(pivot["size"] ** k, (k * pivot["exponent"]).astype(int))
            skewness = tails.mean_skewness(
                mean, variance, third, fourth, n, tails.lognormal_skewness(variance / mean**2)
            )
            found[name] = _profile(*_sized(size, mean, np.sqrt(variance / n)), skewness)
    return found


def _profiles(sums, pivots, networks: int, *, a_follows_q: bool) -> dict[str, LayerProfile]:
    """Return them, where the mean of a^2, whose logarithms nobody keeps, is about as skewed as q-hat or may be more."""
    n = float(networks)
    with np.errstate(all="ignore"):  # exploding layers end as inf, and a dead layer has no logarithm
        of, pivot = named(sums, LAYER), named(pivots, PIVOTS)
        offset, alive = pivot["offset"], of["alive"]
        mean, variance, third, fourth = _central(of, "q", n)
        mean = mean + offset
        size = np.ldexp(pivot["size"], pivot["exponent"].astype(int))
        a_size = np.ldexp(pivot["second_size"], pivot["second_exponent"].astype(int))
        z4 = of["f1"] / n + 3 * offset
        z4_variance = _spread(of["f2"], of["f1"], of["f1"], n)
        z4_covariance = _spread(of["qf"], of["q1"], of["f1"], n)
        second, a_variance, a_third, a_fourth = _central(of, "a", n)
        second = second + offset
        log_mean, log_variance, log_third, log_fourth = _central(of, "log", alive)
        log_pivot = np.log(pivot["size"]) + pivot["exponent"] * np.log(2.0)
        living = alive / n
        # how ln q-hat spreads where the mean of its square root comes from, and where the mean does
        spreads = (
            log_variance,
            4 * np.log(mean * living / (of["root"] / n) ** 2),
            np.log1p(variance / mean**2) + np.log(living),
        )
        from_logs, of_squares = (tails.skewness_from_logs(*spreads, living, power) for power in (1, 2))
        a_from_logs = from_logs
        if not a_follows_q:
            a_from_logs = np.fmax(from_logs, tails.lognormal_skewness(a_variance / second**2))
        share = of["dead"] / n
        guarded = (of["dead"] + 1) / (n + 2)  # so that no death in n networks is not a certainty
        found = {
            "variance": _sized(size, mean, np.sqrt(variance / n)),
            "second_moment": _sized(a_size, second, np.sqrt(a_variance / n)),
            "fluctuation": (
                variance / mean**2,
                _root(fourth - variance**2 - 4 * variance * third / mean + 4 * variance**3 / mean**2, mean, n),
            ),
            "kurtosis": (
                z4 / mean**2,
                _root(z4_variance - 4 * z4 * z4_covariance / mean + 4 * z4**2 * variance / mean**2, mean, n),
            ),
            "log_mean": (log_mean + log_pivot, np.sqrt(log_variance / alive)),
            "log_variance": (log_variance, np.sqrt(np.maximum(log_fourth - log_variance**2, 0.0) / alive)),
            "dead": (share, np.sqrt(guarded * (1 - guarded) / n)),
            "activation_mean": (
                np.sqrt(a_size) * of["mean1"] / n,
                np.sqrt(a_size) * np.sqrt(_spread(of["mean2"], of["mean1"], of["mean1"], n) / n),
            ),
        }
        skewness = {
            "variance": tails.mean_skewness(mean, variance, third, fourth, n, from_logs),
            "second_moment": tails.mean_skewness(second, a_variance, a_third, a_fourth, n, a_from_logs),
            "fluctuation": tails.square_skewness(*found["fluctuation"], n, of_squares),
            "kurtosis": tails.square_skewness(*found["kurtosis"], n, of_squares),
            "log_mean": tails.log_skewness(log_third / log_variance**1.5, alive),
            "log_variance": tails.square_skewness(*found["log_variance"], alive, tails.LEAST_OF_SQUARES),
        }
        skewness["activation_mean"] = 2 * tails.root_skewness(skewness["second_moment"], n)  # of one unit in four
        return {name: _profile(*estimate, skewness.get(name)) for name, estimate in found.items()}


def _root(influence, mean, n):
    """Return the error of a ratio to a squared mean, from what its influence function spreads; nothing is below 0."""
    return np.sqrt(np.maximum(influence, 0.0) / mean**4 / n)


def _sized(size, mean, error) -> tuple[np.ndarray, np.ndarray]:
    """Return a mean and its error over pivots of this ``size`` as they are.

    Where float64 holds neither the pivot nor how much larger some network is, nothing is known of their product. Where
    pivots are beyond float64, so is the mean, whatever some networks are over them.
    """
    lost, beyond = (size == 0) & ~np.isfinite(mean), np.isinf(size) & np.isnan(mean)
    return np.where(lost, 0.0, np.where(beyond, np.inf, size * mean)), np.where(lost | beyond, np.inf, size * error)


def place_profiles(
    sums, pivots, networks: int, names: tuple[str, ...], positions: int, highest: int | None = None
) -> dict[str, LayerProfile]:
    """Return the profiles of a `Forward` of places, from the sums that `kernels.places` makes.

    Rows of ``sums`` and ``pivots`` are (place, position) pairs, then, of several positions, their means, place by
    place. The error of a mean over positions is that mean's own where it is one of q-hat, a^2 or a; else the mean of
    the errors, which it cannot pass.
    """
    own = columns(PLACE)
    found = forward_profiles(sums[:, : columns(LAYER)], pivots, networks)
    found |= _high_moments(sums[:, own:], pivots, networks, highest)
    with np.errstate(all="ignore"):
        of = named(sums[:, :own], PLACE)
        count, cosine, square = of["cosines"], of["cosine1"], of["cosine2"]
        if positions > 1:
            estimate = cosine / count, np.sqrt(_spread(square, cosine, cosine, count) / count)
            found["cosine"] = _profile(*estimate, tails.cosine_skewness(*estimate, count))
    return {name: _over_positions(name, profile, names, positions) for name, profile in found.items()}


_LINEAR = {
    *("variance", "second_moment", "activation_mean", "gradient_variance", "weight_gradient_variance", "cosine"),
    *MOMENTS.values(),
}


def place_gradients(sums, pivots, networks: int, names: tuple[str, ...], positions: int) -> dict[str, LayerProfile]:
    """Return the profiles of a `Backward` of places, and of the input, which comes last; as `place_profiles`."""
    found = backward_profiles(sums[:, : columns(LAYER)], pivots, networks)
    return {name: _over_positions(name, profile, names, positions) for name, profile in found.items()}


def _over_positions(name, profile, names, positions) -> LayerProfile:
    """Return one value a place from one a row, with those of each position beside it."""
    rows = len(names) * positions
    values, errors = (array[:rows].reshape(-1, positions) for array in (profile.values, profile.errors))
    mean, error, skewness = values.mean(axis=1), errors.mean(axis=1), profile.skewness
    if positions > 1 and name in _LINEAR:
        error, skewness = profile.errors[rows:], skewness[:, rows:]
    elif skewness is not None:
        least, most = skewness[:, :rows].reshape(2, -1, positions)
        skewness = np.array([least.min(axis=1), most.max(axis=1)])
    return LayerProfile(mean, error, Origin.SIMULATION, skewness=skewness, names=names, by_position=(values, errors))


def gram_estimates(sums, networks: int) -> tuple[np.ndarray, np.ndarray]:
    """Return means and their standard errors, (places, S, S), from sums of first and second powers, (places, 2 S S)."""
    n = float(networks)
    first, second = np.split(sums, 2, axis=1)
    side = round(np.sqrt(first.shape[1]))
    shape = len(sums), side, side
    with np.errstate(all="ignore"):
        error = np.sqrt(np.maximum(_spread(second, first, first, n), 0.0) / n)
    return (first / n).reshape(shape), error.reshape(shape)


def backward_profiles(sums: np.ndarray, pivots: np.ndarray, networks: int) -> dict[str, LayerProfile]:
    """Return the profiles of a `Backward`: the same estimates, of d-hat and of the mean squared weight gradient."""
    found = _profiles(sums, pivots, networks, a_follows_q=False)
    return {
        "gradient_variance": found["variance"],
        "weight_gradient_variance": found["second_moment"],
        **{name: found[name] for name in ("fluctuation", "log_mean", "log_variance", "dead")},
    }


def chain_gradients(sums: np.ndarray, pivots: np.ndarray, networks: int) -> dict[str, LayerProfile]:
    """Return the profiles of a `Backward` of a chain, from sums whose last row is of the gradient by the input."""
    profiles, at_input = split_input(backward_profiles(sums, pivots, networks))
    return profiles | {"input_gradient_variance": replace(at_input, names=("input",))}


def split_input(found: dict[str, LayerProfile]) -> tuple[dict[str, LayerProfile], LayerProfile]:
    """Return the profiles of what is not the input, which comes last, and the gradient's at the input."""
    profiles = {name: profile.entries(slice(0, -1)) for name, profile in found.items()}
    return profiles, found["gradient_variance"].entries(slice(-1, None))


def pair_profiles(sums: np.ndarray, pivots: np.ndarray, networks: int) -> dict[str, LayerProfile]:
    """Return the profiles of a `Pair` from the sums that `kernels.tally_pair` makes; arguments as above.

    The correlation, a ratio of three means, gets its error from its influence function, and from the powers of that how
    skewed it is.
    """
    n = float(networks)
    with np.errstate(all="ignore"):
        of, offset = named(sums, PAIR), named(pivots, PIVOTS)["offset"]
        spread = np.array([[_spread(of[product((i, j))], of[f"m{i}"], of[f"m{j}"], n) for j in _THREE] for i in _THREE])
        x, y, p = of["m1"] / n + offset, of["m2"] / n + offset, of["m3"] / n
        size, ratio = np.sqrt(x * y), np.sqrt(y / x)
        off = -(0.5 * (np.sqrt(x) - np.sqrt(y)) ** 2 + p) / size  # 1 - correlation, without cancelling
        slopes = np.array([ratio - 1 - off * ratio, 1 / ratio - 1 - off / ratio, np.full(len(off), -2.0)]) / (2 * size)
        with_slopes = (spread * slopes).sum(axis=1)  # by einsum bits depend on where in memory the numbers lie
        own = np.maximum((slopes * with_slopes).sum(axis=0), 0.0)
        with_size = with_slopes[0] / (2 * x) + with_slopes[1] / (2 * y)  # covariance with what the size is relatively
        alive, (lost, variance, third, fourth) = of["alive"], _central(of, "e", of["alive"])
        found = {
            "correlation": (1 - off, np.sqrt(own / n)),
            "cosine": (1 - lost, np.sqrt(variance / alive)),
            "cosine_variance": (variance, np.sqrt((fourth - variance**2) / alive)),
        }
        relative = variance / (1 - np.abs(1 - lost)) ** 2
        of_squares = np.fmax(tails.lognormal_skewness((1 + relative) ** 4 - 1), tails.LEAST_OF_SQUARES)
        _, _, own_third, own_fourth = _moments(_of_influence(of, slopes), n)
        skewness = {
            "correlation": tails.ratio_skewness(*found["correlation"], own, own_third, own_fourth, with_size, n),
            "cosine": tails.ratio_skewness(*found["cosine"], variance, third, fourth, 0.0, alive),
            "cosine_variance": tails.square_skewness(*found["cosine_variance"], alive, of_squares),
        }
        return {name: _profile(*estimate, skewness[name]) for name, estimate in found.items()}


def law_layers(sums: np.ndarray, pivots: np.ndarray, networks: int) -> tuple[LayerLaw, ...]:
    """Return the law of each layer from its counts ``sums`` and its first edge and bin width in ``pivots``."""
    found = []
    for counts, (low, width, *_) in zip(sums, pivots, strict=True):
        below = np.cumsum(counts)[FIRST_BIN - 1 : -1] / networks
        edges = low + width * np.arange(len(below))
        inside = np.flatnonzero(np.diff(below) > 0)
        part = slice(inside[0], inside[-1] + 2) if len(inside) else slice(0, 2)
        below = below[part]
        errors = np.sqrt(np.maximum(below * (1 - below), 1 / networks) / networks)
        found.append(LayerLaw(edges[part], below, errors, None, counts[ZERO] / networks))
    return tuple(found)


_THREE = (1, 2, 3)
_ORDERS = {factors: factorial(len(factors)) // prod(map(factorial, Counter(factors).values())) for factors in PRODUCTS}


def _of_influence(of: np.ndarray, slopes: np.ndarray) -> list[np.ndarray]:
    """Return sums of the first four powers of slopes . (x, y, p) from those of products, each (L,)."""
    sums = [np.zeros(len(of)) for _ in range(4)]
    for factors, orders in _ORDERS.items():
        sums[len(factors) - 1] += orders * prod(slopes[i - 1] for i in factors) * of[product(factors)]
    return sums


def _profile(values, errors, skewness=None) -> LayerProfile:
    return LayerProfile(values, errors, Origin.SIMULATION, skewness=skewness)


def _spread(xy, x, y, n):
    """Return the covariance of x and y from their sums."""
    return (xy - x * y / n) / (n - 1)


def _central(of: np.ndarray, name: str, n):
    """Return mean, variance and third and fourth central moments from sums of four powers, ``name`` 1 to 4."""
    return _moments([of[f"{name}{power}"] for power in (1, 2, 3, 4)], n)


def _moments(powers, n):
    """Return the same from the sums of the first four powers."""
    first, second, *_ = powers = np.array(powers)
    m1, m2, m3, m4 = powers / n
    return (
        m1,
        np.maximum((second - first * m1) / (n - 1), 0.0),  # of numbers that are all one, but for rounding
        m3 - 3 * m1 * m2 + 2 * m1**3,
        m4 - 4 * m1 * m3 + 6 * m1**2 * m2 - 3 * m1**4,
    )
