"""One file of HTML on one's own network or model: predictions, measurements, verdicts, figures, their derivation.

It needs no network and no script; what shows it in colours for day and night is look.css.
"""

from dataclasses import fields
from typing import Any

from numpy.typing import ArrayLike

from ..audits import Audit
from ..checks import quote
from ..network import Network
from .asked import Asked
from .audit import of_audit
from .network import of_network
from .written import Report


def report(
    what: Network | Audit,
    inputs: ArrayLike | None = None,
    *,
    loss: str | ArrayLike = "linear",
    backward: bool | None = None,
    pair: bool = False,
    correlation: float | None = None,
    position: int | tuple[int, ...] | None = None,
    networks: int | None = None,
    relative_error: float | None = None,
    seed: int = 0,
    method: str = "auto",
    threads: int | None = None,
    order: str | None = None,
    quantity: str | None = None,
) -> Report:
    """Return the report on a network, which is predicted and measured for it, or on an audit that is there.

    Parameters
    ----------
    what
        A `Network`, or what `varprop.pytorch.audit` returned, which takes no more arguments.
    inputs
        As in `theory.forward`.
    loss
        Of the gradient: ``"linear"``, the default, ``"half_square"`` or ``"cross_entropy"``.
    backward
        Whether gradients are in it; by default where theory knows them.
    pair, correlation
        Whether two inputs are in it, and their correlation, 0.5 by default; False by default.
    position
        Of a network with positions, this one alone.
    networks, relative_error, seed, method, threads
        As in `simulate.forward`; 100,000 networks and seed 0 by default.
    order
        As in `theory.forward`.
    quantity
        What is compared beside the main quantity of each record; the logarithm by default, which tells of the typical
        network.

    Returns
    -------
    Report
        ``report.save(path)`` writes it; a notebook shows it.

    Raises
    ------
    TypeError, ValueError
        For what is neither, and as theory and simulation do.
    """
    asked = {"loss": loss, "backward": backward, "pair": pair, "correlation": correlation, "position": position}
    drawn = {"networks": networks, "relative_error": relative_error, "seed": seed, "method": method}
    options: dict[str, Any] = {**asked, **drawn, "threads": threads, "order": order, "quantity": quantity}
    if isinstance(what, Audit):
        given = {"inputs": inputs, **options}
        other = next((f.name for f in fields(Asked)[1:] if given[f.name] is not f.default), None)
        if other is not None:
            raise TypeError(f"an audit is measured already; leave out {other}.")
        return of_audit(what)
    if not isinstance(what, Network):
        raise TypeError(f"report is of {quote(what)}; give a varprop.Network or an audit.")
    return of_network(what, inputs, **options)


__all__ = ["Report", "of_audit", "of_network", "report"]
