"""Records with functions of one's own in files: their names stand there, and a reader gives them back."""

import json

import numpy as np
import pytest
from evidence import needs_compiler
from own_laws import laplace, sparse
from test_merging import bits

import varprop
from varprop import Network, archive, custom_activation, custom_weights, simulate
from varprop.activations import Activation, activation
from varprop.checks import quote
from varprop.initializers import initializer
from varprop.layers import Dense, Gate, Residual
from varprop.own_files import Given, Named, Written
from varprop.own_weights import OwnDistribution

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

Z = [-5.3, -2.1, -0.7, -0.2, 0.0, 0.3, 0.9, 1.7, 4.1]
U = [1e-6, 0.01, 0.137, 0.31, 0.46, 0.62, 0.77, 0.93, 0.999]


def test_functions_are_written_by_name_with_what_they_give_in_nine_places():
    written, law = Written(), LAW.distribution
    for _ in range(2):
        assert written.name(WAVE) == {"own": "wave"}
        assert written.name(law) == {"own": "sparse"}
    assert written.functions == {"wave": WAVE, "sparse": law}
    assert written.entries == {
        "wave": {"kind": "activation", "phi": [*map(np.sin, Z)], "dphi": [*map(np.cos, Z)]},
        "sparse": {"kind": "weight law", "quantile": [float(law.quantile(np.array([u]))[0]) for u in U]},
    }
    assert all(type(x) is float for x in written.entries["wave"]["phi"])
    other = custom_activation(np.tanh, name="wave")
    with pytest.raises(TypeError) as caught:
        written.name(other)
    assert str(caught.value) == "two functions of your own are called 'wave'; give each a name=."
    assert Named().name(other) == {"own": "wave"}
    steep = custom_activation(lambda z: np.where(z > 4, np.inf, z), name="steep")
    written.name(steep)
    assert written.entries["steep"] == {"kind": "activation", "phi": [*Z[:-1], None], "dphi": None}


def entries(**changes):
    """Return what a file says of a wave and a law, changed."""
    written = Written()
    written.name(WAVE)
    written.name(LAW.distribution)
    return {name: {**entry, **changes.get(name, {})} for name, entry in written.entries.items()}


GIVEN = {"wave": WAVE, "sparse": LAW}


def test_functions_that_are_given_are_known_again():
    for given in (GIVEN, {**GIVEN, "sparse": LAW.distribution, "more": 3}):
        found = Given(given, entries())
        assert found.get({"own": "wave"}, Activation) is WAVE
        assert found.get({"own": "sparse"}, OwnDistribution) is LAW.distribution
    assert Given(None, {})._found == {}
    near = [x * (1 + 1e-10) for x in map(np.sin, Z)]
    assert Given(GIVEN, entries(wave={"phi": near}))
    one = custom_activation(lambda z: np.sin(z) + 1e-13 * (z == 0), name="wave")
    assert Given({"wave": one}, {"wave": {**entries()["wave"], "dphi": None}})
    steep = custom_activation(lambda z: np.where(z > 4, np.inf, z), name="steep")
    file = {"steep": {"kind": "activation", "phi": [*Z[:-1], None], "dphi": None}}
    assert Given({"steep": steep}, file)
    file["steep"]["phi"][0] = None
    assert said({"steep": steep}, file) == "the activation given as 'steep' is not the file's: it has another phi."


def test_what_stands_for_no_function_is_one_error():
    found = Given(GIVEN, entries())
    for value in ({"own": "no"}, {"own": ["wave"]}, {"own": 3}, {"own": "wave", "more": 1}, {"other": "wave"}, "wave"):
        with pytest.raises(ValueError, match="none of its") as caught:
            found.get(value, Activation)
        assert str(caught.value) == f"{quote(value)} is none of its functions, which are ['sparse', 'wave']."
    with pytest.raises(ValueError, match="is none of its functions"):
        found.get({"own": "wave"}, OwnDistribution)


def said(given, file):
    with pytest.raises(ValueError, match=r"\.$") as caught:
        Given(given, file)
    return str(caught.value)


def test_functions_of_a_file_that_are_others_are_one_error():
    for file in (3, [], {"wave": 3}, {"wave": entries()["wave"], "sparse": []}):
        assert said(GIVEN, file) == f"its functions are {quote(file)}; each is what it gives, by name."
    for name, kind, maker in (("wave", "activation", "activation"), ("sparse", "weight law", "weights")):
        file = entries()
        how = f"functions={{'{name}': custom_{maker}(...)}}"
        text = f"its {kind} '{name}' is a function of the writer's own; give it, as {how}."
        assert said({n: f for n, f in GIVEN.items() if n != name}, file) == text
        assert said(None, {name: file[name]}) == text
        article = "an activation" if kind == "activation" else "a weight law"
        for other in (3, GIVEN["sparse" if name == "wave" else "wave"], initializer("he"), activation("tanh")):
            shown = quote(LAW.distribution if other is LAW else other)
            text = f"'{name}' is given as {shown}; it must be {article}, of custom_{maker}."
            assert said({**GIVEN, name: other}, file) == text
        entry = {"kind": "no"}
        text = f"its function '{name}' is {quote(entry)}; it is an activation or a weight law."
        assert said(GIVEN, {name: entry}) == text
    for part, values in (("phi", np.sin(Z)), ("dphi", np.cos(Z))):
        text = f"the activation given as 'wave' is not the file's: it has another {part}."
        far = [*values[:-1], values[-1] * (1 + 1e-8)]
        lists = [far, [*far[:-1], None], [*values[:-1]], [*values, 0.0], [True] * 9, [[x] for x in values]]
        lists += [[10**400, *values[1:]], [*map(round, values)]]
        for other in (*lists, None, "text"):
            assert said(GIVEN, entries(wave={part: other})) == text
    bare = custom_activation(np.sin, name="wave")
    text = "the activation given as 'wave' is not the file's: it has another dphi."
    assert said({**GIVEN, "wave": bare}, entries()) == text
    law = entries()["sparse"]["quantile"]
    text = "the weight law given as 'sparse' is not the file's: it has another quantile."
    assert said(GIVEN, entries(sparse={"quantile": [x + 1e-3 for x in law]})) == text


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
