"""Networks in files: what is written is read, TOML too, and each fault is one error that says where."""

import json

import pytest

from varprop import Network, VarianceScaling, leaky_relu
from varprop.layers import Dense, Dropout, Gate, LayerNorm, Residual, RMSNorm

BLOCK = Residual(LayerNorm(1e-6), Gate(16, "silu", "lecun"), Dropout(0.1), Dense(8), scale=0.5, drop=0.2)

NETWORKS = [
    Network([64] * 5, "tanh", ["lecun", "he", "glorot", "orthogonal"], bias_variance=0.1),
    Network([4, 3, 3], [leaky_relu(1 / 3), "relu"], VarianceScaling(0.3, "fan_avg", "uniform")),
    Network.sequential(8, [BLOCK] * 24, RMSNorm(), Dense(None), "relu", positions=(4, 4)),
    Network.sequential(8, Residual(Dense(4), "relu", "tanh", shortcut=[Dense(4), LayerNorm()])),
    Network.sequential(8, Residual(Dense(8), shortcut="relu"), Dense(3, VarianceScaling(3.0)), positions=5),
]


@pytest.mark.parametrize("network", NETWORKS)
def test_what_is_written_is_read(network, tmp_path):
    path = tmp_path / "network.json"
    network.save(path)
    assert Network.load(path) == network
    assert str(Network.load(str(path))) == str(network) or network.is_chain


def test_defaults_are_left_out_and_repeats_counted(tmp_path):
    NETWORKS[2].save(tmp_path / "n.json")
    found = json.loads((tmp_path / "n.json").read_text())
    assert found["positions"] == [4, 4]
    assert found["layers"][0]["repeat"] == 24
    assert set(found["layers"][0]["Residual"]) == {"branch", "scale", "drop"}
    assert found["layers"][1:] == [{"RMSNorm": {}}, {"Dense": {}}, "relu"]


def test_toml(tmp_path):
    path = tmp_path / "network.toml"
    path.write_text(
        """
width = 64
positions = 16

[[layers]]
repeat = 3
[layers.Residual]
scale = 0.5
branch = [{ LayerNorm = {} }, { Dense = { width = 256, weights = "lecun" } }, "gelu", { Dense = { width = 64 } }]

[[layers]]
repeat = 2
layers = [{ Dense = {} }, "relu"]

[[layers]]
[layers.Dense]
width = 10
weights = { scale = 3, mode = "fan_avg" }
"""
    )
    block = Residual(LayerNorm(), Dense(256, "lecun"), "gelu", Dense(64), scale=0.5)
    last = Dense(10, VarianceScaling(3, "fan_avg"))
    assert Network.load(path) == Network.sequential(64, [block] * 3, [Dense(64), "relu"] * 2, last, positions=16)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[1, 2]", r"holds \[1, 2\]"),
        ('{"layers": ["relu"]}', "no 'width'"),
        ('{"width": 4, "layers": ["relu"], "depth": 3}', "'depth'"),
        ('{"width": 4, "layers": "relu"}', "layers is 'relu'"),
        ('{"width": 4, "layers": ["reul"]}', r"layers\[0\]: .*'reul'"),
        ('{"width": 4, "layers": [{"Dense": {"widht": 3}}]}', r"layers\[0\].Dense .*'widht'"),
        ('{"width": 4, "layers": [{"Conv": {}}]}', r"layers\[0\] .*'Conv'.* there is no such layer yet"),
        ('{"width": 4, "layers": [{"Linear": {}}]}', r"layers\[0\] .*'Linear'.* did you mean Dense"),
        ('{"width": 4, "layers": [{"layernorm": {}}]}', "did you mean LayerNorm"),
        ('{"width": 4, "layers": [{"swiglu": {}}]}', "did you mean Gate"),
        ('{"width": 4, "layers": [{"relu": {}}]}', "an activation, which its name alone says: 'relu'"),
        ('{"width": 4, "layers": [{"Dense": {"weights": {"std": 1}}}]}', r"Dense.weights has the field 'std'.*scale"),
        ('{"width": 4, "layers": [{"Dense": {"weights": {"mode": "none"}}}]}', r"Dense.weights has no 'scale'"),
        ('{"width": 4, "layers": [{"Dense": {}}, {"RMSNorm": {"eps": 64}}]}', r"eps of RMSNorm is 64, .* width"),
        ('{"width": ' + "9" * 5000 + "}", "a number of thousands of digits"),
        ('{"width": 4, "layers": [{"Dense": {"width": 0}}]}', r"layers\[0\].Dense: .*0"),
        ('{"width": 4, "layers": ["relu", {"Dropout": {}}]}', r"layers\[1\].Dropout .*'p'"),
        ('{"width": 4, "layers": [{"Dense": {"width": 3}, "repeat": 0}]}', r"layers\[0\].repeat.*0"),
        (
            '{"width": 4, "layers": [{"Residual": {"branch": [{"Dense": {"weights": {"scale": -1}}}]}}]}',
            r"branch\[0\].*-1",
        ),
        ('{"width": 4, "layers": [{"Residual": {"branch": []}}]}', r"layers\[0\].Residual: .*nothing in it"),
        ('{"width": 4, "layers": [{"Residual": {"branch": [{"Dense": {"width": 3}}]}}]}', "block 1 .*4 .*3 "),
        ('{"width": 4, "layers": [3]}', r"layers\[0\] is 3"),
        ('{"width": 4,', "n.json"),
    ],
)
def test_faults(text, words, tmp_path):
    path = tmp_path / "n.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=rf"n\.json: .*{words}|{words}"):
        Network.load(path)


def test_json_is_not_written_where_toml_would_be_read(tmp_path):
    with pytest.raises(ValueError, match=r"n.toml would be read as TOML.* n.json"):
        NETWORKS[0].save(tmp_path / "n.toml")
    assert not (tmp_path / "n.toml").exists()


def test_a_function_of_ones_own_is_refused_by_name(tmp_path):
    def mine(z):
        return z * z

    with pytest.raises(TypeError, match="mine"):
        Network([4, 4, 4], mine).save(tmp_path / "n.json")
    with pytest.raises(FileNotFoundError):
        Network.load(tmp_path / "none.json")
