"""Write the README's table: the lecture's rules, and what they leave of signal and gradient over many layers.

Theory at width 256, beside the line of NumPy that draws the weights W, shape (m, n), from n inputs to m neurons.
"""

from pathlib import Path

from report import write_between_marks

from varprop import Network, theory

README = Path(__file__).resolve().parent.parent / "README.md"
DEPTHS, WIDTH = (10, 30, 100), 256
RULES = (  # the lecture's rule, NumPy's line, the name here, activation, weights, multiplier
    ("1", "np.random.randn(m, n)", "unit", "relu", "unit", 1),
    ("1/n, for tanh", "np.random.randn(m, n) * np.sqrt(1/n)", "lecun", "tanh", "lecun", 1),
    ("1/n", "the same", "lecun", "relu", "lecun", 1),
    ("2/n, for ReLU", "np.random.randn(m, n) * np.sqrt(2/n)", "he", "relu", "he", 1),
    ("2/n", "the same", "he", "tanh", "he", 1),
    ("2/(n+m)", "np.random.randn(m, n) * np.sqrt(2/(n+m))", "glorot", "tanh", "glorot", 1),
    ("k × 2/n, k = 0.9", "W *= np.sqrt(k)", "-m 0.9", "relu", "he", 0.9),
)
WORDS = {"relu": "ReLU", "tanh": "tanh"}


def row(rule, numpy, name, activation, weights, multiplier, depths=DEPTHS) -> str:
    """Return one line of the table."""
    networks = [Network([WIDTH] * (depth + 1), activation, weights, multiplier=multiplier) for depth in depths]
    signal = [theory.forward(network).variance[-1] for network in networks]
    gradient = [theory.backward(network).gradient_variance[0] for network in networks]
    numpy = numpy if numpy == "the same" else f"`{numpy}`"
    return f"| {rule} | {numpy} | `{name}` | {WORDS[activation]} | {_three(signal)} | {_three(gradient)} |"


def partly(depths=DEPTHS) -> str:
    """Return the line of the typical network under He's rule: half of all networks have less than the median."""
    laws = [theory.law(Network([WIDTH] * (depth + 1), "relu", "he")) for depth in depths]
    return f"| only partly solves it: the median | | `he` | ReLU | {_three([l.median[-1] for l in laws])} | |"


def _three(values) -> str:
    return ", ".join(f"{value:.2g}" for value in values)


def table() -> str:
    """Return the table in Markdown."""
    lines = ["| Var(w) | in NumPy | here | φ | signal | gradient |", "|---|---|---|---|---|---|"]
    return "\n".join([*lines, *(row(*rule) for rule in RULES), partly()])


def main() -> None:
    print(table())
    write_between_marks(README, "lecture", table())


if __name__ == "__main__":
    main()
