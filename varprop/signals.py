"""The inputs of a network with positions: rows of numbers, a sample's positions one after the other."""

import numpy as np

from .inputs import as_array, as_inputs, as_loss, check_numbers
from .positions import format_positions


def position_shape(network) -> tuple[int, ...]:
    """Return the shape of a network's positions, (P,) where they are a number."""
    return network.positions if isinstance(network.positions, tuple) else (network.positions,)


def given_shape(network) -> tuple[int, ...]:
    """Return the axes of positions in what a user gives, none where there is one position."""
    return () if network.position_count == 1 else position_shape(network)


def as_rows(inputs, network) -> "np.ndarray | None":
    """Return ``inputs`` as float64 (samples, positions, n_0), or None for x ~ N(0, I).

    Parameters
    ----------
    inputs
        None; with one position (n_0,) for one sample or (samples, n_0); with positions (P, n_0) or
        (samples, P, n_0), where a shape such as (32, 32) takes the place of P.
    network
        A `Network`.

    Raises
    ------
    TypeError, ValueError
        If the data are not real numbers, their shape does not fit, or a row is NaN, infinite or out of range.
    """
    if inputs is None:
        return None
    width, count = network.width, network.position_count
    raw = as_array(inputs, "inputs")
    if count == 1:
        return as_inputs(raw, width).data[:, None, :]
    check_numbers(raw)
    shape = position_shape(network)
    one = (*shape, width)
    if raw.shape != one and raw.shape[1:] != one:
        where = format_positions(network.positions)
        raise ValueError(
            f"inputs have shape {raw.shape}; this network, with {where} positions, takes {one} for one sample or "
            f"{('samples', *one)} for data.".replace("'samples'", "samples")
        )
    if raw.shape[0] == 0:
        raise ValueError(f"inputs have shape {raw.shape}; give at least one sample.")
    return as_inputs(raw.reshape(-1, width), width, shape).data.reshape(-1, count, width)


def as_samples(inputs, network, what: str) -> np.ndarray:
    """Return ``inputs`` as `as_rows` does for a function, ``what``, that needs samples; raise ValueError for None."""
    rows = as_rows(inputs, network)
    if rows is None:
        raise ValueError(f"inputs is None; {what} needs the samples, an array such as (samples, n_0).")
    return rows


def as_signal_loss(loss, network) -> "str | np.ndarray":
    """Return ``loss`` checked: a name, or the gradient by the output, float64 (positions, n_L).

    Raises ValueError for an unknown name, or a gradient of another shape.
    """
    width, count = network.nodes[network.top].width, network.position_count
    given = None if isinstance(loss, str) else as_array(loss, "loss")
    if given is None or count == 1 or given.ndim < 2:
        found = as_loss(loss, width)
        return found if isinstance(found, str) else np.broadcast_to(found, (count, width))
    shape = position_shape(network)
    if given.shape != (*shape, width):
        raise ValueError(f"loss has shape {given.shape}; a given gradient has ({width},), or {(*shape, width)}.")
    return np.stack([as_loss(row, width) for row in given.reshape(count, width)])
