"""Results as plain values and as dataframes: every kind, whatever numbers and names are in it."""

import json
from functools import cache

import numpy as np
import pandas as pd
import pytest
from made_audit import made, truth

from varprop import Network, compare, custom_activation, custom_weights, simulate, theory
from varprop.cli.catalogue import Catalogue
from varprop.cli.weight_names import WeightNames
from varprop.exported import Exported
from varprop.grams import Grams
from varprop.law import Law, LayerLaw
from varprop.layers import Dense, Residual
from varprop.records import Forward, LayerProfile

CHAIN = Network([4, 8, 3], "relu")
GRAPH = Network.sequential(4, Residual(Dense(None), "gelu", Dense(None)), positions=4)
ODD = 'a,"b"\n\t\\ </script> \u2028 ∂ß \ud800'
DEEP = Network([16] * 100, "tanh", multiplier=1e-6)  # its signal leaves float64, its logarithm does not
PAIR = np.eye(2, 4)


def audit():
    """Return an audit whose every other place has a number that there is none of."""
    places = [{"name": f"{i} {ODD}", "signal": (1.0, np.nan, 2.0)[i % 3], "weight_gradient": np.inf} for i in range(6)]
    return made(places, weights=(truth("w" + ODD, np.nan),), kept=(ODD,))


RESULTS = {
    "forward": lambda: theory.forward(CHAIN),
    "forward of a graph": lambda: theory.forward(GRAPH),
    "forward beyond float64": lambda: theory.forward(DEEP),
    "forward drawn": lambda: simulate.forward(CHAIN, networks=50),
    "backward": lambda: theory.backward(CHAIN, loss="half_square"),
    "backward drawn": lambda: simulate.backward(GRAPH, np.ones((3, 4, 4)), networks=50),
    "pair": lambda: theory.pair(CHAIN, 0.5),
    "pair drawn": lambda: simulate.pair(CHAIN, 1 - 1e-15, networks=50),
    "precision": lambda: theory.precision(CHAIN, "float16"),
    "comparison": lambda: compare(RESULTS["forward drawn"](), RESULTS["forward"]()),
    "comparison of two networks": lambda: compare(simulate.forward(GRAPH, networks=2), theory.forward(GRAPH)),
    "law": lambda: theory.law(CHAIN),
    "law drawn": lambda: simulate.law(CHAIN, networks=50),
    "law of zeros": lambda: simulate.law(CHAIN, np.zeros(4), networks=50),
    "profile": lambda: theory.forward(GRAPH).variance,
    "moments": lambda: simulate.moments(CHAIN, networks=50)[6],
    "sample": lambda: next(simulate.sample(CHAIN, networks=3, first=70)),
    "sample of gradients": lambda: next(simulate.sample(GRAPH, networks=3, quantity="backward")),
    "sample of pairs": lambda: next(simulate.sample(CHAIN, networks=3, quantity="pair", correlation=0.5)),
    "gram": lambda: theory.gram(GRAPH, np.ones((2, 4, 4))),
    "gram drawn": lambda: simulate.gram(CHAIN, PAIR, networks=50),
    "kernel": lambda: theory.ntk(CHAIN, PAIR),
    "fixed point": lambda: theory.fixed_point("tanh", 2.0),
    "fixed point of an exploding signal": lambda: theory.fixed_point("relu", 3.0),
    "critical": lambda: theory.critical("tanh", 0.05),
    "no edge of chaos": lambda: theory.critical("relu", 0.05),
    "gains": lambda: theory.gains("tanh"),
    "gains of own": lambda: theory.gains(custom_activation(lambda z: z, name=ODD[:-1])),
    "phase diagram": lambda: theory.phase_diagram("relu", [1.0, 2.0, 3.0], [0.0, 0.1]),
    "tuning": lambda: theory.tune(Network([8] * 4, "tanh")),
    "weight law": lambda: theory.weight_law("he", 4, 4),
    "network": lambda: CHAIN.table(),
    "network that is no chain": lambda: GRAPH.table(),
    "derivation": lambda: theory.derivation(CHAIN),
    "audit": audit,
    "audit's table": lambda: audit().table(all=True),
    "weight truth": lambda: truth("w" + ODD, np.inf),
    "layers": Catalogue,
    "weight names": WeightNames,
}
RESULTS = {name: cache(make) for name, make in RESULTS.items()}
NO_FRAME = ("layers", "weight names")  # lists of the command line


def strict(text):
    """Return what JSON holds, which may have none of Python's own words for numbers."""

    def refused(word):
        raise AssertionError(f"{word} is no JSON.")

    return json.loads(text, parse_constant=refused)


def types_in(value):
    if type(value) is dict:
        return {type(key) for key in value} | {kind for v in value.values() for kind in types_in(v)}
    if type(value) is list:
        return {kind for v in value for kind in types_in(v)}
    return {type(value)}


def kinds(base):
    return {kind for own in base.__subclasses__() for kind in ({own} | kinds(own))}


def test_every_kind_of_result_is_among_these():
    tried = {type(make()) for make in RESULTS.values()}
    made_of = {kind for kind in kinds(Exported) if kind.__module__.startswith("varprop.")}
    left = {kind.__name__ for kind in made_of - tried}
    # bases; tests/test_pytorch_initialize.py; tests/test_reports.py
    assert left <= {"Tabular", "Profiled", "Record", "Sample", "Initialized", "Report"}


@pytest.mark.parametrize("name", RESULTS)
def test_plain_values_are_strict_json_and_come_back_equal(name):
    found = RESULTS[name]().to_dict()
    assert types_in(found) <= {str, int, float, bool, type(None)}
    assert strict(json.dumps(found, allow_nan=False)) == found


@pytest.mark.parametrize("name", [name for name in RESULTS if name not in NO_FRAME])
def test_a_frame_has_rows_and_goes_through_pandas(name, tmp_path):
    result = RESULTS[name]()
    frame = result.to_dataframe()
    assert isinstance(frame, pd.DataFrame)
    assert frame.columns.is_unique
    assert len(frame) == 0 if name == "no edge of chaos" else len(frame) > 0
    strict(json.dumps(frame.attrs, allow_nan=False))
    twice = pd.concat([frame, frame])
    assert len(twice) == 2 * len(frame)
    frame.to_csv(tmp_path / "frame.csv", index=False, errors="backslashreplace")
    assert pd.read_csv(tmp_path / "frame.csv").columns.tolist() == frame.columns.tolist()


@pytest.mark.parametrize(
    "name", ["forward", "forward of a graph", "forward drawn", "backward drawn", "pair", "precision"]
)
def test_a_record_is_a_row_a_place_in_columns_named_as_its_fields(name):
    record = RESULTS[name]()
    frame = record.to_dataframe()
    assert frame["place"].tolist() == list(record.names)
    for field, profile in record.profiles.items():
        if field == "input_gradient_variance":
            assert field not in frame
            continue
        np.testing.assert_array_equal(frame[field], profile.values)
        np.testing.assert_array_equal(frame[f"{field}_error"], profile.errors)
    np.testing.assert_array_equal(frame["doubtful"], record.doubtful)
    np.testing.assert_array_equal(frame["heavy_tailed"], record.heavy_tailed)
    assert frame.attrs["network"] == record.description
    assert frame.attrs["networks"] == record.networks


@pytest.mark.parametrize("name", [n for n in RESULTS if n.split()[0] in ("forward", "backward", "pair", "law", "gram")])
def test_a_records_network_is_data_that_a_file_takes(name, tmp_path):
    (tmp_path / "a.json").write_text(json.dumps(RESULTS[name]().to_dict()["network_data"]))
    assert Network.load(tmp_path / "a.json") == RESULTS[name]().network


def test_a_comparison_has_its_networks_as_data():
    found = RESULTS["comparison"]().to_dict()
    assert found["network_data"] == RESULTS["forward"]().to_dict()["network_data"]
    assert "predicted_network_data" not in found
    other = Network([4, 8, 3], "relu", "lecun")
    two = compare(simulate.forward(CHAIN, networks=50), theory.forward(other)).to_dict()
    assert two["network_data"] == found["network_data"]
    assert two["predicted_network_data"] == theory.forward(other).to_dict()["network_data"]


def test_functions_of_ones_own_are_data_by_name():
    phi = custom_activation(np.tanh, name=ODD[:-1])
    law = custom_weights(lambda u: np.sqrt(3) * (2 * u - 1), name="mine")
    found = theory.forward(Network([4, 8, 3], phi, law), order="infinite").to_dict()
    dense, own, *_ = strict(json.dumps(found))["network_data"]["layers"]
    assert dense["Dense"]["weights"]["distribution"] == {"own": "mine"}
    assert own == {"own": ODD[:-1]}


def test_what_is_asked_of_a_record_is_in_its_data():
    assert RESULTS["backward"]().to_dict()["loss"] == "half_square"
    assert RESULTS["pair"]().to_dataframe().attrs["input_correlation"] == 0.5
    assert RESULTS["precision"]().to_dataframe().attrs["dtype"] == "float16"


def test_beyond_float64_the_logarithm_stays_a_number():
    record, last = RESULTS["forward beyond float64"](), -1
    found, frame = record.to_dict(), record.to_dataframe()
    assert frame["variance"].iloc[last] == 0.0
    assert found["log_mean"]["values"][last] == frame["log_mean"].iloc[last] < -1000
    up = theory.forward(Network([16] * 200, "relu", multiplier=1e3))
    assert np.isposinf(up.to_dataframe()["variance"].iloc[last])
    assert up.to_dict()["variance"]["values"][last] is None
    assert up.to_dict()["log_mean"]["values"][last] > 1000


def test_a_comparison_keeps_both_sides_and_what_was_judged():
    comparison = RESULTS["comparison of two networks"]()
    frame = comparison.to_dataframe()
    np.testing.assert_array_equal(frame["measured"], comparison.measured.values)
    np.testing.assert_array_equal(frame["predicted_error"], comparison.predicted.errors)
    for name in ("z", "errors", "p_values", "judged_layers"):
        np.testing.assert_array_equal(frame[name], getattr(comparison, name))
    assert frame.attrs["verdict"] == comparison.verdict


def test_a_law_is_a_row_a_layer():
    law = RESULTS["law"]()
    frame, found = law.to_dataframe(), law.to_dict()
    assert frame["place"].tolist() == found["names"] == ["1", "2"]
    np.testing.assert_array_equal(frame["log_quantile_0.5"], law.log_quantile(0.5).values)
    np.testing.assert_array_equal(frame["log_quantile_0.95_error"], law.log_quantile(0.95).errors)
    assert RESULTS["law of zeros"]().to_dict()["log_quantile_0.5"] == [None, None]
    assert np.isneginf(RESULTS["law of zeros"]().to_dataframe()["log_quantile_0.5"]).all()


def test_a_law_s_histogram_counts_every_network():
    law = simulate.law(Network([4, 2, 2], "relu"), networks=1000)
    theirs = theory.law(Network([4, 2, 2], "relu")).to_dict()["histograms"]
    for layer, own, other in zip(law.layers, law.to_dict()["histograms"], theirs, strict=True):
        assert own["below"] + sum(own["counts"]) + own["above"] == 1000
        assert own["below"] >= round(1000 * layer.zero)
        assert len(own["edges"]) - 1 == len(own["counts"]) == len(own["probabilities"]) == len(own["errors"])
        assert np.subtract(own["counts"], np.multiply(own["probabilities"], 1000)) == pytest.approx(0, abs=1e-9)
        assert 20 <= len(own["counts"]) <= 50
        assert "counts" not in other
        assert other["below"] + sum(other["probabilities"]) + other["above"] == pytest.approx(1.0, abs=1e-12)
        assert 20 <= len(other["probabilities"]) <= 50
        assert max(other["errors"]) < 1e-6
        for edges in (own["edges"], other["edges"]):
            assert np.diff(edges) == pytest.approx(np.diff(edges).mean(), rel=0.5)


def test_a_law_s_histograms_are_alike_in_theory_and_simulation():
    network = Network([4, 3, 3], "tanh")
    law, predicted = simulate.law(network, networks=5000, seed=2), theory.law(network)
    for l, own in enumerate(law.to_dict()["histograms"]):
        at = [predicted.cumulative_at(edge)[l] for edge in own["edges"]]
        z = (np.diff(at) - own["probabilities"]) / own["errors"]
        assert np.abs(z).max() < 6
        assert np.abs(z + 0.1 / np.array(own["errors"])).max() > 6  # a control: shares that are 0.1 off


def test_a_sample_is_a_row_for_each_network_and_place():
    sample, frame = RESULTS["sample"](), RESULTS["sample"]().to_dataframe()
    assert frame["network"].tolist() == [70, 70, 71, 71, 72, 72]
    assert frame["place"].tolist() == ["1", "2"] * 3
    np.testing.assert_array_equal(frame["q"].to_numpy().reshape(3, 2), sample.q)
    assert sample.to_dict()["q"] == sample.q.tolist()
    gradients = RESULTS["sample of gradients"]()
    at_input = gradients.to_dataframe()["input_d"].to_numpy().reshape(3, -1)
    np.testing.assert_array_equal(at_input, np.repeat(gradients.input_d[:, None], at_input.shape[1], axis=1))


def test_a_profile_is_a_row_a_place_and_has_each_position():
    profile = RESULTS["profile"]()
    frame, found = profile.to_dataframe(), profile.to_dict()
    assert frame["place"].tolist() == found["names"] == list(profile.names)
    np.testing.assert_array_equal(frame["error"], profile.errors)
    assert found["by_position"]["values"] == profile.by_position[0].tolist()
    assert frame.attrs["origin"] == profile.origin


@pytest.mark.parametrize("name", ["gram", "gram drawn", "kernel"])
def test_products_are_long_a_row_for_each_two_signals(name):
    result = RESULTS[name]()
    frame, signals = result.to_dataframe(), result.values.shape[-1]
    names = getattr(result, "names", (None,))
    assert len(frame) == len(names) * signals**2
    values = result.values.reshape(len(names), signals, signals)
    for p, place in enumerate(names):
        own = frame if place is None else frame[frame["place"] == place]
        np.testing.assert_array_equal(own.pivot(index="i", columns="j", values="value").to_numpy(), values[p])


def test_an_odd_name_is_a_cell_and_a_text():
    frame = RESULTS["audit"]().to_dataframe()
    assert frame["place"].iloc[0] == f"0 {ODD}"
    assert frame["second_moment"].isna().tolist() == [False, True, False] * 2
    assert RESULTS["gains of own"]().to_dataframe().attrs["activation"] == ODD[:-1]
    assert strict(json.dumps(RESULTS["audit"]().to_dict()))["kept"] == [ODD]


def test_what_has_no_number_is_nan_in_a_column_of_numbers():
    frame = RESULTS["tuning"]().to_dataframe()
    assert frame["side"].tolist() == ["signal", "gradient", "both"]
    assert np.isnan(frame["growth"].iloc[2])
    assert frame["kept"].dtype == float
    gains = theory.gains(custom_activation(np.sign)).to_dataframe()  # whose slope is 0: no gain keeps the gradient
    assert np.isnan(gains.set_index("kind")["gain"]["backward"])
    assert RESULTS["phase diagram"]().to_dataframe().query("gain_squared == 3.0")["variance"].tolist() == [np.inf] * 2


def test_made_records_of_nothing_known_are_data_too():
    nothing = LayerProfile([np.nan, np.inf], [np.inf, np.nan], "a guess")
    forward = Forward(CHAIN, nothing)
    assert strict(json.dumps(forward.to_dict()))["variance"]["values"] == [None, None]
    assert forward.to_dataframe()["variance"].isna().tolist() == [True, False]
    grams = Grams(CHAIN, (ODD,), np.full((1, 1, 1), np.nan), np.full((1, 1, 1), np.inf), "a guess")
    assert strict(json.dumps(grams.to_dict()))["values"] == [[[None]]]
    layer = LayerLaw(np.array([0.0, 1.0]), np.array([0.2, 1.0]), np.zeros(2), None, np.nan)
    assert strict(json.dumps(Law(CHAIN, (layer,), "a guess").to_dict()))["zero"] == [None]
