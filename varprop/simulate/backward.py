"""The variance of gradients per layer, measured."""

from concurrent.futures import Executor
from os import PathLike

from numpy.typing import ArrayLike

from ..network import Network
from ..records import Backward


def backward(
    network: Network,
    inputs: ArrayLike | None = None,
    *,
    loss: str | ArrayLike = "linear",
    networks: int | None = None,
    relative_error: float | None = None,
    seed: int = 0,
    first: int = 0,
    checkpoint: str | PathLike | None = None,
    method: str = "auto",
    threads: int | None = None,
    block_size: int | None = None,
    executor: Executor | None = None,
    progress: bool | None = None,
) -> Backward:
    """Return the gradients of random networks, measured, with their standard errors.

    delta^l = d loss / d z^l; delta^l = phi'(z^l) * (W^(l+1))^T delta^(l+1), with the very weights of the
    forward pass.

    Parameters
    ----------
    network, inputs
        As in `simulate.forward`.
    loss
        ``"linear"``: delta^L ~ N(0, I), independent of the network. ``"half_square"``: |z^L|^2 / 2, so
        delta^L = z^L. ``"cross_entropy"``: of softmax(z^L) with a label drawn uniformly. An array (n_L,):
        delta^L itself. The loss is one of z^L: an activation of the output layer plays no part.
    networks, relative_error, seed, first, checkpoint, threads, block_size, executor, progress
        As in `simulate.forward`; ``relative_error`` is that of the gradient's variance. Equal seeds draw
        the networks of `simulate.forward`.
    method
        ``"conditional"`` draws W^T delta given the forward pass: exact for normal and orthogonal weights,
        O(width) a layer. ``"dense"`` draws every weight, twice, for any weight law. ``"auto"`` takes the
        first where it is exact.

    Returns
    -------
    Backward
        Errors are standard errors from the spread between networks, as in `simulate.forward`.

    Notes
    -----
    relu'(0) is 0, as in PyTorch, TensorFlow and jax.nn.relu; jnp.maximum has 1/2. It matters only where
    a whole layer is dead. An activation function of one's own needs its ``dphi``.

    Raises
    ------
    TypeError, ValueError
        As `simulate.forward`, and for an unknown loss or an activation without a derivative.

    Sources
    -------
    Conditional sampling of both directions: DESIGN.md, "The mathematics".

    Examples
    --------
    >>> from varprop import Network, simulate
    >>> network = Network([64, 128, 32, 10], "relu", "he")
    >>> simulate.backward(network, networks=10_000, seed=0).gradient_variance.values.round(2)
    array([0.08, 0.32, 1.01])
    """
    from . import measure  # when it is called: kernels load numba

    arguments = {"inputs": inputs, "loss": loss}
    span = {"networks": networks, "relative_error": relative_error, "first": first, "checkpoint": checkpoint}
    options = {"threads": threads, "block_size": block_size, "executor": executor, "progress": progress}
    return measure.measure("backward", network, arguments, seed=seed, method=method, **span, **options)
