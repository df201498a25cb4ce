"""Moments of z up to the eighth: exact ones of linear and ReLU chains, and networks drawn by hand."""

import dataclasses
import itertools
import math

import numpy as np
import pytest
from drawn_graph import Drawn
from evidence import Estimate, assert_agree, assert_rejected, fresh_seed, needs_compiler, score
from own_laws import laplace
from reference import batched_weights

import varprop
from varprop import Network, compare, custom_weights, simulate, theory
from varprop.layers import Dense, LayerNorm, Residual
from varprop.quantities import MOMENTS
from varprop.tails import JUDGED

GAUSSIAN = {4: 3, 6: 15, 8: 105}


def unit_moment(j, phi):
    """E phi(Z)^2j of one unit."""
    return math.prod(range(1, 2 * j, 2)) * (0.5 if phi == "relu" and j else 1.0)


def power_of_sum(n, k, phi):
    """E (sum over n units of phi(Z)^2)^k, unit by unit."""
    found = [1.0] + [0.0] * k
    for _ in range(n):
        found = [sum(math.comb(m, j) * found[m - j] * unit_moment(j, phi) for j in range(m + 1)) for m in range(k + 1)]
    return found[k]


def exact(widths, phi, scale, k):
    """E Q^k in each layer without biases: a product over layers."""
    found = [power_of_sum(widths[0], k, "linear") * (scale / widths[0]) ** k]
    for n in widths[1:-1]:
        found.append(found[-1] * power_of_sum(n, k, phi) * (scale / n) ** k)
    return np.array(found)


def z_scores(record, wanted, most=np.inf):
    """Return the z-scores of its moments, by power, where they are no more skewed than ``most``.

    ``wanted`` are values and errors.
    """
    found = []
    for power, (value, error) in wanted.items():
        profile = record.profiles[MOMENTS[power]]
        judged = np.abs(profile.skewness).max(axis=0) <= most
        found.append(score(profile, Estimate(value, error))[judged])
    return np.concatenate(found)


def means_of_units(zs):
    """Return by power mean and standard error of z^power, from z of each layer, (networks, ..., units)."""
    found = {}
    for power in GAUSSIAN:
        own = np.stack([(z**power).reshape(len(z), -1).mean(axis=1) for z in zs])
        found[power] = own.mean(axis=1), own.std(axis=1) / math.sqrt(own.shape[1])
    return found


def scaled_up(wanted):
    return {power: (value * 1.3 ** (power // 2), error) for power, (value, error) in wanted.items()}


@needs_compiler
@pytest.mark.parametrize("method", ["conditional", "dense"])
@pytest.mark.parametrize(("phi", "weights", "scale"), [("linear", "lecun", 1.0), ("relu", "he", 2.0)])
def test_chains_have_their_exact_moments(phi, weights, scale, method):
    widths = (64, 64, 96, 16)
    network = Network(widths, phi, weights)
    count = 20_000 if method == "conditional" else 2_000
    found = simulate.forward(network, networks=count, seed=fresh_seed(), moments=8, method=method)
    wanted = {power: (GAUSSIAN[power] * exact(widths, phi, scale, power // 2), 0.0) for power in GAUSSIAN}
    z = z_scores(found, wanted, JUDGED)
    assert len(z) >= 3
    assert_agree(z)
    assert_rejected(z_scores(found, scaled_up(wanted)))


@needs_compiler
def test_one_input_has_gaussian_moments_in_the_first_layer():
    network, x = Network([3, 8, 4], "tanh", "lecun", bias_variance=0.2), np.array([0.5, -1.0, 2.0])
    q = x @ x / 3 + 0.2
    found = simulate.forward(network, x, networks=1_000, moments=8)
    for power, name in MOMENTS.items():
        profile = found.profiles[name]
        assert profile.values[0] == pytest.approx(GAUSSIAN[power] * q ** (power // 2), rel=1e-6)
        assert profile.errors[0] < 1e-6 * profile.values[0]
        assert profile.errors[1] > 0


@needs_compiler
@pytest.mark.parametrize(
    ("weights", "method"),
    [
        ("lecun", "conditional"),
        pytest.param("lecun", "dense", marks=pytest.mark.slow),
        ("lecun_uniform", "auto"),
        ("lecun_orthogonal", "conditional"),
        pytest.param("lecun_orthogonal", "dense", marks=pytest.mark.slow),
        (custom_weights(laplace), "auto"),
    ],
    ids=str,
)
def test_any_weights_with_biases_as_networks_drawn_by_hand(weights, method):
    rng, count, widths = np.random.default_rng(fresh_seed()), 20_000, (3, 8, 6)
    network = Network(widths, "tanh", weights, bias_variance=0.2)
    a, zs = rng.normal(size=(count, 3)), []
    for layer, (fan_in, fan_out) in zip(network.layers, itertools.pairwise(widths), strict=True):
        if isinstance(weights, str):
            w = batched_weights(rng, count, layer)
        else:
            w = rng.laplace(size=(count, fan_out, fan_in)) / math.sqrt(2 * fan_in)
        z = np.einsum("noi,ni->no", w, a) + rng.normal(size=(count, fan_out)) * math.sqrt(0.2)
        zs.append(z)
        a = np.tanh(z)
    wanted = means_of_units(zs)
    found = simulate.forward(network, networks=count, seed=fresh_seed(), moments=8, method=method)
    assert_agree(z_scores(found, wanted))
    assert_rejected(z_scores(found, scaled_up(wanted)))


@needs_compiler
@pytest.mark.parametrize(
    ("positions", "method"),
    [
        pytest.param(1, "conditional", marks=pytest.mark.slow),
        pytest.param(1, "dense", marks=pytest.mark.slow),
        (3, "conditional"),
        pytest.param(3, "dense", marks=pytest.mark.slow),
    ],
)
def test_graphs_as_networks_drawn_by_hand(positions, method):
    rng, count = np.random.default_rng(fresh_seed()), 10_000
    network = Network.sequential(
        4,
        Residual(LayerNorm(), Dense(4, "he", bias_variance=0.1), "gelu", Dense(4)),
        "relu",
        Dense(5),
        positions=positions,
    )
    drawn = Drawn(rng, network, rng.normal(size=(count, positions, 4)))
    found = simulate.forward(network, networks=count, seed=fresh_seed(), moments=8, method=method)
    wanted = means_of_units([drawn.z[name] for name in found.names])
    assert_agree(z_scores(found, wanted))
    assert_rejected(z_scores(found, scaled_up(wanted)))
    if positions > 1:
        one = found.at(1)
        assert_agree(z_scores(one, means_of_units([drawn.z[name][:, 1] for name in found.names])))
        whole = np.mean([found.at(p).sixth_moment.values for p in range(3)], axis=0)
        np.testing.assert_allclose(found.sixth_moment.values, whole, rtol=1e-10)


@needs_compiler
def test_the_rest_of_the_record_is_the_same_to_the_bit():
    graph = Network.sequential(4, Dense(4), "relu", LayerNorm(), Dense(3), positions=2)
    for network, method in ((Network([8] * 4), "conditional"), (Network([8] * 4), "dense"), (graph, "auto")):
        plain = simulate.forward(network, networks=300, method=method)
        record = simulate.forward(network, networks=300, method=method, moments=6)
        assert set(record.profiles) - set(plain.profiles) == {"fourth_moment", "sixth_moment"}
        for name, profile in plain.profiles.items():
            for field in ("values", "errors", "skewness"):
                np.testing.assert_array_equal(getattr(profile, field), getattr(record.profiles[name], field))
        eighth = simulate.forward(network, networks=300, method=method, moments=8, threads=1, block_size=64)
        for field in ("values", "errors"):
            np.testing.assert_array_equal(getattr(record.sixth_moment, field), getattr(eighth.sixth_moment, field))


@needs_compiler
def test_nothing_overflows_before_the_number_itself_does():
    for widths in ([64] * 101, [256] * 101):
        record = simulate.forward(Network(widths, "relu", "he", multiplier=4.0), networks=500, moments=8)
        logs = np.log(record.eighth_moment.values)
        assert np.isfinite(logs).all()
        assert np.isfinite(record.eighth_moment.errors).all()
        assert logs[-1] > 90 * math.log(4.0**4)
    few = simulate.forward(Network([64] * 201, "relu", "he", multiplier=4.0), networks=500, moments=8)
    assert few.eighth_moment.values[-1] == math.inf
    assert np.isfinite(few.variance.values).all()
    faint = simulate.forward(Network([64] * 201, "relu", "he", multiplier=0.25), networks=500, moments=8)
    assert faint.eighth_moment.values[-1] == 0
    assert faint.eighth_moment.values[50] > 0


@needs_compiler
def test_tables_data_and_files_have_them(tmp_path):
    network = Network([8] * 4, "relu", "he")
    record = simulate.forward(network, networks=300, moments=8, seed=3)
    for symbol in ("E[z⁴]", "E[z⁶]", "E[z⁸]"):
        assert symbol in str(record)
    assert "Errors of E[z⁸] may be too small in" in str(record)
    one = simulate.forward(Network([8, 4], "relu", "he"), np.ones(8), networks=64, moments=8)
    assert "may be too small" not in str(one)
    data = record.to_dict()
    assert data["eighth_moment"]["values"] == record.eighth_moment.values.tolist()
    assert data["run"]["arguments"] == {"inputs": None, "moments": 8}
    assert {"sixth_moment", "sixth_moment_error"} <= set(record._columns())  # of its dataframe; pandas is slow
    record.save(tmp_path / "record")
    again = varprop.load(tmp_path / "record")
    for field in dataclasses.fields(record.eighth_moment):
        if isinstance(getattr(record.eighth_moment, field.name), np.ndarray):
            np.testing.assert_array_equal(
                getattr(again.eighth_moment, field.name), getattr(record.eighth_moment, field.name)
            )
    with pytest.raises(ValueError, match="moments None, not 8"):
        varprop.merge(again, simulate.forward(network, networks=64, first=320, seed=3))
    with pytest.raises(ValueError, match="moments 8, not None"):
        varprop.merge(simulate.forward(network, networks=320, seed=3), record)


@needs_compiler
def test_the_function_of_that_name_has_them_by_power():
    network, x = Network([8] * 4, "relu", "he_uniform"), np.arange(8.0)
    record = simulate.forward(network, x, networks=300, seed=2, moments=8)
    for given, powers in (({}, [4, 6, 8]), ({"highest": 6}, [4, 6]), ({"highest": 4}, [4])):
        found = simulate.moments(network, x, networks=300, seed=2, **given)
        assert list(found) == powers
        for power in powers:
            np.testing.assert_array_equal(found[power].values, record.profiles[MOMENTS[power]].values)


@pytest.mark.parametrize(
    ("given", "kind", "words"),
    [
        ({"moments": 10}, ValueError, "moments is 10"),
        ({"moments": 5}, ValueError, "moments is 5; give 4, 6 or 8"),
        ({"moments": "8"}, TypeError, "moments is '8'"),
        ({"moments": True}, TypeError, "moments is True"),
    ],
)
def test_wrong_arguments_are_one_error(given, kind, words):
    for network in (Network([8] * 3), Network.sequential(8, LayerNorm(), Dense(8))):
        with pytest.raises(kind, match=words):
            simulate.forward(network, networks=10, **given)
    for wrong, said in ((10, "it must be from 4 to 8"), (5, "give 4, 6 or 8, up to which moment of z.")):
        with pytest.raises(ValueError, match=f"^highest is {wrong}; {said}"):
            simulate.moments(Network([8] * 3), networks=10, highest=wrong)


@pytest.mark.parametrize(
    ("network", "inputs"),
    [
        (Network([16, 24, 8, 6], ["relu", "linear", "tanh"], "he"), None),
        (Network([4, 24, 8, 6], "leaky_relu(0.3)", "he", bias_variance=0.3), None),
        (Network([4, 24, 8, 6], "relu", "he_orthogonal"), [[1.0, 2.0, 0.0, 1.0], [0.0, 0.0, 0.0, 0.0]]),
    ],
    ids=str,
)
@needs_compiler
def test_theory_and_simulation_agree(network, inputs):
    predicted = theory.forward(network, inputs, moments=8)
    measured = simulate.forward(network, inputs, networks=20_000, seed=fresh_seed(), moments=8)
    wrong = theory.forward(network, inputs if inputs is None else np.multiply(1.1, inputs), moments=8)
    for name in MOMENTS.values():
        assert predicted.profiles[name].origin == "exact"
        assert compare(measured, predicted, quantity=name).verdict != "contradicted"
        if inputs is not None:
            assert compare(measured, wrong, quantity=name).verdict == "contradicted"
    fourth = predicted.kurtosis.values * predicted.variance.values**2
    np.testing.assert_allclose(predicted.fourth_moment.values, fourth, rtol=1e-12)


@pytest.mark.parametrize(("phi", "weights", "scale"), [("linear", "lecun", 1.0), ("relu", "he", 2.0)])
def test_exact_moments_are_those_of_a_product_over_layers(phi, weights, scale):
    widths = (64, 63, 96, 16)
    found = theory.forward(Network(widths, phi, weights), moments=8)
    for power, name in MOMENTS.items():
        wanted = GAUSSIAN[power] * exact(widths, phi, scale, power // 2)
        np.testing.assert_allclose(found.profiles[name].values, wanted, rtol=1e-12)
        assert (found.profiles[name].errors < 1e-11 * wanted).all()
        assert (np.abs(found.profiles[name].values - wanted) <= found.profiles[name].errors).all()


def test_elsewhere_theory_knows_the_fourth_from_the_kurtosis():
    graph = Network.sequential(4, LayerNorm(), Dense(6), "relu", Dense(3), positions=2)
    for network in (Network([8] * 4, "tanh"), graph, Network([8] * 4, "relu", "he_uniform")):
        found = theory.forward(network, moments=8)
        assert found.sixth_moment is None
        at = found.at(0) if network is graph else found
        wanted = at.kurtosis.values * at.variance.values**2
        np.testing.assert_allclose(at.fourth_moment.values, wanted, rtol=1e-12)
        assert found.fourth_moment.origin == found.kurtosis.origin
    deep = theory.forward(Network([2] * 6, "tanh", "he"), moments=4)
    assert deep.kurtosis.doubtful.any()
    assert (deep.fourth_moment.doubtful >= deep.kurtosis.doubtful).all()
    with pytest.raises(ValueError, match="moments is 5"):
        theory.forward(graph, moments=5)


@needs_compiler
def test_networks_that_were_fed_equal_rows_are_not_sure_of_their_errors():
    network, rows = Network([2, 4], "relu", "he"), np.array([[1.0, 0.0]] * 9 + [[9.0, 0.0]])
    predicted = theory.forward(network, rows, moments=8)
    verdicts = set()
    for seed in range(12):
        measured = simulate.forward(network, rows, networks=3, seed=seed, moments=8)
        verdicts.add(compare(measured, predicted, quantity="eighth_moment").verdict)
    assert "contradicted" not in verdicts
    nearly = np.stack([1 + 1e-11 * np.arange(1000.0), np.zeros(1000)], axis=1)  # the last is of another length
    for scale in (1e4, 1e-4, 0.0):
        few = simulate.forward(network, np.vstack([scale * nearly, [[9.0, 0.0]]]), networks=4, moments=8)
        assert few.skewed("eighth_moment").all()
    network = Network([2, 4], "relu", "he", bias_variance=0.1)
    angles = np.arange(20.0)
    for rows in (1e4 * np.stack([np.cos(angles), np.sin(angles)], axis=1), np.zeros((2, 2))):
        alike = simulate.forward(network, rows, networks=3, moments=8)  # of one length, but for the last digits
        assert not alike.skewed("eighth_moment").any()
        assert compare(alike, theory.forward(network, rows, moments=8), quantity="eighth_moment").agrees
