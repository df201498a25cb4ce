"""The command line: parse, call, print. It says the same words as the package."""

import contextlib
import dis
import json
import os
import sys
import tempfile
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from . import __version__, activations, files, simulate, spelling, tables, theory
from .comparison import compare
from .inputs import as_inputs
from .network import Network, parse_widths

STATUS = {"agree": 0, "contradicted": 1, "not judged": 3}  # that `check` exits with
BAD, INTERNAL, INTERRUPTED, BROKEN_PIPE = 2, 70, 130, 141  # exit statuses, beside those of `check`

app = typer.Typer(
    help="How variance propagates through random networks: theory beside simulation.",
    epilog="Exit status: 2 bad arguments or files, 70 a fault of varprop, 130 interrupted, 141 broken pipe; see check. "
    "Ctrl-C ends a simulation within a second; while kernels compile, once for each version and machine, within some.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Widths = Annotated[str, typer.Argument(metavar="widths", help="n_0,n_1,...,n_L; 784,512*20,10 repeats a width.")]
ActivationName = Annotated[
    str,
    typer.Option("--activation", "-a", help=f"{', '.join(activations.NAMES)}; leaky_relu(0.2) sets a slope."),
]
ActivationArgument = Annotated[
    str, typer.Argument(metavar="activation", help=f"{', '.join(activations.NAMES)}; leaky_relu(0.2) sets a slope.")
]
Variance = Annotated[float, typer.Option("--variance", "-q", help="The variance of a preactivation to keep.")]
Weights = Annotated[
    str,
    typer.Option(
        "--weights",
        "-w",
        help="lecun 1/fan_in, he 2/fan_in, glorot 2/(fan_in + fan_out), unit 1; "
        "add _uniform, _truncated_normal or _orthogonal; or orthogonal.",
    ),
]
Multiplier = Annotated[float, typer.Option("--multiplier", "-m", help="Factor on the weights' variance.")]
BiasVariance = Annotated[float, typer.Option("--bias-variance", "-b", help="Variance of the biases.")]
InputFile = Annotated[
    Path | None,
    typer.Option("--inputs", help="Data, one row an input: .npy, .npz or text such as .csv. Without it, x ~ N(0, I)."),
]
Networks = Annotated[
    int | None, typer.Option("--networks", "-n", help="How many random networks to draw; 100,000 by default.")
]
RelativeError = Annotated[
    float | None,
    typer.Option("--relative-error", help="Draw until the variance has this error in each layer; --networks caps it."),
]
Backward = Annotated[bool, typer.Option("--backward", help="Gradients instead, from the output down.")]
Loss = Annotated[
    str | None, typer.Option("--loss", help="With --backward: linear (the default), half_square or cross_entropy.")
]
TwoInputs = Annotated[bool, typer.Option("--pair", help="The correlation of two inputs instead.")]
Correlation = Annotated[
    float | None,
    typer.Option(
        "--correlation", "-c", help="With --pair: of the two inputs, 0.5 by default; or give two as --inputs."
    ),
]
Seed = Annotated[int, typer.Option("--seed", "-s", help="Equal seeds give equal bits.")]
Method = Annotated[str, typer.Option("--method", help="auto, conditional or dense.")]
Threads = Annotated[int | None, typer.Option("--threads", help="Threads to use; all cores by default.")]
Order = Annotated[str | None, typer.Option("--order", help="infinite, first or exact; the best there is by default.")]
Json = Annotated[
    bool, typer.Option("--json", help="Print JSON for programs; null is a number beyond float64 or unknown.")
]


@app.command()
def predict(
    widths: Widths,
    activation: ActivationName = "relu",
    weights: Weights = "he",
    multiplier: Multiplier = 1.0,
    bias_variance: BiasVariance = 0.0,
    inputs: InputFile = None,
    backward: Backward = False,
    loss: Loss = None,
    pair: TwoInputs = False,
    correlation: Correlation = None,
    order: Order = None,
    as_json: Json = False,
):
    """Predict each layer's variance from theory."""
    network = _network(widths, activation, weights, multiplier, bias_variance)
    question = _Question(network, _data(inputs, network), backward, loss, pair, correlation)
    _print(question.ask(theory, order=order), tables.record_json, as_json)


@app.command("simulate")
def simulate_command(
    widths: Widths,
    activation: ActivationName = "relu",
    weights: Weights = "he",
    multiplier: Multiplier = 1.0,
    bias_variance: BiasVariance = 0.0,
    inputs: InputFile = None,
    backward: Backward = False,
    loss: Loss = None,
    pair: TwoInputs = False,
    correlation: Correlation = None,
    networks: Networks = None,
    relative_error: RelativeError = None,
    seed: Seed = 0,
    method: Method = "auto",
    threads: Threads = None,
    as_json: Json = False,
):
    """Measure each layer's variance on random networks."""
    network = _network(widths, activation, weights, multiplier, bias_variance)
    question = _Question(network, _data(inputs, network), backward, loss, pair, correlation)
    measured = question.measure(networks, relative_error, seed=seed, method=method, threads=threads)
    _print(measured, tables.record_json, as_json)


@app.command()
def check(
    widths: Widths,
    activation: ActivationName = "relu",
    weights: Weights = "he",
    multiplier: Multiplier = 1.0,
    bias_variance: BiasVariance = 0.0,
    inputs: InputFile = None,
    backward: Backward = False,
    loss: Loss = None,
    pair: TwoInputs = False,
    correlation: Correlation = None,
    networks: Networks = None,
    relative_error: RelativeError = None,
    seed: Seed = 0,
    method: Method = "auto",
    threads: Threads = None,
    order: Order = None,
    quantity: Annotated[
        str | None,
        typer.Option("--quantity", help="What to compare: variance, log_mean, ...; the main one by default."),
    ] = None,
    as_json: Json = False,
):
    """Hold theory against simulation; exit 0 where they agree, 1 where not, 3 where not every layer could be judged."""
    network = _network(widths, activation, weights, multiplier, bias_variance)
    question = _Question(network, _data(inputs, network), backward, loss, pair, correlation)
    predicted = question.ask(theory, order=order)
    measured = question.measure(networks, relative_error, seed=seed, method=method, threads=threads)
    comparison = compare(measured, predicted, quantity=quantity)
    _print(comparison, tables.comparison_json, as_json)
    raise typer.Exit(STATUS[comparison.verdict])


@app.command()
def law(
    widths: Widths,
    activation: ActivationName = "relu",
    weights: Weights = "he",
    multiplier: Multiplier = 1.0,
    bias_variance: BiasVariance = 0.0,
    inputs: InputFile = None,
    networks: Annotated[int | None, typer.Option("--networks", "-n", help="Measure it on so many networks.")] = None,
    seed: Seed = 0,
    as_json: Json = False,
):
    """Print how q̂, the mean of z² in a layer, is distributed between networks."""
    network = _network(widths, activation, weights, multiplier, bias_variance)
    data = _data(inputs, network)
    found = theory.law(network, data) if networks is None else simulate.law(network, data, networks=networks, seed=seed)
    _print(found, tables.law_json, as_json)


@app.command()
def precision(
    widths: Widths,
    dtype: Annotated[str, typer.Option("--dtype", "-d", help=", ".join(theory.FORMATS))],
    activation: ActivationName = "relu",
    weights: Weights = "he",
    multiplier: Multiplier = 1.0,
    bias_variance: BiasVariance = 0.0,
    inputs: InputFile = None,
    backward: Backward = False,
    loss: Loss = None,
    as_json: Json = False,
):
    """Print how likely a number format over- or underflows in each layer."""
    network = _network(widths, activation, weights, multiplier, bias_variance)
    question = _Question(network, _data(inputs, network), backward, loss, pair=False, correlation=None)
    source = question.ask(theory) if backward else network
    found = theory.precision(source, dtype, None if backward else question.data)
    _print(found, tables.record_json, as_json)


@app.command()
def gain(activation: ActivationArgument, variance: Variance = 1.0, as_json: Json = False):
    """Print the gains that keep the signal, the gradient, or both, and PyTorch's beside them."""
    found = theory.gains(activation, variance)
    _print_answer(found, as_json, torch_note=found.torch_note)


@app.command("fixed-point")
def fixed_point(
    activation: ActivationArgument,
    gain_squared: Annotated[float, typer.Option("--gain-squared", "-g", help="fan_in Var(W): 2 for he, 1 for lecun.")],
    bias_variance: BiasVariance = 0.0,
    start: Annotated[float, typer.Option("--start", help="Variance of the first preactivation.")] = 1.0,
    as_json: Json = False,
):
    """Print where variance and correlation settle with depth, and how fast."""
    found = theory.fixed_point(activation, gain_squared, bias_variance, start=start)
    _print_answer(found, as_json, signal=found.signal)


@app.command()
def critical(activation: ActivationArgument, bias_variance: BiasVariance = 0.0, as_json: Json = False):
    """Print the edge of chaos: where gradients neither vanish nor explode."""
    _print_answer(theory.critical(activation, bias_variance), as_json)


@app.callback(invoke_without_command=True)
def _version(
    context: typer.Context, version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False
):
    if version:
        print(f"varprop {__version__}")
        raise typer.Exit


def _network(widths: str, activation: str, weights: str, multiplier: float, bias_variance: float) -> Network:
    return Network(parse_widths(widths), activation, weights, multiplier=multiplier, bias_variance=bias_variance)


@dataclass(frozen=True)
class _Question:
    """What is asked of a network: its signal, its gradient, or two inputs; of theory and of simulation alike."""

    network: Network
    data: np.ndarray | None
    backward: bool
    loss: str | None
    pair: bool
    correlation: float | None

    def __post_init__(self):
        if self.backward and self.pair:
            raise ValueError("--backward and --pair are two questions; ask one at a time.")
        for name, needed in (("loss", "backward"), ("correlation", "pair")):
            if getattr(self, name) is not None and not getattr(self, needed):
                raise ValueError(f"--{name} says something about --{needed}; give that too.")

    def ask(self, side, **options):
        """Return the record of ``side``, which is `theory` or `simulate`."""
        if self.backward:
            return side.backward(self.network, self.data, loss=self.loss or "linear", **options)
        if not self.pair:
            return side.forward(self.network, self.data, **options)
        correlation = 0.5 if self.correlation is None and self.data is None else self.correlation
        return side.pair(self.network, correlation, inputs=self.data, **options)

    def measure(self, networks: int | None, relative_error: float | None, **options):
        """Return the record of `simulate`, of 100,000 networks if nobody says how many."""
        if relative_error is not None:
            if self.pair:
                raise ValueError("--relative-error is for variances; with --pair give --networks.")
            options["relative_error"] = relative_error
        elif networks is None:
            networks = 100_000
        return self.ask(simulate, networks=networks, **options)


def _data(path: Path | None, network: Network) -> np.ndarray | None:
    """Return the rows of a file, checked here so that what is wrong with them names the file."""
    if path is None:
        return None
    rows = files.read_rows(path, _say)
    try:
        as_inputs(rows, network.widths[0])
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path}: {error}") from None
    return rows


def _print(result, as_plain, as_json: bool) -> None:
    """Print a result as a table, or what ``as_plain`` makes of it as JSON."""
    print(json.dumps(as_plain(result)) if as_json else tables.text(result, sys.stdout.encoding), flush=True)


def _print_answer(answer, as_json: bool, **more) -> None:
    _print(answer, lambda answer: {**tables.plain(answer), **more}, as_json)


def _say(words: str) -> None:
    print(f"varprop: {words}", file=sys.stderr)


def main() -> None:
    """Run the command line; what goes wrong ends in a line on stderr and an exit status that means one thing."""
    for stream in (sys.stdout, sys.stderr):
        spelling.reassure(stream)
    try:
        app(prog_name="varprop")
    except BaseException as error:
        raise SystemExit(_status(error)) from None


def _status(error: BaseException) -> int:
    """Return the exit status for what ended the program, and say what there is to say."""
    chain = [error]
    while chain[-1].__context__ is not None:
        chain.append(chain[-1].__context__)
    if any(isinstance(cause, BrokenPipeError) for cause in chain):
        with contextlib.suppress(OSError, ValueError):  # or Python says so as it ends
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    if any(isinstance(cause, KeyboardInterrupt) for cause in chain):
        return INTERRUPTED
    if isinstance(error, SystemExit):
        return error.code or 0
    if isinstance(error, MemoryError):
        _say(f"not enough memory: {error or 'the network is too large'}.")
        return BAD
    if isinstance(error, OSError) or _is_about_arguments(error):
        _say(getattr(error, "strerror", None) or str(error))
        return BAD
    _say(f"internal error, {type(error).__name__}: {error}")
    _say(f"This is a fault of varprop, not yours. Please report it with {_report(error)}.")
    return INTERNAL


def _is_about_arguments(error: BaseException) -> bool:
    """Return whether varprop itself raised this ValueError or TypeError: it does so for what it was given alone.

    One that Python, NumPy or SciPy raised is a fault of varprop, which should have checked.
    """
    if not isinstance(error, (ValueError, TypeError)):
        return False
    last = error.__traceback__
    while last.tb_next is not None:
        last = last.tb_next
    code = last.tb_frame.f_code.co_code
    ours = last.tb_frame.f_globals.get("__name__", "").partition(".")[0] == __package__
    return ours and dis.opname[code[last.tb_lasti]] == "RAISE_VARARGS"


def _report(error: BaseException) -> str:
    """Return the name of a new file that holds the command and the traceback, or the traceback itself."""
    text = "".join([f"varprop {__version__}: {sys.argv}\n", *traceback.format_exception(error)])
    try:
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", errors="replace", prefix="varprop-", suffix=".txt", delete=False
        ) as file:
            file.write(text)
    except OSError:
        return f"this:\n{text}"
    return file.name
