"""The multiplier on every weight variance of a network that keeps its signal, its gradient, or both."""

import math
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
import scipy
from numpy.typing import ArrayLike

from .. import checks
from ..layers import Layer
from ..layers.residual import Sum
from ..network import Network, check_network
from ..tables import Tabular, tuning_columns, tuning_parts
from .backward import backward
from .forward import forward
from .slow import says_when_slow

FACTOR = 10.0  # a decade: what figures/multiplier.svg draws. It is a convention, and no format or optimizer fails there
SEARCHED = 1e-4, 1e4  # multipliers: past what turns weights of variance 1 into He's at a width of 10,000
_DECADES = (0.05, 0.1, 0.2, 0.35, 0.6, 1.0, 1.5, 2.0, 3.0, 4.0)  # of the grid, either way from 1
_GRID = np.log(10.0) * np.array([*(-d for d in reversed(_DECADES)), 0.0, *_DECADES])
_STEP = 1e-4  # in ln multiplier, of the exponent's difference
_FAR = 700.0  # of ln: float64's end
_ROUNDING = 1e-12  # to which a multiplier that keeps a side is found, in ln
_ENDS = 1e-8  # the same of a range's ends


@dataclass(frozen=True)
class TunedSide:
    """How a multiplier k on every Var(W) changes one side, the signal or the gradient, over the whole depth.

    Attributes
    ----------
    kept
        The k at which the side is at its last layer what it is at its first; None where there is none within what was
        searched. Of several the nearest to 1.
    kept_error
        A bound on its rounding and quadrature errors, which leaves out what the order does.
    growth
        Mean factor a layer at k = 1, in the direction of travel: down from the output for the gradient.
    exponent
        d ln(growth) / d ln k at ``kept``, else at k = 1: 1 where growth goes as k, as in a ReLU net.
    least, most
        The range of k around that in which the side changes by no more than ``factor`` from first to last layer; where
        there is no ``kept``, the range nearest to 1. None for an end that the search did not reach, both where there is
        no such k.
    within
        Whether there is such a k.
    """

    kept: float | None
    kept_error: float
    growth: float
    exponent: float
    least: float | None
    most: float | None
    within: bool


@dataclass(frozen=True)
class Tuning(Tabular):
    """What one multiplier on every weight variance of a network does, as theory has it.

    Attributes
    ----------
    network, description
        What was asked, and in words.
    factor
        By how much a side may change.
    steps
        Layers between the first and the last place.
    first, last
        These places by name.
    searched
        The multipliers between which was searched.
    origin
        The order of the theory.
    signal, gradient
        Each side: of E[z^2], and of the squared norm of the gradient, width times E[delta^2], which unlike E[delta^2]
        stays in a net whose widths change where fan_in Var(W) keeps it.
    multiplier
        The k that changes both least: the larger of the two changes, in either direction, is smallest there. None where
        it is smallest at an end of what was searched.
    least, most, within
        As in `TunedSide`, of both sides together.
    """

    network: Network = field(metadata={"plain": False})
    description: str
    factor: float
    steps: int
    first: str
    last: str
    searched: tuple[float, float]
    origin: str
    signal: TunedSide
    gradient: TunedSide
    multiplier: float | None
    least: float | None
    most: float | None
    within: bool

    def _parts(self) -> list:
        return tuning_parts(self)

    def _columns(self) -> dict:
        return tuning_columns(self)


@says_when_slow
def tune(
    network: Network, inputs: ArrayLike | None = None, *, factor: float = FACTOR, order: str | None = "infinite"
) -> Tuning:
    """Return the multipliers on every Var(W) that keep a network's signal and gradient, and the range that nearly does.

    A multiplier k multiplies Var(W) of every layer, on top of what the network has; biases stay. The signal is E[z^2],
    from first to last layer; the gradient is width times E[delta^2], of a linear loss, from last to first. In a graph
    these are the residual sums of its outermost level, or its outermost layers where there are none.

    Parameters
    ----------
    network
        With two layers, or two such places, at least.
    inputs
        As in `forward`.
    factor
        By how much a side may change over the depth, up or down; 10 by default, a convention.
    order
        As in `forward`; infinite width by default, which is quick, and right for E[z^2] at every width where phi is
        linear, relu or leaky_relu. None for the best there is.

    Notes
    -----
    Where growth a layer is k^e, the range is factor^(1 / (e steps)) either way of what keeps the side: twice the depth
    takes its root. Roots are looked for between neighbours of 21 multipliers from 1e-4 to 1e4, a tenth apart near 1: a
    side that comes and goes between two of these is not seen.

    Raises
    ------
    TypeError, ValueError
        For what is no network or has one layer, a factor that is not above 1, or what `forward` and `backward` refuse.

    Examples
    --------
    >>> from varprop import Network, theory
    >>> found = theory.tune(Network([64] * 31, "relu", "lecun"))
    >>> f"{found.multiplier:.3f}: {found.least:.3f} to {found.most:.3f}"
    '2.000: 1.847 to 2.165'
    """
    check_network(network)
    factor = checks.positive(factor, "factor")
    if factor <= 1:
        raise ValueError(f"factor is {factor!r}; it must be above 1, such as 10.")
    first, last = _ends(network)
    seen = _Seen(network, inputs, order, first, last)
    signal, gradient = (_side(seen, i, last[1] - first[1], math.log(factor)) for i in range(2))
    best, found = _best(seen, [signal.kept, gradient.kept])
    least, most, within = _range(lambda x: max(map(abs, seen(x))), best, math.log(factor))
    return Tuning(
        network,
        str(network),
        factor,
        last[1] - first[1],
        first[2],
        last[2],
        SEARCHED,
        seen.origin,
        signal,
        gradient,
        math.exp(best) if found else None,
        least,
        most,
        within,
    )


def _ends(network: Network) -> list[tuple[int, int, str]]:
    """Return the first and the last place that are held against each other: entry, number in their row, and name."""
    outer = [(i, place) for i, place in enumerate(network.places) if " / " not in place.name]
    sums = [(i, place) for i, place in outer if isinstance(network.nodes[place.node].operation, Sum)]
    row = sums if len(sums) > 1 else outer
    if len(row) < 2:
        raise ValueError(
            f"network is {checks.one_line(network)}, with one layer at its outermost level; to tune needs at least two."
        )
    return [(row[at][0], at % len(row), row[at][1].name) for at in (0, -1)]


class _Seen:
    """ln of what is left of the signal and of the gradient at a multiplier exp(x); each x is computed once."""

    def __init__(self, network, inputs, order, first, last):
        self._asked = network, inputs, order
        self._ends = first[0], last[0]
        self._known, self._errors = {}, {}
        self.origin = ""

    def __call__(self, x: float) -> tuple[float, float]:
        x = float(x)
        if x not in self._known:
            network, inputs, order = self._asked
            scaled = multiplied(network, math.exp(x))
            ahead, back = forward(scaled, inputs, order=order), backward(scaled, inputs, order=order)
            self.origin = str(back.gradient_variance.origin)
            widths = np.array(network.place_widths, dtype=float)
            ends = [self._ends, self._ends[::-1]]
            sides = [(ahead.variance.values, ahead.variance.errors)]
            sides.append((back.gradient_variance.values * widths, back.gradient_variance.errors * widths))
            found = [_left(*side, *end) for side, end in zip(sides, ends, strict=True)]
            self._known[x] = tuple(value for value, _ in found)
            self._errors[x] = tuple(error for _, error in found)
        return self._known[x]

    def error(self, x: float, side: int) -> float:
        """Return the error of one side's logarithm."""
        self(x)
        return self._errors[float(x)][side]


def _left(values, errors, start: int, end: int) -> tuple[float, float]:
    """Return ln(values[end] / values[start]), held within float64's reach, and its error."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ln = np.log(values[[end, start]])
        error = float((errors[[end, start]] / values[[end, start]]).sum())
    if np.isnan(ln).any():
        raise ValueError(
            "theory does not know this network's variance in its first or last layer; there is nothing to tune."
        )
    return float(np.clip(np.clip(ln[0], -_FAR, _FAR) - np.clip(ln[1], -_FAR, _FAR), -_FAR, _FAR)), error


def multiplied(network: Network, factor: float) -> Network:
    """Return the network with every weight variance times ``factor``."""
    if network.is_chain:
        own = network.multiplier
        scaled = tuple(m * factor for m in own) if isinstance(own, tuple) else own * factor
        return replace(network, multiplier=scaled)
    layers = (layer.multiplied(factor) if isinstance(layer, Layer) else layer for layer in network.sequence)
    return Network.sequential(network.width, *layers, positions=network.positions)


def _root(function, low: float, high: float, tolerance: float = _ROUNDING) -> float:
    return float(scipy.optimize.brentq(function, low, high, xtol=tolerance, rtol=4 * np.finfo(float).eps))


def _nearest_root(function) -> float | None:
    """Return where ``function`` of ln k is 0, nearest to k = 1, by changes of sign on the grid; None for nowhere."""
    middle = len(_GRID) // 2
    for ring in range(1, middle + 1):
        found = []
        for low, high in (_GRID[middle - ring : middle - ring + 2], _GRID[middle + ring - 1 : middle + ring + 1]):
            if function(low) * function(high) <= 0:
                found.append(_root(function, low, high))
        if found:
            return min(found, key=abs)
    return None


def _side(seen: _Seen, side: int, steps: int, most: float) -> TunedSide:
    def left(x):
        return seen(x)[side]

    kept = _nearest_root(left)
    near = kept
    if near is None:  # the nearest to k = 1 of those that do
        near = min(map(float, _GRID), key=lambda x: (abs(left(x)) > most, abs(x)))
    at = 0.0 if kept is None else kept
    slope = (left(at + _STEP) - left(at - _STEP)) / (2 * _STEP)
    error = 0.0
    if kept is not None:
        error = math.exp(kept) * (_ROUNDING + seen.error(kept, side) / abs(slope)) if slope else math.inf
    return TunedSide(
        None if kept is None else math.exp(kept),
        error,
        math.exp(left(0.0) / steps),
        slope / steps,
        *_range(lambda x: abs(left(x)), near, most),
    )


def _best(seen: _Seen, kept: list) -> tuple[float, bool]:
    """Return the ln k at which the larger of the two changes is least, and whether it is within what was searched.

    It is where a side is kept, or where both change alike, up or down.
    """

    def worse(x):
        return round(max(map(abs, seen(x))), 9), abs(x)

    points = sorted({math.log(k) for k in kept if k is not None})
    if None in kept:  # else it is between the two
        points = sorted({*points, *map(float, _GRID)})
        at = points.index(min(points, key=worse))
        points = points[max(at - 1, 0) : at + 2]
    found = list(points)
    for low, high in pairwise(points):
        for sign in (-1, 1):

            def apart(x, sign=sign):
                signal, gradient = seen(x)
                return signal + sign * gradient

            if apart(low) * apart(high) < 0:
                found.append(_root(apart, low, high, _ENDS))
    best = min(found, key=worse)
    return best, best not in (_GRID[0], _GRID[-1])


def _range(size, start: float, most: float) -> tuple[float | None, float | None, bool]:
    """Return the ends of the k around exp(start) for which ``size`` is at most ``most``, and whether there are any."""
    if size(start) > most:
        return None, None, False

    def end(grid) -> float | None:
        sign, inside = grid[1] - grid[0], start
        for x in map(float, grid):
            if (x - start) * sign <= 0:
                continue
            if size(x) > most:
                return math.exp(_root(lambda y: size(y) - most, min(inside, x), max(inside, x), _ENDS))
            inside = x
        return None

    return end(_GRID[::-1]), end(_GRID), True


__all__ = ["FACTOR", "SEARCHED", "TunedSide", "Tuning", "multiplied", "tune"]
