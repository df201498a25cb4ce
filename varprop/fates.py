"""What becomes of signal and gradient along a model: chains of places, factors a layer, formats that lose them."""

import math
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from .audits import EXPONENTS, Audit

WEIGHTED = ("Linear", "Conv", "Bilinear")  # in the names of classes of layers that a signal goes through one by one
RECURRENT = ("RNN", "LSTM", "GRU")  # classes of layers whose steps are within one call
SHORTEST = 3  # places that make a chain: with two, one odd layer would be called a trend
MOST_LOST = 0.5  # of a place's numbers: a format that rounds more than these to 0 loses the place
MOST_OVER = 1e-3  # of a place's numbers: a format beyond which more than these lie overflows there
_NORM = "Norm"
_SOME = 0.01  # of a sum: less is no stream that a branch is added to
NEVER = 1e6  # places: a chain as long as that is nobody's


@dataclass(frozen=True)
class Chain:
    """Places that follow one another and do the same: residual sums, weighted layers, or calls of one module.

    Attributes
    ----------
    kind
        ``"sum"``, ``"layer"`` or ``"step"``.
    places
        Their numbers in the audit.
    normed
        Whether norms stand between them, so that one's scale does not reach the next.
    """

    kind: str
    places: tuple[int, ...]
    normed: bool = False


@dataclass(frozen=True)
class Fate:
    """What a chain does to the signal, from its first place to its last, or to the gradient, from last to first.

    Attributes
    ----------
    of
        ``"signal"`` or ``"gradient"``.
    chain
        The places' kind: ``"sum"``, ``"layer"`` or ``"step"``.
    names
        The places, in the order in which signal or gradient pass them.
    values
        E[x^2] at each; of the gradient the sum of its squares, which He's rule keeps where widths change.
    relative
        Whether these are times E[x^2] there: what norms between them leave alone, whatever the signal's scale.
    factor, factor_error
        From one place to the next, fitted to the logarithms, and a bound on its standard error between networks; NaN
        with one network.
    total_error
        The relative standard error of ``total``.
    adds
        Whether each place adds about the same, as residual blocks behind norms do, rather than multiplies.
    lost
        For each format the number of places of such a chain after which it holds the values no more; infinite if never.
    """

    of: str
    chain: str
    names: tuple[str, ...]
    values: np.ndarray = field(repr=False)
    factor: float
    factor_error: float
    total_error: float
    adds: bool
    lost: dict[str, float]
    relative: bool = False

    @property
    def count(self) -> int:
        """How many places there are, without what is before the first."""
        return len(self.names) - self.names[0].startswith("before ")

    @property
    def total(self) -> float:
        """What comes out over what goes in."""
        return float(self.values[-1] / self.values[0])


def chains(audit: Audit) -> list[Chain]:
    """Return the chains of an audit: its residual sums, or else its weighted layers; and repeated calls.

    Where norms part the sums into streams, as norms behind the sums do, the streams come as well: a signal lives as
    long as its stream, a gradient goes through all.
    """
    steps = _steps(audit)
    again = {l for chain in steps for l in chain.places}
    sums = tuple(l for l, kind in enumerate(audit.kinds) if kind == "sum")
    layers = tuple(l for l, kind in enumerate(audit.kinds) if is_weighted(kind) and l not in again)
    kind, places = ("sum", sums) if len(sums) >= SHORTEST else ("layer", layers)
    if len(places) < SHORTEST:
        return steps
    streams = _streams(audit, sums) if kind == "sum" and audit.continues else [places]
    normed = len(streams) != 1 and _normed(audit, places) if kind == "sum" else _normed(audit, places)
    parts = [Chain(kind, stream) for stream in streams if len(stream) >= SHORTEST] if kind == "sum" and normed else []
    return [Chain(kind, places, normed), *parts, *steps]


def _streams(audit: Audit, sums) -> list[tuple[int, ...]]:
    """Return the sums that add to one another."""
    streams: dict[str, list[int]] = {}
    for l in sums:
        found = streams.get(audit.continues[l], [])
        found.append(l)
        streams[audit.names[l]] = found
    return [tuple(part) for part in {id(part): part for part in streams.values()}.values()]


def is_weighted(kind: str) -> bool:
    """Return whether a module of this class is a layer of weights that a signal goes through."""
    return any(word in kind for word in WEIGHTED)


def _steps(audit: Audit) -> list[Chain]:
    """Return the calls of each module that is called several times, such as a recurrent cell."""
    calls: dict[str, list[int]] = {}
    for l, name in enumerate(audit.names):
        path, colon, number = name.rpartition(":")
        own = path if colon and number.isdigit() else name
        if audit.kinds[l] != "sum":
            calls.setdefault(own, []).append(l)
    long = [part for part in calls.values() if len(part) >= SHORTEST and _has_weights(audit.kinds[part[0]])]
    return [Chain("step", tuple(part)) for part in long if len({audit.shapes[l] for l in part}) == 1]


def _has_weights(kind: str) -> bool:
    return is_weighted(kind) or kind.endswith(("Cell", *RECURRENT))


def _normed(audit: Audit, places) -> bool:
    """Return whether a norm stands between most neighbours."""
    between = [any(_NORM in kind for kind in audit.kinds[a + 1 : b]) for a, b in pairwise(places)]
    return sum(between) > len(between) / 2


def fates(audit: Audit, formats: dict) -> list[Fate]:
    """Return what becomes of signal and gradient along each chain, where both ends are known; ``formats`` by name."""
    found, all_chains = [], chains(audit)
    parted = any(chain.normed and chain.kind == "sum" for chain in all_chains)
    for chain in all_chains:
        if not chain.normed:  # else norms restore the signal
            found.append(_fate("signal", audit, chain, formats))
        if chain.normed or chain.kind != "sum" or not parted:  # of streams that norms part, all at once
            found.append(_fate("gradient", audit, chain, formats))
    found += [
        _fitted("gradient", "time", steps.names, steps.values, steps.errors, steps.values, formats)
        for steps in audit.steps.values()
    ]
    return [fate for fate in found if fate is not None]


def _fate(of: str, audit: Audit, chain: Chain, formats: dict) -> Fate | None:
    kind, places = chain.kind, list(chain.places if of == "signal" else chain.places[::-1])
    profile = audit.second_moment if of == "signal" else audit.gradient_variance
    values, errors = profile.values[places], profile.errors[places]
    relative = of == "gradient" and chain.normed and kind == "sum"
    level = values  # of one number, which is what formats hold
    if of == "gradient":
        scale = np.array([math.prod(audit.shapes[l]) for l in places], dtype=float)
        if relative:
            scale *= audit.second_moment.values[places]
        values, errors = values * scale, errors * scale
    names = [audit.names[l] for l in places]
    before = _before(audit, places[0]) if of == "signal" and kind == "sum" else 0.0
    if before > 0:
        names = [f"before {names[0]}", *names]
        values, errors = np.append(before, values), np.append(errors[0] * before / values[0], errors)
        level = values
    return _fitted(of, kind, names, values, errors, level, formats, relative)


def _fitted(of, kind, names, values, errors, level, formats, relative=False) -> Fate | None:
    """Return what becomes of ``values`` at places of these names, in order; ``level`` is E[x^2] of one number there."""
    known = np.isfinite(values) & (values > 0)
    if known.sum() < SHORTEST:
        return None
    names = tuple(name for name, good in zip(names, known, strict=True) if good)
    values, errors, level = values[known], errors[known], level[known][0]
    # the slope of ln values by least squares; places share their networks, so errors may add up
    at = np.arange(len(values)) - (len(values) - 1) / 2
    slope = at / np.square(at).sum()
    factor = float(np.exp(slope @ np.log(values)))
    error = factor * float(np.abs(slope) @ (errors / values))
    adds = of == "signal" and kind == "sum" and values[-1] > values[0] and _linear(values)
    total_error = math.hypot(errors[0] / values[0], errors[-1] / values[-1])
    lost = _lost(values, level, factor, error, adds, formats)
    return Fate(of, kind, names, values, factor, error, total_error, adds, lost, relative)


def _before(audit: Audit, place: int) -> float:
    """Return E[x^2] of a residual stream before its first sum: what is left of that without the branch that ends there.

    0 where the place before the sum is no branch of its shape, or all of the sum.
    """
    total = audit.second_moment.values[place]
    branch = audit.second_moment.values[place - 1] if place else np.nan
    alone = place and audit.shapes[place - 1] == audit.shapes[place] and branch < total * (1 - _SOME)
    return float(total - branch) if alone else 0.0


def _linear(values) -> bool:
    """Return whether values lie nearer to a line than to an exponential."""
    at = np.arange(len(values))
    line = np.polyval(np.polyfit(at, values, 1), at)
    growth = np.exp(np.polyval(np.polyfit(at, np.log(values), 1), at))
    return bool(np.square(line - values).sum() <= np.square(growth - values).sum())


def _lost(values, first, factor, error, adds, formats) -> dict[str, float]:
    """Return after how many places each format holds the values no more: the root mean square lies outside of it."""
    found, first = {}, float(first)
    for name, numbers in formats.items():
        low, high = (numbers.smallest / 2) ** 2, numbers.largest**2
        if not low <= first <= high:
            found[name] = 1.0
        elif adds:
            step = first * (values[-1] / values[0] - 1) / (len(values) - 1)
            found[name] = float(1 + (high - first) / step)
        elif abs(factor - 1) <= 2 * error or factor == 1:  # not known to grow or to fall
            found[name] = math.inf
        else:
            limit = high if factor > 1 else low
            found[name] = 1 + math.log(limit / first) / math.log(factor)
    return {name: depth if depth < NEVER else math.inf for name, depth in found.items()}


def lost_at(audit: Audit, of: str, numbers) -> str | None:
    """Return the first place, in the order of signal or gradient, whose numbers a format loses; None if it holds all.

    ``numbers`` has the format's ``largest`` and ``smallest`` positive number.
    """
    shares = audit.magnitudes if of == "signal" else audit.gradient_magnitudes
    order = range(len(audit.names)) if of == "signal" else range(len(audit.names) - 1, -1, -1)
    least, most = round(math.log2(numbers.smallest)) - 1, math.floor(math.log2(numbers.largest))
    under, over = least > EXPONENTS, most < EXPONENTS
    for l in order:
        share = shares[l]
        if np.isfinite(share).all() and (
            share[under].sum() > MOST_LOST * max(share.sum(), 1e-300) or share[over].sum() > MOST_OVER
        ):
            return audit.names[l]
    return None
