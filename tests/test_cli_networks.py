"""The command line takes networks from files, and says by path what is wrong with them."""

import json

import numpy as np
import pytest
from evidence import needs_compiler
from test_cli import run

from varprop import Network, theory
from varprop.layers import LAYERS, Dense, LayerNorm, Residual

GRAPH = Network.sequential(
    8, [Residual(LayerNorm(), Dense(16), "gelu", Dense(8))] * 2, Dense(3, "lecun"), positions=(2, 3)
)
CHAIN = Network([8, 16, 4], "tanh", "lecun", bias_variance=0.1)


@pytest.fixture
def call(capsys, monkeypatch, tmp_path):
    """Return a function that runs the command line where the networks lie in files."""
    monkeypatch.chdir(tmp_path)
    GRAPH.save("graph.json")
    CHAIN.save("chain.json")
    (tmp_path / "chain.toml").write_text(
        'width = 8\nlayers = [{Dense = {width = 16, weights = "lecun", bias_variance = 0.1}}, "tanh",\n'
        ' {Dense = {width = 4, weights = "lecun", bias_variance = 0.1}}]\n'
    )
    return lambda *words: run(capsys, monkeypatch, *words)


def found(call, *words):
    status, out, err = call(*words, "--json")
    assert (status, err) == (0, "")
    return json.loads(out)


def test_a_file_says_what_widths_and_options_say(call):
    options = ("8,16,4", "-a", "tanh", "-w", "lecun", "-b", "0.1")
    for command in (["predict"], ["law"], ["precision", "-d", "float16"]):
        typed = found(call, *command, *options)
        for name in ("chain.json", "chain.toml", "./chain.json"):
            assert found(call, *command, name) == typed


def test_a_graph_names_its_places(call):
    predicted = found(call, "predict", "graph.json")
    assert predicted["names"] == [place.name for place in GRAPH.places]
    assert predicted["variance"]["values"] == theory.forward(GRAPH).variance.values.tolist()
    assert len(predicted["cosine"]["values"]) == len(GRAPH.places)
    assert found(call, "predict", "graph.json", "--backward")["names"] == predicted["names"]
    assert "block 2 / dense 1" in call("predict", "graph.json")[1]


def test_json_has_every_position(call):
    predicted = found(call, "predict", "graph.json")
    assert predicted["positions"] == [2, 3]
    record = theory.forward(GRAPH)
    for name in record.profiles:
        each = np.array(predicted[name]["by_position"]["values"], dtype=float)
        assert each.shape == (len(GRAPH.places), 2, 3)
        np.testing.assert_array_equal(each[:, 1, 2], record.at((1, 2)).profiles[name].values)
    at = found(call, "predict", "graph.json", "--position", "1,2")
    assert "positions" not in at
    assert "by_position" not in at["variance"]
    assert "positions" not in found(call, "predict", "chain.json")


def test_products_between_samples(call):
    x = np.random.default_rng().normal(size=(2, 2, 3, 8))
    np.save("x.npy", x)
    for backward in (False, True):
        words = ("gram", "graph.json", "--inputs", "x.npy", *["--backward"] * backward)
        typed, here = found(call, *words), theory.gram(GRAPH, x, backward=backward)
        assert typed["values"] == here.values.tolist()
        assert typed["errors"] == here.errors.tolist()
        assert typed["names"] == list(here.names)
        assert typed["signals"][7] == "1, 1"
        one = found(call, *words, "--place", "block 2 / dense 1")
        assert one["values"] == here.at("block 2 / dense 1").tolist()
        assert one["what"] == "place block 2 / dense 1"
    assert "block 2 / dense 1" in call("gram", "graph.json", "--inputs", "x.npy")[1]
    assert "place block 2, infinite width" in call("gram", "graph.json", "--inputs", "x.npy", "--place", "block 2")[1]


def test_kernels_of_wide_networks(call, tmp_path):
    (tmp_path / "x.csv").write_text("1, 1\n1, -1\n")
    for name, values in (("nngp", [[2, 0.6366], [0.6366, 2]]), ("ntk", [[4, 0.6366], [0.6366, 4]])):
        typed = found(call, name, "2,64,1", "--inputs", "x.csv")
        assert np.round(typed["values"], 4).tolist() == values
        assert typed["what"] == name.upper()
        assert f"{name.upper()}, infinite width" in call(name, "2,64,1", "--inputs", "x.csv")[1]
        chain = getattr(theory, name)(CHAIN, np.eye(8))
        np.save("eye.npy", np.eye(8))
        assert found(call, name, "chain.json", "--inputs", "eye.npy")["values"] == chain.values.tolist()


@pytest.mark.parametrize("command", ["gram", "nngp", "ntk"])
def test_products_need_samples(call, command):
    status, out, err = call(command, "graph.json")
    assert (status, out) == (2, "")
    assert "Missing option '--inputs'" in err


@needs_compiler
def test_products_are_measured(call):
    np.save("x.npy", np.random.default_rng().normal(size=(2, 8)))
    words = ("gram", "chain.json", "--inputs", "x.npy")
    predicted, measured = found(call, *words), found(call, *words, "-n", "4000", "-s", "3")
    assert measured["origin"] == "simulation"
    assert found(call, *words, "-n", "4000", "-s", "3", "--threads", "1") == measured
    first = [(np.array(side["values"])[0], np.array(side["errors"])[0]) for side in (predicted, measured)]
    assert np.all(np.abs(first[1][0] - first[0][0]) < 6 * first[1][1])


@needs_compiler
def test_a_graph_is_checked_and_drawn(call):
    words = ("graph.json", "-n", "300")
    status, out, _ = call("check", *words, "--json")
    assert status == 0
    assert json.loads(out)["names"] == [place.name for place in GRAPH.places]
    measured = found(call, "simulate", *words)
    assert measured["names"] == [place.name for place in GRAPH.places]
    at = [found(call, "simulate", *words, "--position", where) for where in ("5", "1,2")]
    assert at[0] == at[1]
    assert at[0]["variance"] != measured["variance"]


def test_inputs_have_positions(call):
    x = np.arange(2.0 * 6 * 8).reshape(2, 2, 3, 8) + 1
    np.save("x.npy", x)
    np.save("one.npy", x[0])
    np.save("flat.npy", x.reshape(2, 6, 8))
    predicted = found(call, "predict", "graph.json", "--inputs", "x.npy", "--position", "1,2")
    assert predicted["variance"]["values"] == theory.forward(GRAPH, x).at((1, 2)).variance.values.tolist()
    one = found(call, "predict", "graph.json", "--inputs", "one.npy")
    assert one["variance"]["values"] == theory.forward(GRAPH, x[0]).variance.values.tolist()
    status, _, err = call("predict", "graph.json", "--inputs", "flat.npy")
    assert status == 2
    assert "flat.npy: inputs have shape (2, 6, 8); this network, with 2 x 3 positions, takes (2, 3, 8)" in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("predict", "graph.json", "-a", "relu"), "graph.json says all of its network; leave out --activation"),
        (("check", "chain.json", "-m", "1", "-b", "0"), "leave out --multiplier, --bias-variance"),
        (("simulate", "chain.toml", "-w", "he"), "leave out --weights"),
        (("predict", "none.json"), "cannot read none.json: No such file"),
        (("predict", "folder.json"), "cannot read folder.json: Is a directory"),
        (("predict", "none"), "'none' is no file, nor widths"),
        (("predict", "none.yaml"), "'none.yaml' is no file, nor widths"),
        (("predict", "other.txt"), "other.txt: line 1"),
        (("predict", "bad.json"), "bad.json: line "),
        (("predict", "bad.toml"), "bad.toml: line 3"),
        (("predict", "deep.json"), "deep.json: it is nested too deeply"),
        (("predict", "twice.json"), "twice.json: it has the key 'width' twice"),
        (("predict", "latin.json"), "latin.json: it is no text in UTF-8"),
        (("predict", "many.json"), "many.json: layers[0]"),
        (("law", "graph.json"), "theory.law needs a chain of Dense layers"),
        (("law", "graph.json", "-n", "10"), "simulate.law needs a chain of Dense layers"),
        (("precision", "graph.json", "-d", "float16"), "theory.precision needs a chain of Dense layers"),
        (("precision", "graph.json", "-d", "float16", "--backward"), "theory.precision needs a chain of Dense layers"),
        (("gram", "chain.json", "--inputs", "x.csv", "--place", "3"), "--place is '3'; this network has '1', '2'."),
        (("gram", "8*40", "--inputs", "x.csv", "--place", "x"), "'6', ..., '34'"),
        (("nngp", "graph.json", "--inputs", "x.csv"), "x.csv: inputs have shape (2, 8); this network, with 2 x 3"),
        (("gram", "chain.json", "--inputs", "none.csv"), "cannot read none.csv"),
        (("gram", "chain.json", "--inputs", "x.csv", "-n", "1"), "networks is 1"),
        (("gram", "chain.json", "--inputs", "x.csv", "-n", "9", "--method", "fast"), "unknown method 'fast'"),
        (("gram", "chain.json", "--inputs", "x.csv", "--seed", "0"), "--seed says how networks are drawn; give"),
        (("gram", "chain.json", "--inputs", "x.csv", "--method", "dense"), "--method says how networks are drawn"),
        (("gram", "chain.json", "--inputs", "x.csv", "--threads", "2"), "--threads says how networks are drawn"),
        (("law", "8,8", "--seed", "3"), "--seed says how networks are drawn"),
        (("predict", "graph.json", "--pair"), "pair takes a network of one position, but this has 2 x 3"),
        (("predict", "graph.json", "--order", "first"), "order"),
        (("predict", "graph.json", "--position", "6"), "--position is 6; this network has 0 to 5"),
        (("predict", "graph.json", "--position", "1,3"), "--position is (1, 3); this network has 0 to 1 by 0 to 2"),
        (("predict", "graph.json", "--position", "-1"), "--position is '-1'"),
        (("predict", "graph.json", "--position", "first"), "--position is 'first'"),
    ],
)
def test_what_cannot_be_is_one_line_and_status_2(call, tmp_path, words, said):
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "x.csv").write_text("1,2,3,4,5,6,7,8\n" * 2)
    (tmp_path / "other.txt").write_text("hello")
    (tmp_path / "bad.json").write_text('{"width": 4,\n')
    (tmp_path / "bad.toml").write_text('width = 4\nlayers = ["relu"]\nwidth 4\n')
    (tmp_path / "deep.json").write_text("[" * 100_000)
    (tmp_path / "twice.json").write_text('{"width": 4, "width": 5, "layers": [{"Dense": {}}]}')
    (tmp_path / "latin.json").write_bytes('{"width": 4, "layers": ["é"]}'.encode("latin-1"))
    most = {"layers": [{"layers": [{"Dense": {}}], "repeat": 10**6}], "repeat": 10**6}
    (tmp_path / "many.json").write_text(json.dumps({"width": 4, "layers": [most]}))
    status, out, err = call(*words)
    assert (status, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1


def test_layers_are_listed(call, tmp_path):
    status, out, _ = call("layers")
    assert status == 0
    assert "LayerNorm(eps=1e-05)" in out
    listed = found(call, "layers")
    assert set(listed["layers"]) == set(LAYERS)
    assert listed["layers"]["Dropout"]["fields"] == {"p": {}}
    assert listed["layers"]["Dense"]["fields"]["weights"] == {"default": "he"}
    assert "gelu" in listed["activations"]
    shown = out[out.index('{"width"') :]
    (tmp_path / "shown.json").write_text(shown)
    assert "block 24" in call("predict", "shown.json")[1]
