"""The commands: each calls a function of the package of its name, and prints what that returns."""

from pathlib import Path
from typing import Annotated

import typer

from .. import __version__, simulate, theory
from ..comparison import compare
from ..theory.tune import FACTOR
from . import options as given
from .catalogue import Catalogue
from .cluster import cluster
from .question import Question, at_place, drawn, read_data, read_network, read_samples, two_fans
from .words import say, show

STATUS = {"agree": 0, "contradicted": 1, "not judged": 3}  # that `check` exits with
FINDING = 4  # that `audit` exits with where something is wrong with the model

app = typer.Typer(
    help="How variance propagates through random networks: theory beside simulation.",
    epilog="Exit status: 2 bad arguments or files, 69 a cluster that is lost or does not answer, 70 a fault of "
    "varprop, 130 interrupted, 141 broken pipe; see check and audit. "
    "Ctrl-C ends a simulation within a second; while kernels compile, within some.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.command()
def predict(
    network: given.Described,
    activation: given.ActivationName = None,
    weights: given.Weights = None,
    multiplier: given.Multiplier = None,
    bias_variance: given.BiasVariance = None,
    inputs: given.InputFile = None,
    backward: given.Backward = False,
    loss: given.Loss = None,
    pair: given.TwoInputs = False,
    correlation: given.Correlation = None,
    position: given.Position = None,
    moments: given.Moments = None,
    order: given.Order = None,
    as_json: given.Json = False,
):
    """Predict each layer's variance from theory."""
    net = _network(network, activation, weights, multiplier, bias_variance)
    question = Question(net, read_data(inputs, net), backward, loss, pair, correlation, position, moments)
    show(question.ask(theory, order=order), as_json)


@app.command("simulate")
def simulate_command(
    network: given.Described,
    activation: given.ActivationName = None,
    weights: given.Weights = None,
    multiplier: given.Multiplier = None,
    bias_variance: given.BiasVariance = None,
    inputs: given.InputFile = None,
    backward: given.Backward = False,
    loss: given.Loss = None,
    pair: given.TwoInputs = False,
    correlation: given.Correlation = None,
    position: given.Position = None,
    moments: given.Moments = None,
    networks: given.Networks = None,
    relative_error: given.RelativeError = None,
    seed: given.Seed = 0,
    method: given.Method = "auto",
    threads: given.Threads = None,
    checkpoint: given.CheckpointFile = None,
    dask: given.Dask = None,
    as_json: given.Json = False,
):
    """Measure each layer's variance on random networks."""
    net = _network(network, activation, weights, multiplier, bias_variance)
    question = Question(net, read_data(inputs, net), backward, loss, pair, correlation, position, moments)
    options = {"seed": seed, "method": method, "threads": threads, "checkpoint": checkpoint}
    measured = _measured(question, dask, networks, relative_error, **options)
    show(measured, as_json)


@app.command()
def check(
    network: given.Described,
    activation: given.ActivationName = None,
    weights: given.Weights = None,
    multiplier: given.Multiplier = None,
    bias_variance: given.BiasVariance = None,
    inputs: given.InputFile = None,
    backward: given.Backward = False,
    loss: given.Loss = None,
    pair: given.TwoInputs = False,
    correlation: given.Correlation = None,
    position: given.Position = None,
    moments: given.Moments = None,
    networks: given.Networks = None,
    relative_error: given.RelativeError = None,
    seed: given.Seed = 0,
    method: given.Method = "auto",
    threads: given.Threads = None,
    checkpoint: given.CheckpointFile = None,
    dask: given.Dask = None,
    order: given.Order = None,
    quantity: given.Quantity = None,
    as_json: given.Json = False,
):
    """Hold theory against simulation; exit 0 where they agree, 1 where not, 3 where not every layer could be judged."""
    net = _network(network, activation, weights, multiplier, bias_variance)
    question = Question(net, read_data(inputs, net), backward, loss, pair, correlation, position, moments)
    predicted = question.ask(theory, order=order)
    options = {"seed": seed, "method": method, "threads": threads, "checkpoint": checkpoint}
    measured = _measured(question, dask, networks, relative_error, **options)
    comparison = compare(measured, predicted, quantity=quantity)
    show(comparison, as_json)
    raise typer.Exit(STATUS[comparison.verdict])


@app.command()
def report(
    network: given.Described,
    activation: given.ActivationName = None,
    weights: given.Weights = None,
    multiplier: given.Multiplier = None,
    bias_variance: given.BiasVariance = None,
    inputs: given.InputFile = None,
    backward: given.Gradients = None,
    loss: given.LossOfReport = None,
    pair: given.TwoInputsToo = False,
    correlation: given.Correlation = None,
    position: given.Position = None,
    networks: given.Networks = None,
    relative_error: given.RelativeError = None,
    seed: given.Seed = 0,
    method: given.Method = "auto",
    threads: given.Threads = None,
    order: given.Order = None,
    quantity: given.Quantity = None,
    output: given.Output = None,
    as_json: given.Json = False,
):
    """Write one HTML file on a network: theory, simulation, verdicts, figures, and how the numbers come about."""
    from .reported import network_report  # which loads what draws

    net = _network(network, activation, weights, multiplier, bias_variance)
    asked = {"backward": backward, "loss": loss, "pair": pair, "correlation": correlation, "position": position}
    drawn_as = {"networks": networks, "relative_error": relative_error, "seed": seed, "method": method}
    more = {"threads": threads, "order": order, "quantity": quantity}
    show(network_report(" ".join(network), net, read_data(inputs, net), output, **asked, **drawn_as, **more), as_json)


@app.command()
def law(
    network: given.Described,
    activation: given.ActivationName = None,
    weights: given.Weights = None,
    multiplier: given.Multiplier = None,
    bias_variance: given.BiasVariance = None,
    inputs: given.InputFile = None,
    networks: given.Measured = None,
    seed: given.DrawnSeed = None,
    as_json: given.Json = False,
):
    """Print how q̂, the mean of z² in a layer, is distributed between networks; of chains alone."""
    net = _network(network, activation, weights, multiplier, bias_variance)
    data = read_data(inputs, net)
    options = drawn(networks, seed=seed)
    found = theory.law(net, data) if options is None else simulate.law(net, data, **options)
    show(found, as_json)


@app.command()
def precision(
    network: given.Described,
    dtype: given.Dtype,
    activation: given.ActivationName = None,
    weights: given.Weights = None,
    multiplier: given.Multiplier = None,
    bias_variance: given.BiasVariance = None,
    inputs: given.InputFile = None,
    backward: given.Backward = False,
    loss: given.Loss = None,
    as_json: given.Json = False,
):
    """Print how likely a number format over- or underflows in each layer; of chains alone."""
    net = _network(network, activation, weights, multiplier, bias_variance)
    question = Question(net, read_data(inputs, net), backward, loss)
    source = question.ask(theory) if backward else net
    found = theory.precision(source, dtype, None if backward else question.data)
    show(found, as_json)


@app.command()
def gram(
    network: given.Described,
    inputs: given.Samples,
    activation: given.ActivationName = None,
    weights: given.Weights = None,
    multiplier: given.Multiplier = None,
    bias_variance: given.BiasVariance = None,
    backward: given.Backward = False,
    place: given.Place = None,
    networks: given.Measured = None,
    seed: given.DrawnSeed = None,
    method: given.DrawnMethod = None,
    threads: given.Threads = None,
    as_json: given.Json = False,
):
    """Print E z z' between all samples and positions in every place; one network sees them side by side."""
    net = _network(network, activation, weights, multiplier, bias_variance)
    data = read_data(inputs, net)
    options = drawn(networks, seed=seed, method=method, threads=threads)
    side, options = (theory, {}) if options is None else (simulate, options)
    found = side.gram(net, data, backward=backward, **options)
    show(found if place is None else at_place(found, place), as_json)


@app.command()
def nngp(
    network: given.Described,
    inputs: given.Samples,
    activation: given.ActivationName = None,
    weights: given.Weights = None,
    multiplier: given.Multiplier = None,
    bias_variance: given.BiasVariance = None,
    as_json: given.Json = False,
):
    """Print the kernel of a wide network's outputs f, E f f', between all samples and positions."""
    net = _network(network, activation, weights, multiplier, bias_variance)
    show(theory.nngp(net, read_samples(inputs, net)), as_json)


@app.command()
def ntk(
    network: given.Described,
    inputs: given.Samples,
    activation: given.ActivationName = None,
    weights: given.Weights = None,
    multiplier: given.Multiplier = None,
    bias_variance: given.BiasVariance = None,
    as_json: given.Json = False,
):
    """Print the neural tangent kernel of a wide network between all samples and positions."""
    net = _network(network, activation, weights, multiplier, bias_variance)
    show(theory.ntk(net, read_samples(inputs, net)), as_json)


@app.command()
def gain(activation: given.ActivationArgument, variance: given.Variance = 1.0, as_json: given.Json = False):
    """Print the gains that keep the signal, the gradient, or both, and PyTorch's beside them."""
    found = theory.gains(activation, variance)
    show(found, as_json)


@app.command("fixed-point")
def fixed_point(
    activation: given.ActivationArgument,
    gain_squared: given.GainSquared,
    bias_variance: given.Bias = 0.0,
    start: given.Start = 1.0,
    as_json: given.Json = False,
):
    """Print where variance and correlation settle with depth, and how fast."""
    found = theory.fixed_point(activation, gain_squared, bias_variance, start=start)
    show(found, as_json)


@app.command()
def critical(activation: given.ActivationArgument, bias_variance: given.Bias = 0.0, as_json: given.Json = False):
    """Print the edge of chaos: where gradients neither vanish nor explode."""
    show(theory.critical(activation, bias_variance), as_json)


@app.command()
def audit(
    factory: given.Factory,
    inputs: given.Batch,
    networks: given.Drawn = 20,
    seed: given.Seed = 0,
    modules: given.Modules = None,
    unfold: given.All = False,
    plot: given.Plot = None,
    report: given.ReportFile = None,
    as_json: given.Json = False,
):
    """Measure what a PyTorch model does to signal and gradient, module by module; exit 0 healthy, 4 with findings.

    Naming a factory runs its code, with all that its module imports: audit models that you trust.
    """
    from .model import audit_model  # no one else's, who starts sooner without

    found = audit_model(factory, inputs, plot, report, networks=networks, seed=seed, modules=modules or None)
    show(found.table(all=unfold), as_json)
    if not found.healthy:
        raise typer.Exit(FINDING)


@app.command()
def tune(
    network: given.Described,
    activation: given.ActivationName = None,
    weights: given.Weights = None,
    multiplier: given.Multiplier = None,
    bias_variance: given.BiasVariance = None,
    inputs: given.InputFile = None,
    factor: given.Factor = FACTOR,
    order: given.Order = "infinite",
    as_json: given.Json = False,
):
    """Print the multipliers on every Var(W) that keep signal, gradient, or both, and the range that nearly does."""
    net = _network(network, activation, weights, multiplier, bias_variance)
    show(theory.tune(net, read_data(inputs, net), factor=factor, order=order), as_json)


@app.command("weights")
def weights_command(name: given.WeightName = None, fans: given.Fans = "256,256", as_json: given.Json = False):
    """Print what a weight law gives: variance, gain², kurtosis and biases; without a name, all names there are."""
    if name is None:
        from .weight_names import WeightNames

        show(WeightNames(), as_json)
    else:
        show(theory.weight_law(name, *two_fans(fans)), as_json)


@app.command("layers")
def layers_command(as_json: given.Json = False):
    """List what networks in files, and Network.sequential, are made of: layers, their fields and what they do."""
    show(Catalogue(), as_json)


@app.command("page")
def page_command(output: given.PageFile = Path("varprop.html")):
    """Write a page that teaches: sliders, theory and random networks, live, in one HTML file that needs no network."""
    from ..page import write  # no one else's

    say(f"wrote {write(output)}; open it in a browser.")


@app.callback(invoke_without_command=True)
def _version(
    context: typer.Context, version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False
):
    if version:
        print(f"varprop {__version__}")
        raise typer.Exit


def _measured(question: Question, dask: str | None, networks, relative_error, **options):
    """Return what is measured, on a Dask cluster where one is named."""
    with cluster(dask) as executor:
        return question.measure(networks, relative_error, executor=executor, **options)


def _network(words: list[str], activation, weights, multiplier, bias_variance):
    terms = {"activation": activation, "weights": weights, "multiplier": multiplier, "bias_variance": bias_variance}
    return read_network(" ".join(words), **terms)
