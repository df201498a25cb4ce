"""What the nodes of a network do to blocks of signals: one class a layer, which calls its kernels.

To add a layer, add its kernels to ``kernels/layers/`` and its class here, with a line in ``INSTRUCTIONS``.
"""

from typing import TYPE_CHECKING

import numpy as np

from ..activations import Activation
from ..kernels import LANES
from ..kernels.blocks import Kept, padded
from ..kernels.layer import ACTIVATION_FIELDS
from ..kernels.layers import activation, dense, dropout, gate, norm, residual, weights
from ..layers import Dense, Dropout, LayerNorm, RMSNorm
from ..layers.gate import Product
from ..layers.residual import Sum
from .samplers import activation_row, distribution_code, link

if TYPE_CHECKING:
    from .program import Program

F = np.float32
FEW_SIGNALS = 4  # the conditional draw pays up to some fan_in / 4 signals

ACTIVATION_DTYPE = np.dtype(ACTIVATION_FIELDS, align=True)


class Instruction:
    """What one node does. ``program`` is whose it is, ``index`` its entry; node numbers of streams count from 1."""

    # What its `forward` reads of its sources, and whether it can do with a block that holds no units
    reads_sums, reads_units, spares_units = False, True, False

    def __init__(self, program: "Program", index: int):
        self.program, self.index, self.node = program, index, program.network.nodes[index]
        self.key, self.number, self.operation = program.key, index + 1, self.node.operation
        self.prepare()

    def prepare(self) -> None:
        """Choose kernels and numbers, once."""

    def room(self, tiles: int):
        """Return the arrays that `forward` leaves for `backward`, besides its value."""

    def parts(self, gradient: int, take) -> tuple[int, ...]:
        """Return the blocks for the gradients by its sources, as `schedule` numbers them: by default one of its own."""
        return (take(self.node.fan_in),)

    def draws(self) -> int:
        """Return about how many random numbers one network takes."""
        return 0


class _Dense(Instruction):
    def prepare(self) -> None:
        law, node, signals = self.operation.law, self.node, self.program.signals
        self.variance, self.bias = self.operation.weight_variance(node.fan_in), self.operation.bias_variance
        self.law = distribution_code(law.distribution, self.program.codes)
        few = signals == 1 or FEW_SIGNALS * signals <= node.fan_in
        method = self.program.method
        if method == "conditional" and law.distribution != "normal":
            where = f"layer {node.path}" if self.program.network.is_chain else node.path
            raise ValueError(
                f"method 'conditional' needs normal weights here, and {where} has {law.distribution} ones; "
                "use method='dense', or 'auto' to have it chosen."
            )
        auto = law.distribution == "normal" and few
        self.conditional = method == "conditional" or (method == "auto" and auto)
        self.reads_units = not self.conditional or signals > 1
        self.reads_sums = not self.conditional or signals == 1
        rows = -(-max(node.fan_in, node.width) // 4)
        if rows * (signals if self.conditional else node.width) >= 2**32:
            size = 4 * LANES * max(node.width, node.fan_in) * signals
            raise ValueError(
                f"{node.path} of {node.width} × {node.fan_in} is too wide to be drawn: {LANES} networks would take "
                f"{size:,} bytes for its units."
            )

    def draws(self) -> int:
        return self.node.width * (self.program.signals if self.conditional else self.node.fan_in)

    def room(self, tiles: int) -> Kept:
        signals = self.program.signals
        shape = (tiles, signals, LANES)
        rows = (tiles, signals, padded(signals), LANES) if self.conditional else (0, 1, 1, LANES)
        return Kept(np.zeros(rows), np.zeros(shape), np.zeros(shape))

    def forward(self, first, sources, out, kept, stop) -> None:
        node, sizes = self.node, (self.variance, self.bias)
        if self.conditional:
            dense.forward(self.key, first, self.number, node.width, *sizes, sources[0], out, kept, stop)
        else:
            fans = node.width, node.fan_in
            weights.forward(self.key, first, self.number, self.law, *fans, *sizes, sources[0], out, kept, stop)

    def backward(self, first, sources, value, kept, d, parts, stop) -> None:
        node, e = self.node, parts[0]
        fan_in, variance = node.fan_in, self.variance
        if self.conditional:
            dense.backward(self.key, first, self.number, fan_in, variance, sources[0], value, kept, d, e, stop)
        else:
            weights.backward(self.key, first, self.number, self.law, node.width, fan_in, variance, d, e, stop)


class _Activation(Instruction):
    spares_units = True

    def prepare(self) -> None:
        known = self.program.activations
        if self.operation not in known:
            rows = np.array([activation_row(self.operation, self.program.codes)], ACTIVATION_DTYPE).view(np.recarray)
            link(rows, backward=self.program.loss is not None)
            known[self.operation] = rows
        self.rows = known[self.operation]

    def forward(self, first, sources, out, kept, stop) -> None:
        activation.forward(self.rows, self.node.width, sources[0], out, stop)

    def backward(self, first, sources, value, kept, d, parts, stop) -> None:
        activation.backward(self.rows, self.node.width, sources[0], d, parts[0], stop)


class _Norm(Instruction):
    reads_sums = spares_units = True

    def prepare(self) -> None:
        self.centred = isinstance(self.operation, LayerNorm)

    def room(self, tiles: int) -> np.ndarray:
        return np.zeros((2, tiles, self.program.signals, LANES))

    def forward(self, first, sources, out, kept, stop) -> None:
        norm.forward(self.node.width, self.centred, self.operation.eps, sources[0], out, kept, stop)

    def backward(self, first, sources, value, kept, d, parts, stop) -> None:
        norm.backward(self.node.width, self.centred, value, kept, d, parts[0], stop)


class _Dropout(Instruction):
    def forward(self, first, sources, out, kept, stop) -> None:
        dropout.masked(self.key, first, self.number, self.operation.p, sources[0], out, stop)

    def backward(self, first, sources, value, kept, d, parts, stop) -> None:
        dropout.masked(self.key, first, self.number, self.operation.p, d, parts[0], stop)


class _Sum(Instruction):
    def room(self, tiles: int) -> np.ndarray:
        factors = np.empty((2, tiles, self.program.signals, LANES))
        factors[0], factors[1] = self.operation.skip, self.operation.scale
        return factors

    def forward(self, first, sources, out, kept, stop) -> None:
        drop, scale = self.operation.drop, self.operation.scale
        if drop > 0:
            positions = self.program.network.position_count
            residual.set_branch(self.key, first, self.number, positions, scale, drop, kept, stop)
        residual.forward(*sources, kept, out, stop)

    def parts(self, gradient: int, take) -> tuple[int, ...]:
        sum_ = self.operation
        kept = sum_.skip == 1.0, sum_.scale == 1.0 and not sum_.drop
        return tuple(gradient if one else take(self.node.width) for one in kept)  # nobody writes into a gradient

    def backward(self, first, sources, value, kept, d, parts, stop) -> None:
        for factor, part in zip(kept, parts, strict=True):
            if part is not d:
                residual.backward(d, factor, part, stop)


class _Product(Instruction):
    def forward(self, first, sources, out, kept, stop) -> None:
        gate.product(*sources, out, stop)

    def parts(self, gradient: int, take) -> tuple[int, ...]:
        return take(self.node.width), take(self.node.width)

    def backward(self, first, sources, value, kept, d, parts, stop) -> None:
        gate.product(d, sources[1], parts[0], stop)
        gate.product(d, sources[0], parts[1], stop)


INSTRUCTIONS: dict[type, type] = {
    Dense: _Dense,
    Activation: _Activation,
    Sum: _Sum,
    LayerNorm: _Norm,
    RMSNorm: _Norm,
    Dropout: _Dropout,
    Product: _Product,
}
