"""Networks and inputs as the arrays that kernels read, and the choice of kernel."""

from collections.abc import Callable
from functools import cache

import numpy as np

from ..activations import CUSTOM, Activation
from ..checks import quote
from ..initializers import DISTRIBUTIONS
from ..inputs import LOSSES, Inputs
from ..kernels.activations import BLOCKS, NARROW, QUICK_BLOCKS
from ..kernels.conditional import conditional, conditional_room, lift_layer
from ..kernels.conditional_backward import conditional_backward, conditional_backward_room
from ..kernels.dense import dense, dense_room, lift_kept
from ..kernels.dense_backward import dense_backward, dense_backward_room
from ..kernels.derivatives import BLOCKS as SLOPE_BLOCKS
from ..kernels.gradient import GIVEN, lift_gradient
from ..kernels.layer import LAYER_DTYPE
from ..kernels.own import Block, weights_block
from ..kernels.powers import expected_powers, mean_powers
from ..kernels.separate import Separate
from ..names import choose
from ..network import Network
from ..own_weights import OwnDistribution
from ..runs import METHODS

CONDITIONAL = ("normal", "orthogonal")  # weight laws for which a chain's conditional sampler is exact


def activation_row(phi: Activation, codes: dict) -> tuple:
    """Return the numbers of `ACTIVATION_FIELDS`, without addresses; ``codes`` holds those of one's own functions."""
    return (
        codes.get(phi.phi, phi.code),
        codes.get(phi.dphi, phi.code),
        0,
        0,
        phi.slope,
        phi.slopes is not None and phi.code != CUSTOM,
        phi.vanishes_at_zero,
        phi.unbounded,
    )


def distribution_code(distribution, codes: dict) -> int:
    """Return the integer by which kernels choose a distribution of weights."""
    own = isinstance(distribution, OwnDistribution)
    return codes[distribution.quantile] if own else DISTRIBUTIONS.index(distribution)


def layer_table(network: Network, codes: dict) -> np.recarray:
    """Return the network's layers as one record a layer, with the fields of `LAYER_DTYPE`, without addresses."""
    rows = [
        (
            layer.fan_in,
            layer.fan_out,
            layer.weight_variance,
            layer.bias_variance,
            distribution_code(layer.distribution, codes),
            layer.distribution == "orthogonal",
            0,
            0,
            0,
            *activation_row(layer.activation, codes),
        )
        for layer in network.layers
    ]
    return np.array(rows, LAYER_DTYPE).view(np.recarray)


def link(rows: np.recarray, *, backward: bool, wide=False) -> None:
    """Compile what does a block of each row's phi, and phi' if ``backward``, and enter the addresses.

    ``wide`` says which rows are of many independent units, whose tails do not count.
    """
    for row, many in zip(rows, np.broadcast_to(wide, len(rows)), strict=True):
        code = int(row.code)
        form = QUICK_BLOCKS[code] if many and code in QUICK_BLOCKS else BLOCKS.get(code)
        row.phi = 0 if form is None else form.address
        row.dphi = SLOPE_BLOCKS[code].address if backward and code in SLOPE_BLOCKS else 0


def _linked(table: np.recarray, lift: Separate, powers: Separate | None, *, backward: bool) -> np.recarray:
    """Return the table of layers with its addresses; ``lift`` does far tails, ``powers`` high moments if asked."""
    link(table, backward=backward, wide=table.fan_out > NARROW)
    table.powers = 0 if powers is None else powers.address
    if not table.homogeneous.all():
        table.lift, table.lift_back = lift.address, lift_gradient.address if backward else 0
    return table


def choose_method(network: Network, method: str) -> str:
    """Return ``"conditional"`` or ``"dense"``; raise ValueError where ``method`` cannot be used.

    No method can draw a layer of more draws than the 32 bits that count them.
    """
    method = choose(method, METHODS, "unknown method {}", kind="method")
    other = sorted({str(layer.distribution) for layer in network.layers} - set(CONDITIONAL))
    if method == "conditional" and other:
        raise ValueError(
            f"method 'conditional' needs {' or '.join(CONDITIONAL)} weights, and this network has {' and '.join(other)}"
            " ones; use method='dense', or 'auto' to have it chosen."
        )
    if method == "auto":
        method = "dense" if other else "conditional"
    for layer in network.layers:
        fan_out = layer.fan_out if method == "dense" else 1
        if fan_out * -(-max(layer.fan_in, layer.fan_out) // 4) >= 2**32:
            raise ValueError(f"a layer of {layer.fan_out} × {layer.fan_in} is too wide to be drawn, {method}.")
    return method


def forward_sampler(network: Network, inputs: Inputs, seed: int, method: str, moments: int | None = None) -> Callable:
    """Return ``sample(first, records, stop)`` for `ensemble.run`; records end in ``moments`` as in `kernels.powers`."""
    norms = np.empty(0) if inputs.rows is None else inputs.squared_norms
    if method == "conditional":
        powers = expected_powers if moments else None
        return _sampler(conditional, conditional_room, network, seed, norms, backward=False, powers=powers)
    powers, data = mean_powers if moments else None, (_unit_rows(inputs, norms), norms)
    return _sampler(dense, dense_room, network, seed, *data, backward=False, powers=powers)


def backward_sampler(network: Network, inputs: Inputs, loss: "str | np.ndarray", seed: int, method: str) -> Callable:
    """Return ``sample(first, records, stop)`` for `ensemble.run`, of gradients."""
    norms = np.empty(0) if inputs.rows is None else inputs.squared_norms
    last = norms, *_loss_code(loss)
    if method == "conditional":
        return _sampler(conditional_backward, conditional_backward_room, network, seed, *last, backward=True)
    rows = _unit_rows(inputs, norms)
    return _sampler(dense_backward, dense_backward_room, network, seed, rows, *last, backward=True)


def own_blocks(activations, distributions) -> dict:
    """Return a `kernels.own.Block` for each function of one's own among these, by function."""
    own = [activation for activation in activations if activation.code == CUSTOM]
    functions = {f for activation in own for f in (activation.phi, activation.dphi) if f is not None}
    found = {f: Block(f, f.function) for f in functions}
    for law in {law for law in distributions if isinstance(law, OwnDistribution)}:
        found[law.quantile] = weights_block(law.quantile, law.quantile.function, symmetric=law.symmetric)
    return found


def _sampler(
    kernel, room, network: Network, seed: int, *data, backward: bool, powers: Separate | None = None
) -> Callable:
    """Return ``sample(first, records, stop)``: it calls ``kernel`` with layers and ``data``, in ``room(layers)``."""
    layers = network.layers
    blocks = own_blocks((layer.activation for layer in layers), (layer.distribution for layer in layers))
    codes, key = {f: block.code for f, block in blocks.items()}, np.uint64(seed)
    lift = lift_layer if kernel in (conditional, conditional_backward) else lift_kept
    # the first call may compile, as that of a kernel does
    table = cache(lambda: _linked(layer_table(network, codes), lift, powers, backward=backward))

    def sample(first, records, stop):
        layers = table()
        if not len(records):  # it compiles alone, and sets no memory to 0 for units that nobody draws
            layers = layers.copy()
            layers.fan_in[:] = layers.fan_out[:] = 1
        with np.errstate(all="ignore"):  # matters only where the compiler is off
            kernel(key, np.uint64(first), layers, *data, room(layers), records, stop)
        if blocks and not stop[0]:
            check_own(blocks, records)

    return sample


def check_own(blocks: dict, records: np.ndarray) -> None:
    """Raise ValueError where a function of one's own failed, or gave no number, rather than leave such networks out."""
    for block in blocks.values():
        if block.error is not None:
            raise block.error
    if np.isfinite(records).all():
        return
    for function in blocks:
        z = function.SEARCHED
        values = function(z)
        bad = np.flatnonzero(~np.isfinite(values))
        if bad.size:
            raise ValueError(f"{function} gives {values[bad[0]]:g} at {z[bad[0]]:.4g}; {function.CURE}")
    names = ", ".join(sorted({quote(function.name) for function in blocks}))
    raise ValueError(
        f"the signal through {names} grows beyond what float32 holds; use smaller weights or fewer layers."
    )


def _loss_code(loss: "str | np.ndarray") -> tuple[int, tuple[np.ndarray, float]]:
    """Return the loss as kernels know it: a code, and a given gradient as a unit vector and its squared norm."""
    if isinstance(loss, str):
        return LOSSES.index(loss), (np.empty(0), 1.0)
    squared_norm = float((loss * loss).sum())  # of BLAS, the bits of many depend on how many threads add them
    return GIVEN, (loss / np.sqrt(squared_norm) if squared_norm else loss, squared_norm)


def draws_per_network(network: Network, method: str) -> int:
    """Return about how many random numbers one network takes."""
    if method == "conditional":
        return sum(network.widths)
    # Gram and Schmidt on a Haar matrix costs as much as drawing each weight once a row.
    rows = [min(a.fan_in, a.fan_out) if a.distribution == "orthogonal" else 1 for a in network.layers]
    return sum(layer.fan_in * layer.fan_out * r for layer, r in zip(network.layers, rows, strict=True))


def _unit_rows(inputs: Inputs, norms: np.ndarray) -> np.ndarray:
    if inputs.rows is None:
        return np.empty((0, 0), np.float32)
    lengths = np.sqrt(norms)
    return (inputs.rows / np.where(lengths > 0, lengths, 1.0)[:, None]).astype(np.float32)
