"""One walk over a network's layers: the law of every place, and of what each Dense reads."""

from dataclasses import dataclass

import numpy as np

from ...activations import Activation
from ...graph import Level, is_identity
from ...layers import Dense, Dropout, Gate, LayerNorm, Residual, RMSNorm
from ..gaussian.expectations import moments
from ..scaled import Scaled
from . import laws
from .laws import EPS, Base, Law, NotExactError


@dataclass(eq=False)
class Entry:
    """One place: its units, its law and that of the activation right after it, what is read below it, its errors."""

    units: int
    value: Base
    activated: Base
    below: Scaled | None
    error: np.ndarray


class Walk:
    """The laws of all places, in ``places`` by name.

    Attributes
    ----------
    places
        `Entry` by name, in order of execution.
    slack
        What eps of norms leaves open, relative to a mean square, (columns,); 0 where the result is exact.
    silent
        The first ReLU that may see a layer of zeros, where gradients stop; None if none may.
    """

    def __init__(self, network, rows: np.ndarray | None):
        if any(
            isinstance(node.operation, Dense) and node.operation.law.distribution != "normal" for node in network.nodes
        ):
            raise NotExactError("normal weights in every layer")
        columns = network.position_count if rows is None else rows.shape[0] * rows.shape[1]
        self.places: dict[str, Entry] = {}
        self.silent: str | None = None
        self.slack, self.error = np.zeros(columns), np.full(columns, 4 * EPS)
        self._variances: np.ndarray | None = None  # of each row's numbers
        self._open, self._squares, self._dies = np.zeros(columns), None, False
        base = Base.normal(network.width, columns)
        if rows is not None:
            numbers = rows.reshape(columns, -1)
            squares = self._squares = (numbers**2).sum(axis=1)
            self._variances, self._dies = numbers.var(axis=1), not squares.all()
            square = Scaled.of(squares)
            fourth = ((numbers / np.sqrt(np.where(squares > 0, squares, 1.0))[:, None]) ** 4).sum(axis=1)
            base = Base(square, square.times(square), square.times(square).times(fourth))
        numbered = all(isinstance(layer, (Dense, Activation)) for layer in network.sequence)
        start = Law.start(network.width, columns, self._squares)
        self._sequence(network.sequence, start, base, Level(numbered=numbered), outermost=True)

    def _sequence(self, layers, law: Law, base: Base, level: Level, *, outermost: bool = False) -> Law:
        last = None
        for layer in layers:
            if is_identity(layer):
                continue
            if outermost and not isinstance(layer, (Activation, Dropout)):
                base, law = law.base(base), _renewed(law)  # numbers of any size, where rows would pass float64
            law, last = self._layer(layer, law, base, level, last)
            self.error = self.error + 8 * EPS
        return law

    def _layer(self, layer, law: Law, base: Base, level: Level, last: str | None):
        """Return the law behind one layer, and the layer's place if it is one."""
        if isinstance(layer, Activation):
            law = self._activation(layer, law, level.name(layer.name))
            if last is not None:
                self.places[last].activated = law.base(base)
            return law, None
        if isinstance(layer, Dense):
            return self._dense(layer, law, base, level.name("dense"))
        if isinstance(layer, Residual):
            return self._residual(layer, law, base, level)
        if isinstance(layer, Gate):
            return self._gate(layer, law, base, level)
        path = level.name(layer.word)
        if isinstance(layer, Dropout):
            self._dies = True
            return laws.masked(law, 1 - layer.p), None
        if isinstance(layer, LayerNorm | RMSNorm):
            return self._norm(layer, law, base), None
        raise NotExactError(f"layers whose moments are known at any width, but {path} is none")

    def _note(self, name: str, law: Law, base: Base, below: Scaled | None = None) -> str:
        value = law.base(base)
        self.places[name] = Entry(law.units, value, value, below, self.error + self.slack)
        return name

    def _dense(self, layer: Dense, law: Law, base: Base, name: str):
        variance = layer.between(law.units, name).weight_variance(law.units)
        biases = layer.biases(law.units)
        found = laws.dense(law, layer.output_width(law.units, name), variance, biases)
        self._dies = self._dies and biases == 0
        return found, self._note(name, found, base, base.of(law.s))

    def _activation(self, phi: Activation, law: Law, path: str) -> Law:
        found, error = laws.activated(law, phi, path)
        self.error = self.error + error
        if phi.slopes is None:
            self._dies = False
            self._left_open(np.abs(moments(phi, np.unique(law.known)).slope).max())
        elif 0.0 in phi.slopes:
            if self._dies and self.silent is None:
                self.silent = path
            self._dies = True
        return found

    def _norm(self, layer: "LayerNorm | RMSNorm", law: Law, base: Base) -> Law:
        n = float(law.units)
        q = base.of(law.s).times(1 / n)
        known = law.fixed is not None and law.q is None
        if isinstance(layer, LayerNorm):
            known = known and law.fixed is self._squares
            q = Scaled.of(self._variances) if known else q
        self._open = np.zeros(len(self.slack))
        if layer.eps and not known:  # q is random, and its mean stands for it
            spread = np.maximum(base.of(law.s2).times(1 / n**2).over(q.times(q)), 1.0)
            self._open = Scaled.of(np.full(len(spread), layer.eps)).over(q) * spread
            self._left_open(1.0)
        return laws.of_length(law, n * q.over(q.plus(layer.eps)))

    def _left_open(self, steepness: float) -> None:
        """Note that what the last norm leaves open comes through with this factor."""
        self.slack = np.maximum(self.slack, self._open * steepness)

    def _residual(self, layer: Residual, law: Law, base: Base, level: Level):
        path = level.name(layer.word)
        own, start = law.base(base), _renewed(law)
        dies = self._dies
        branch = self._sequence(layer.branch, start, own, level.within(path))
        branch_dies, self._dies = self._dies, dies
        if layer.shortcut is not None:
            if not isinstance(layer.shortcut, Dense):
                raise NotExactError(f"a Dense as shortcut, but that of {path} is {layer.shortcut}")
            start, _ = self._layer(layer.shortcut, start, own, level.fixed(f"{path} / shortcut"), None)
        self._dies = (branch_dies or layer.drop > 0) and (self._dies or layer.skip == 0)
        found = laws.through(law, laws.total(start, branch, layer.skip, layer.scale, layer.drop, path))
        return found, self._note(path, found, base)

    def _gate(self, layer: Gate, law: Law, base: Base, level: Level):
        path, other = level.name("gate"), level.name("value")
        if law.fixed is None or law.q is not None:
            raise NotExactError(f"a norm right before each gate, which {path} has not")
        gate, _ = self._dense(layer.dense, law, base, path)
        phi, error = laws.activated(gate, layer.phi, level.name(layer.phi.name))
        self._left_open(1 + np.abs(moments(layer.phi, np.unique(gate.known)).slope).max())
        self.places[path].activated = phi.base(base)
        self._dense(layer.dense, law, base, other)
        level.name("product")
        self.error, self._dies = self.error + error, False
        units, q = gate.units, gate.known
        second, fourth = phi.s[0] / units, phi.fourth[0] / units
        return laws.independent(units, second * q, fourth * 3 * q * q, law.s), None


def _renewed(law: Law) -> Law:
    """Return the law of a value relative to itself."""
    fixed = law.fixed if law.q is None else None
    return Law.start(law.units, law.s.shape[1], fixed, fourth=law.f is not None)
