"""What records hold, a row a quantity: how it is written, drawn, judged and doubted."""

from typing import NamedTuple

from . import checks

MOMENTS = {4: "fourth_moment", 6: "sixth_moment", 8: "eighth_moment"}  # of z, by power, where they are asked for


class Quantity(NamedTuple):
    """One quantity.

    Attributes
    ----------
    symbol
        What tables and axes call it.
    symbol_of_gradients
        The same in a gradient's record, where d-hat stands for q-hat; None where it is no other.
    is_size
        Whether it may be tiny, so that its rounding is relative; the others are of order one, or squares of it.
    logarithmic
        Whether it is drawn on a logarithmic axis.
    doubt_beyond
        What first order may leave out of it, relatively (of logarithms absolutely), before it is doubtful: little of
        means over networks; how networks differ it only knows roughly.
    """

    symbol: str
    symbol_of_gradients: str | None = None
    is_size: bool = False
    logarithmic: bool = False
    doubt_beyond: float = 0.1


def _mean_square(symbol: str) -> Quantity:
    return Quantity(symbol, is_size=True, logarithmic=True, doubt_beyond=0.02)


QUANTITIES = {
    "variance": _mean_square("E[z²]"),
    "second_moment": _mean_square("E[a²]"),
    "activation_mean": Quantity("E[a]", is_size=True, doubt_beyond=0.02),
    "fluctuation": Quantity("fluctuation"),
    "kurtosis": Quantity("kurtosis"),
    "fourth_moment": _mean_square("E[z⁴]"),
    "sixth_moment": _mean_square("E[z⁶]"),
    "eighth_moment": _mean_square("E[z⁸]"),
    "log_mean": Quantity("E[ln q̂]", "E[ln d̂]"),
    "log_variance": Quantity("Var[ln q̂]", "Var[ln d̂]"),
    "dead": Quantity("P(dead)", is_size=True),
    "gradient_variance": _mean_square("E[δ²]"),
    "weight_gradient_variance": _mean_square("E[(∂ℓ/∂W)²]"),
    "input_gradient_variance": _mean_square("E[(∂ℓ/∂x)²]"),
    "correlation": Quantity("correlation", doubt_beyond=0.02),
    "cosine": Quantity("E[cos]", doubt_beyond=0.02),
    "cosine_variance": Quantity("Var[cos]", doubt_beyond=0.02),
    "overflow": Quantity("P(overflow)"),
    "underflow": Quantity("P(all underflow)"),
    "unit_underflow": Quantity("P(one underflows)"),
    "unit_subnormal": Quantity("P(one below normal)"),
}


def highest_moment(value, name: str = "moments") -> int:
    """Return up to which moment of z is measured, checked; errors call it by ``name``."""
    value = checks.whole(value, name, 4, 8)
    if value not in MOMENTS:
        raise ValueError(f"{name} is {value}; give 4, 6 or 8, up to which moment of z.")
    return value


def moments_up_to(highest: int | None) -> dict[int, str]:
    """Return the names of these moments' profiles by their power; none where nobody asks."""
    return {power: name for power, name in MOMENTS.items() if power <= (highest or 0)}
