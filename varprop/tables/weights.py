"""What a weight law gives, as a table."""

from .numbers import number


def weight_law_parts(found) -> list:
    """Return a `theory.WeightLaw` as a table."""
    rows = [
        ["distribution", found.distribution.replace("_", " ")],
        ["Var(W)", number(found.variance)],
        ["standard deviation", number(found.deviation)],
        ["gain², fan_in Var(W)", number(found.gain_squared)],
        ["excess kurtosis", number(found.excess_kurtosis)],
        ["largest |W|", "∞" if found.largest == float("inf") else number(found.largest)],
        ["bias variance", number(found.bias_variance)],
    ]
    title = f"{found.name}: {found.law}" if found.name != found.law else found.law
    table = ["", f"fan_in {found.fan_in}, fan_out {found.fan_out}"], rows
    return [title, table, *["Networks here have normal biases of this variance."] * (found.bias_variance > 0)]
