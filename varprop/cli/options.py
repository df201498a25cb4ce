"""The arguments and options of the commands: their names, letters and help."""

from functools import partial
from pathlib import Path
from typing import Annotated

from typer import Argument, BadParameter, Option

from .. import activations, theory

_NAMES = f"{', '.join(activations.NAMES)}; leaky_relu(0.2) sets a slope"


def _number(text: str):
    """Return the number that ``text`` is, else the text itself, of which the package says what is wrong."""
    for kind in (int, float):
        try:
            number = kind(text)
        except ValueError:
            continue
        return int(number) if number == number // 1 and abs(number) < 2**53 else number  # 1e5 networks
    return text


def _path(text: str | Path) -> Path:
    """Return the path of a file. Raises BadParameter for the empty name that an unset variable of a shell leaves."""
    if not text:
        raise BadParameter("'' names no file; name one, or leave the option out.")
    return Path(text)


_file = partial(Option, parser=_path, metavar="PATH")
_real = partial(Option, parser=_number, metavar="FLOAT")
_whole = partial(Option, parser=_number, metavar="INTEGER")

Described = Annotated[  # words, since people type a space behind a comma
    list[str],
    Argument(
        metavar="network",
        help="Widths n_0,n_1,...,n_L, where '784,512*20,10' repeats one (in quotes: some shells look for files of that "
        "name); or a .json or .toml file (see: varprop layers).",
    ),
]
ActivationName = Annotated[
    str | None, Option("--activation", "-a", help=f"Behind hidden layers, relu by default: {_NAMES}.")
]
ActivationArgument = Annotated[str, Argument(metavar="activation", help=f"{_NAMES}.")]
Variance = Annotated[float, _real("--variance", "-q", help="The variance of a preactivation to keep.")]
Weights = Annotated[
    str | None,
    Option(
        "--weights",
        "-w",
        help="he by default: lecun 1/fan_in, he 2/fan_in, glorot 2/(fan_in + fan_out), unit 1; "
        "add _uniform, _truncated_normal or _orthogonal; or orthogonal; or a framework's, as torch:linear "
        "(see: varprop weights).",
    ),
]
Multiplier = Annotated[float | None, _real("--multiplier", "-m", help="Factor on the weights' variance; 1 by default.")]
BiasVariance = Annotated[
    float | None,
    _real("--bias-variance", "-b", help="Variance of the biases; the weights' own by default, mostly 0."),
]
Bias = Annotated[float, _real("--bias-variance", "-b", help="Variance of the biases.")]
InputFile = Annotated[
    Path | None,
    _file(
        "--inputs",
        help="Data, one row an input: .npy, .npz or text such as .csv; for P positions of n numbers an array (P, n) "
        "or (samples, P, n). Without it, x ~ N(0, I).",
    ),
]
Samples = Annotated[
    Path,
    _file(
        "--inputs",
        help="The samples, one row each: .npy, .npz or text such as .csv; for P positions of n numbers an array (P, n) "
        "or (samples, P, n).",
    ),
]
Place = Annotated[
    str | None, Option("--place", help="This one alone, as a matrix: a layer's number or a name such as 'block 2'.")
]
Position = Annotated[
    str | None, Option("--position", help="Of a network with positions: this one alone, from 0 on, such as 3 or 3,5.")
]
Moments = Annotated[
    int | None, _whole("--moments", help="4, 6 or 8: E[z^4], E[z^6] and E[z^8] too, up to this; of theory as it knows.")
]
Networks = Annotated[
    int | None, _whole("--networks", "-n", help="How many random networks to draw; 100,000 by default.")
]
Measured = Annotated[int | None, _whole("--networks", "-n", help="Measure it on so many random networks.")]
RelativeError = Annotated[
    float | None,
    _real("--relative-error", help="Draw until the variance has this error in each layer; --networks caps it."),
]
Backward = Annotated[bool, Option("--backward", help="Gradients instead, from the output down.")]
Loss = Annotated[
    str | None, Option("--loss", help="With --backward: linear (the default), half_square or cross_entropy.")
]
TwoInputs = Annotated[bool, Option("--pair", help="The correlation of two inputs instead.")]
Correlation = Annotated[
    float | None,
    _real("--correlation", "-c", help="With --pair: of the two inputs, 0.5 by default; or give two as --inputs."),
]
Seed = Annotated[int, _whole("--seed", "-s", help="Equal seeds give equal bits.")]
Method = Annotated[str, Option("--method", help="auto, conditional or dense.")]
DrawnSeed = Annotated[int | None, _whole("--seed", "-s", help="With --networks: equal seeds give equal bits. [0]")]
DrawnMethod = Annotated[str | None, Option("--method", help="With --networks: auto, conditional or dense. [auto]")]
Threads = Annotated[int | None, _whole("--threads", help="Threads to use; all cores by default.")]
CheckpointFile = Annotated[
    Path | None,
    _file("--checkpoint", help="Write what is known into this file as it goes; asked again, it goes on from there."),
]
Dask = Annotated[
    str | None, Option("--dask", metavar="ADDRESS", help="Draw on the Dask cluster of this scheduler: tcp://host:8786.")
]
Order = Annotated[str | None, Option("--order", help="infinite, first or exact; the best there is by default.")]
Quantity = Annotated[
    str | None, Option("--quantity", help="What to compare: variance, log_mean, ...; the main one by default.")
]
Dtype = Annotated[str, Option("--dtype", "-d", help=", ".join(theory.FORMATS))]
WeightName = Annotated[
    str | None, Argument(metavar="name", help="he, torch:linear, 'keras:random_normal(stddev=0.1)', ...")
]
Fans = Annotated[str, Option("--fans", help="fan_in,fan_out of the layer, such as 784,256.")]
Factor = Annotated[float, _real("--factor", help="By how much signal and gradient may change over the depth.")]
GainSquared = Annotated[float, _real("--gain-squared", "-g", help="fan_in Var(W): 2 for he, 1 for lecun.")]
Start = Annotated[float, _real("--start", help="Variance of the first preactivation.")]
Factory = Annotated[
    str,
    Argument(
        metavar="factory",
        help="package.module:name of a function or class that makes a fresh model, in this folder or installed. "
        "Its code is run.",
    ),
]
Batch = Annotated[
    Path,
    _file(
        "--inputs",
        help="A batch: .npy, .npz or text such as .csv; any other file is one of torch.save that holds tensors, or a "
        "tuple or dict of them. No pickles are loaded.",
    ),
]
Drawn = Annotated[int, _whole("--networks", "-n", help="How many networks to draw; 1 takes the model as it stands.")]
Modules = Annotated[
    list[str] | None, Option("--modules", help="Keep modules of these paths alone, such as 'encoder.*'; repeat it.")
]
All = Annotated[bool, Option("--all", help="A row for every module; else blocks that are alike are folded into one.")]
Plot = Annotated[Path | None, _file("--plot", help="Draw signal and gradient into this .svg, .png or .pdf file.")]
Gradients = Annotated[
    bool | None,
    Option(
        "--backward/--no-backward", help="With gradients, or without; with them by default, where theory knows them."
    ),
]
LossOfReport = Annotated[
    str | None, Option("--loss", help="Of the gradient: linear (the default), half_square or cross_entropy.")
]
TwoInputsToo = Annotated[bool, Option("--pair", help="The correlation of two inputs too.")]
Output = Annotated[
    Path | None, _file("--output", help="The .html file to write; by default named after the network, in this folder.")
]
ReportFile = Annotated[Path | None, _file("--report", help="Write a report into this .html file too.")]
PageFile = Annotated[Path, _file("--output", help="The file to write; it must be new.")]
Json = Annotated[bool, Option("--json", help="Print JSON for programs; null is a number beyond float64 or unknown.")]
