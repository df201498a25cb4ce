"""Records with functions of one's own in files: their names stand there, and a reader gives them back."""

import json

import numpy as np
import pytest
from evidence import needs_compiler
from own_laws import laplace, sparse
from test_merging import bits

import varprop
from varprop import Network, archive, custom_activation, custom_weights, simulate
from varprop.layers import Dense, Gate, Residual

LAW = custom_weights(sparse(0.25), 2.0)
WAVE = custom_activation(np.sin, np.cos, name="wave", kinks=[0.5])
NETWORKS = (
    pytest.param(Network([3, 8, 2], "relu", LAW), {"sparse": LAW}, marks=pytest.mark.slow),
    pytest.param(Network([3, 8, 2], WAVE), {"wave": WAVE}, marks=pytest.mark.slow),
    (
        Network.sequential(3, Dense(4, LAW), Residual(Dense(4), WAVE, Dense(4, LAW)), Gate(2, WAVE), WAVE, positions=2),
        {"wave": WAVE, "sparse": LAW},
    ),
)


@needs_compiler
@pytest.mark.parametrize(("network", "functions"), NETWORKS)
def test_what_is_read_goes_on_to_the_same_bits(tmp_path, network, functions):
    path, given = tmp_path / "a", {"seed": 3, "moments": 4}
    whole = simulate.forward(network, networks=500, **given)
    simulate.forward(network, networks=192, **given).save(path)
    found = varprop.load(path, functions=functions)
    assert found.network == network
    assert bits(varprop.extend(found, 308)) == bits(whole)
    rest = simulate.forward(network, networks=308, first=192, **given)
    assert bits(varprop.merge(found, rest)) == bits(whole)
    found.save(tmp_path / "b")
    assert path.read_bytes() == (tmp_path / "b").read_bytes()
    kept = tmp_path / "c"
    simulate.forward(network, networks=192, checkpoint=kept, **given)
    assert bits(simulate.forward(network, networks=500, checkpoint=kept, **given)) == bits(whole)
    assert bits(varprop.load(kept, functions={**functions, "unused": LAW})) == bits(whole)


@needs_compiler
def test_what_is_not_the_function_of_the_file_is_one_error(tmp_path):
    path = tmp_path / "a"
    simulate.forward(Network([3, 8, 2], WAVE, LAW), networks=64).save(path)
    right = {"wave": WAVE, "sparse": LAW}
    for change, kind, words in (
        (
            {"sparse": None},
            ValueError,
            r"its weight law 'sparse' is a function of the writer's own; give it, as functions=",
        ),
        ({"wave": None}, ValueError, r"{'wave': custom_activation\(...\)}"),
        (
            {"sparse": custom_weights(sparse(0.3))},
            ValueError,
            "given as 'sparse' is not the file's: it has another quantile",
        ),
        ({"wave": custom_activation(np.sin)}, ValueError, "'wave' is not the file's: it has another dphi"),
        ({"wave": custom_activation(np.tanh, lambda z: 1 - np.tanh(z) ** 2)}, ValueError, "another phi"),
        ({"wave": LAW}, ValueError, "'wave' is given as .* it must be an activation, of custom_activation"),
        ({"sparse": laplace}, ValueError, "it must be a weight law, of custom_weights"),
        ({"wave": varprop.activations.activation("tanh")}, ValueError, "it must be an activation"),
    ):
        given = {name: f for name, f in {**right, **change}.items() if f is not None}
        with pytest.raises(kind, match=words) as caught:
            varprop.load(path, functions=given)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)
    with pytest.raises(TypeError, match="functions is 3; give a dict"):
        varprop.load(path, functions=3)
    with pytest.raises(TypeError, match="a function of your own, which a file cannot hold"):
        Network([3, 8, 2], WAVE).save(tmp_path / "b.json")


@needs_compiler
def test_hostile_functions_are_one_error(tmp_path):
    path, other = tmp_path / "a", tmp_path / "b"
    simulate.forward(Network([3, 8, 2], "relu", LAW), networks=64).save(path)
    header, arrays = archive.read(path, lambda header, claims: None)
    entry = header["functions"]["sparse"]
    for functions in (
        3,
        [],
        {"sparse": 3},
        {},
        {"sparse": {}},
        {"sparse": {"kind": ["weight law"]}},
        {"sparse": {**entry, "kind": "activation"}},
        {"sparse": {**entry, "quantile": "text"}},
        {"sparse": {**entry, "quantile": [[1.0]] * 9}},
        {"sparse": {**entry, "quantile": [True] * 9}},
        {"sparse": {**entry, "quantile": [1e999] * 0}},
        {"other": entry},
        {"other": entry, "sparse": entry},
    ):
        archive.write(other, json.loads(json.dumps({**header, "functions": functions})), arrays)
        with pytest.raises(ValueError, match=r"/b[ :]") as caught:
            varprop.load(other, functions={"sparse": LAW})
        assert "\n" not in str(caught.value)
    for distribution in ({"own": 3}, {"own": ["sparse"]}, {"own": "sparse", "more": 1}, {"own": "no"}):
        text = json.dumps(header).replace(json.dumps({"own": "sparse"}), json.dumps(distribution))
        archive.write(other, json.loads(text), arrays)
        with pytest.raises(ValueError, match=r"/b[ :]"):
            varprop.load(other, functions={"sparse": LAW})
