"""The law of Q^l for any activation: its Markov chain, evolved on a grid of ln Q without sampling.

Given Q^l the preactivations are independent N(0, Q^l), so Q^(l+1) = Var(W) sum_i phi(z_i)^2 + bias_variance has
a law that depends on Q^l alone. What is wanted of Q^l, the law of q-hat^l or of the next Q, is a smooth function
of ln Q^l, at least as smooth as the distribution function of ln chi2_n. So it is enough to carry masses on a
uniform grid that are exact for smooth functions (`grids`), and one row of masses for each node is the transition.
"""

from dataclasses import dataclass, field

import numpy as np

from ....activations import Kind
from ....inputs import Inputs
from ....network import ChainLayer, Network
from ...gaussian.expectations import moments
from . import tuning
from .far import Far, falls, far_law, gauss, near_share
from .grids import cardinals, sharing
from .unit_sums import Level, levels, single, units


@dataclass(frozen=True, eq=False)
class Masses:
    """The law of ln Q: ``mass`` at (first + k) ``step``, the part that is ``far`` below, and P(Q = 0)."""

    first: int
    mass: np.ndarray
    zero: float
    step: float
    far: Far | None = None

    @property
    def log_q(self) -> np.ndarray:
        """The nodes."""
        return (self.first + np.arange(len(self.mass))) * self.step

    @property
    def far_total(self) -> float:
        """The probability of what is far."""
        return self.far.total if self.far is not None else 0.0


def evolve(network: Network, inputs: Inputs, resolution: float) -> list[Masses]:
    """Return the law of Q in every layer. A ``resolution`` of 1 is meant to be right to 1e-9; errors go as its 12th."""
    steps = [_step(layer.fan_out, resolution) for layer in network.layers]
    law = _first(network.layers[0], inputs, steps[0])
    laws = [law]
    transitions: dict[tuple, Transition] = {}
    for l, (layer, following) in enumerate(zip(network.layers, network.layers[1:], strict=False)):
        key = (
            layer.fan_out,
            layer.activation,
            following.weight_variance,
            following.bias_variance,
            steps[l],
            steps[l + 1],
        )
        law = transitions.setdefault(key, Transition(layer, following, steps[l], steps[l + 1], resolution)).apply(law)
        laws.append(law)
    return laws


def _step(width: int, resolution: float) -> float:
    """Return a step of ln Q that resolves the distribution function of ln chi2 with ``width`` degrees of freedom."""
    return 0.25 / resolution / np.sqrt(width + 4)


def _first(layer: ChainLayer, inputs: Inputs, step: float) -> Masses:
    if inputs.rows is None:
        n = inputs.width
        spread = 9 * np.sqrt(2 / n) + 80 / n  # of |x|^2 / n above 1, and of its logarithm below 0
        y = np.arange(-spread, np.log1p(spread), min(0.1, 0.3 / np.sqrt(n), step))
        logs = n / 2 * y - n / 2 * np.expm1(y)
        weights = np.exp(logs - logs.max())
        return _placed(np.log(n) + y, weights / weights.sum(), layer, step, 0.0)
    live = inputs.squared_norms > 0
    weights = np.full(live.sum(), 1 / len(live))
    return _placed(np.log(inputs.squared_norms[live]), weights, layer, step, 1 - live.mean())


def _placed(log_s, weights, layer: ChainLayer, step, zero: float) -> Masses:
    """Return the law of Var(W) S + bias_variance, S = e^log_s or 0."""
    points = _log_q(log_s, layer)
    if zero and layer.bias_variance:
        points, weights, zero = np.append(points, np.log(layer.bias_variance)), np.append(weights, zero), 0.0
    if len(points) == 0:
        return Masses(0, np.zeros(0), zero, step)
    nodes, shares = cardinals(points / step)
    first = nodes.min()
    return Masses(int(first), np.bincount((nodes - first).ravel(), (shares * weights).ravel()), zero, step)


def _log_q(log_s, layer: ChainLayer) -> np.ndarray:
    logs = np.log(layer.weight_variance) + log_s
    return np.logaddexp(logs, np.log(layer.bias_variance)) if layer.bias_variance else logs


@dataclass(eq=False)
class Transition:
    """From the law of ln Q in ``layer`` to that in ``following``: a row of masses for each node met so far."""

    layer: ChainLayer
    following: ChainLayer
    step: float
    next_step: float
    resolution: float
    rows: dict = field(default_factory=dict)  # node -> (first, masses, zero)
    slopes: dict = field(default_factory=dict)

    @property
    def falling(self) -> bool:
        """Whether some of the law may be far to the left: not where a bias outweighs it."""
        return falls(self.layer.activation) and self.following.bias_variance == 0

    @property
    def ratio(self) -> float:
        """Of the grid of what is far."""
        return tuning.FARTHER / self.resolution

    def apply(self, law: Masses) -> Masses:
        """Return the next law."""
        nodes = law.first + np.arange(len(law.mass))
        self._prepare(nodes)
        parts, zero = [], 0.0
        for j, p in zip(nodes.tolist(), law.mass.tolist(), strict=True):
            start, row, dead = self.rows[j]
            parts.append((start, p * row))
            zero += p * dead
        far = None
        if self.falling:
            created = far_law(
                self.layer.activation, self.layer.fan_out, np.exp(nodes * self.step), law.mass, self.ratio
            )
            log_variance = np.log(self.following.weight_variance)
            far, *near = created.moved((np.array([log_variance]), np.ones(1)), 1.0, self.next_step)
            parts.append(near)
        if law.far is not None:
            moved, near, dead = self._carried(law.far)
            far, zero = moved.plus(far), zero + dead
            parts.append(near)
        if law.zero:
            zero += self._from_zero(law.zero, parts)
        first, mass = _added(parts)
        total = law.mass.sum() + law.zero + law.far_total
        return _trimmed(first, mass, zero, self.next_step, far, total if self.falling else None)

    def _carried(self, far: Far):
        """Return what is still far in the next layer, what is near, as first node and masses, and P(0)."""
        limit = -self._limit
        self._prepare(np.array([limit]))
        start, row, dead = self.rows[limit]
        if self.following.bias_variance or not self.layer.activation.vanishes_at_zero or not len(row):
            return Far(np.zeros(0), self.ratio), (start, far.total * row), far.total * dead
        slope = self._slope(limit)
        points = (start + np.arange(len(row))) * self.next_step - slope * limit * self.step
        moved, *near = far.moved(gauss(points, row), slope, self.next_step)
        return moved, near, far.total * dead

    def _from_zero(self, p: float, parts: list) -> float:
        """Add what follows Q = 0, n phi(0)^2 for sure; return P(0) of it."""
        square = float(self.layer.activation.phi(np.zeros(1))[0]) ** 2
        if square == 0 and self.following.bias_variance == 0:
            return p
        with np.errstate(divide="ignore"):
            log_s = np.log(self.layer.fan_out * np.array([square]))
        nodes, shares = cardinals(_log_q(log_s, self.following) / self.next_step)
        parts.append((int(nodes[0, 0]), p * shares[:, 0]))
        return 0.0

    @property
    def _limit(self) -> int:
        """Return the node from which on phi is a power, on either side of 0."""
        return int((tuning.FARTHEST if self.layer.activation.kind is Kind.CUSTOM else tuning.FAR) / self.step)

    def _prepare(self, nodes) -> None:
        """Compute the rows still missing. Far away a row is that of the last near node, shifted."""
        limit = self._limit
        near = np.unique(np.clip(nodes, -limit, limit))
        missing = [j for j in near.tolist() if j not in self.rows]
        for i in range(0, len(missing), tuning.BATCH):
            self._compute(np.array(missing[i : i + tuning.BATCH]))
        for j in nodes.tolist():
            if j not in self.rows:
                self.rows[j] = self._shifted(-limit if j < 0 else limit, j)

    def _slope(self, near: int) -> float:
        """Return the power of Q that E phi^2 is, from the node ``near`` on."""
        if near not in self.slopes:
            self.slopes[near] = float(moments(self.layer.activation, np.exp([near * self.step])).slope[0])
        return self.slopes[near]

    def _shifted(self, near: int, node: int):
        first, row, zero = self.rows[near]
        if not len(row) or (self.following.bias_variance and node < near):
            return first, row, zero
        shift = self._slope(near) * (node - near) * self.step / self.next_step
        whole = int(np.floor(shift))
        _, shares = cardinals(np.array([shift - whole]))  # those of every node of the row
        return first + whole - tuning.TAPS // 2 + 1, np.convolve(row, shares[:, 0]), zero

    def _compute(self, nodes: np.ndarray) -> None:
        n = self.layer.fan_out
        sharpness = np.sqrt(2 / (2 + self.following.fan_out)) * n / self.resolution
        unit = units(self.layer.activation, np.exp(nodes * self.step), sharpness, round(16 * self.resolution))
        floor = np.full(len(nodes), -700.0)
        loud = nodes * self.step > tuning.QUIET
        if self.falling:
            floor[loud] = tuning.CENTRE - 8 * tuning.WIDTH
        if self.following.bias_variance:
            floor[:] = np.log(self.following.bias_variance / self.following.weight_variance) - 28.0
        fineness = min(0.04, 0.25 * np.sqrt(1 / n + 1 / self.following.fan_out)) / self.resolution
        parts = single(unit) if n == 1 else levels(unit, n, floor, fineness)
        if self.falling:
            parts = (_near_part(part, loud) for part in parts)
        found = [(p.rows, *self._on_grid(p)) for p in parts]
        zero = np.where(loud & self.falling, 0.0, unit.zero**n)
        if self.following.bias_variance:  # what is below the floor, 0 too, leaves the bias alone
            zero = np.zeros(len(nodes))
            missing = np.ones(len(nodes)) - sum(_row_sums(part, len(nodes)) for part in found)
            found.append((slice(None), *self._on_grid(Level(slice(None), np.array([-np.inf]), missing[None]))))
        first = min((start for _, start, _ in found), default=0)  # none where phi is 0 throughout
        rows = np.zeros((len(nodes), max((start + block.shape[1] for _, start, block in found), default=0) - first))
        for index, start, block in found:
            rows[index, start - first : start - first + block.shape[1]] += block
        for j, row, dead in zip(nodes.tolist(), rows, zero.tolist(), strict=True):
            inside = np.flatnonzero(np.abs(row) > tuning.NOTHING * 1e-4)
            if not len(inside):
                self.rows[j] = (0, np.zeros(0), 1.0)
                continue
            kept = row[inside[0] : inside[-1] + 1].copy()
            if not self.falling:
                kept[0] += 1.0 - kept.sum() - dead  # what is below the floor, and rounding
            self.rows[j] = (int(first + inside[0]), kept, dead)

    def _on_grid(self, part):
        """Return the first node and the masses (rows, nodes) that a `Level` leaves on the next grid."""
        nodes, shares = cardinals(_log_q(part.log_s, self.following) / self.next_step)
        first = int(nodes.min())
        return first, (sharing(nodes - first, shares, nodes.max() - first + 1) @ part.masses).T


def _row_sums(part, count: int) -> np.ndarray:
    sums = np.zeros(count)
    sums[part[0]] = part[2].sum(axis=1)
    return sums


def _near_part(part: Level, loud: np.ndarray) -> Level:
    """Return what is not kept as far: of small variances phi does not fall so far, and ln S is small as they are."""
    share = np.where(loud[part.rows], near_share(part.log_s)[:, None], 1.0)
    return Level(part.rows, part.log_s, part.masses * share)


def _added(parts: list) -> tuple[int, np.ndarray]:
    """Return the sum of masses that are given by their first nodes, and its first node."""
    parts = [(first, mass) for first, mass in parts if len(mass)]
    first = min((first for first, _ in parts), default=0)
    out = np.zeros(max((start + len(mass) for start, mass in parts), default=first) - first)
    for start, mass in parts:
        out[start - first : start - first + len(mass)] += mass
    return first, out


def _trimmed(first, mass, zero, step, far, total) -> Masses:
    """Return the law without its empty ends; the lowest node takes what is missing from ``total``, if that is given."""
    size = np.abs(mass)
    below, above = np.cumsum(size), np.cumsum(size[::-1])[::-1]
    inside = np.flatnonzero((below > tuning.NOTHING) & (above > tuning.NOTHING))
    if len(inside) == 0:
        return Masses(0, np.zeros(0), zero, step, far)
    a, b = inside[0], inside[-1] + 1
    kept = mass[a:b].copy()
    kept[0] += mass[:a].sum()
    kept[-1] += mass[b:].sum()
    found = Masses(int(first + a), kept, zero, step, far)
    if total is not None:
        kept[0] += total - kept.sum() - zero - found.far_total
    return found
