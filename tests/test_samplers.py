"""Networks as the arrays that kernels read, with stand-ins for the kernels."""

import re
from types import SimpleNamespace

import numpy as np
import own_laws
import pytest

from varprop import Activation, Network, VarianceScaling, custom_activation, custom_weights, leaky_relu
from varprop.activations import NAMES, activation
from varprop.initializers import DISTRIBUTIONS
from varprop.inputs import LOSSES, as_inputs
from varprop.kernels.gradient import GIVEN
from varprop.simulate import samplers


def cube(z):
    return z * z * z


def slope(z):
    return 3 * z * z


def test_a_table_has_a_row_a_layer():
    acts = ["relu", leaky_relu(0.2), "tanh", "gelu", "sigmoid", custom_activation(cube, slope)]
    laws = ["he", "lecun_uniform", "orthogonal", "lecun_truncated_normal", "glorot", VarianceScaling(3, "none")]
    network = Network([2, 3, 4, 5, 6, 7, 8], acts, laws, bias_variance=[0.0, 0.1, 0.2, 0.3, 0.4, 0.5])
    own = network.layers[-1].activation
    table = samplers.layer_table(network, {own.phi: -5, own.dphi: -7})
    np.testing.assert_array_equal(table.fan_in, [2, 3, 4, 5, 6, 7])
    np.testing.assert_array_equal(table.fan_out, [3, 4, 5, 6, 7, 8])
    np.testing.assert_allclose(table.weight_variance, [1.0, 1 / 3, 1 / 5, 1 / 5, 2 / 13, 3.0])
    np.testing.assert_allclose(table.bias_variance, [0.0, 0.1, 0.2, 0.3, 0.4, 0.5])
    np.testing.assert_allclose(table.slope, [a.slope for a in map(activation, acts[:-1])] + [own.slope])
    np.testing.assert_array_equal(table.code[:-1], [activation(a).code for a in acts[:-1]])
    np.testing.assert_array_equal(table.derivative[:-1], table.code[:-1])
    assert (table.code[-1], table.derivative[-1]) == (-5, -7)
    names = ["normal", "uniform", "orthogonal", "truncated_normal", "normal", "normal"]
    np.testing.assert_array_equal(table.distribution, [DISTRIBUTIONS.index(n) for n in names])
    np.testing.assert_array_equal(table.orthogonal, [False, False, True, False, False, False])
    np.testing.assert_array_equal(table.homogeneous, [True, True, False, False, False, False])
    np.testing.assert_array_equal(table.vanishes, [True, True, True, True, False, True])
    np.testing.assert_array_equal(table.unbounded, [True, True, False, True, False, True])
    for address in ("phi", "dphi", "lift", "lift_back", "powers"):
        np.testing.assert_array_equal(table[address], 0)
    assert table.dtype.names == samplers.LAYER_DTYPE.names
    assert table.dtype.isalignedstruct


def test_slopes_of_ones_own_function_serve_theory_alone():
    own = Activation("thrice", lambda z: 3 * z, lambda z: np.full_like(z, 3.0), slopes=(3.0, 3.0))
    assert own.slopes is not None
    table = samplers.layer_table(Network([2, 3], [own]), {})
    assert not table.homogeneous[0]
    linear = samplers.layer_table(Network([2] * (len(NAMES) + 1), list(NAMES)), {})
    assert linear.homogeneous[NAMES.index("linear")]
    assert not linear.homogeneous[NAMES.index("erf")]


@pytest.mark.parametrize(
    ("weights", "method", "chosen"),
    [
        ("he", "auto", "conditional"),
        ("he", "conditional", "conditional"),
        ("he", "dense", "dense"),
        ("orthogonal", "auto", "conditional"),
        ("orthogonal", "conditional", "conditional"),
        ("he_uniform", "auto", "dense"),
        ("he_uniform", "dense", "dense"),
        (["he", "he_truncated_normal"], "auto", "dense"),
        (["he", "orthogonal"], "auto", "conditional"),
    ],
)
def test_a_method_is_chosen_by_the_weights(weights, method, chosen):
    assert samplers.choose_method(Network([3, 4, 5], "relu", weights), method) == chosen


def test_a_method_that_the_weights_do_not_allow():
    network = Network([2, 3, 4, 5], "relu", ["he_uniform", "he_truncated_normal", "he_uniform"])
    with pytest.raises(ValueError, match="method") as caught:
        samplers.choose_method(network, "conditional")
    assert str(caught.value) == (
        "method 'conditional' needs normal or orthogonal weights, and this network has truncated_normal and uniform "
        "ones; use method='dense', or 'auto' to have it chosen."
    )
    with pytest.raises(ValueError, match=r"^unknown method 'sparse'; choose one of auto, conditional, dense"):
        samplers.choose_method(network, "sparse")
    with pytest.raises(ValueError, match=r"^unknown method 'dens'.*did you mean dense"):
        samplers.choose_method(network, "dens")
    with pytest.raises(ValueError, match=r"^unknown method 'full'.*did you mean dense"):
        samplers.choose_method(network, "full")


@pytest.mark.parametrize(
    ("widths", "method", "fits"),
    [
        ([2**34 - 4, 1], "conditional", True),  # four numbers a draw, and 32 bits to count draws
        ([2**34, 1], "conditional", False),
        ([1, 2**34 - 4], "conditional", True),
        ([1, 2**34 - 3], "conditional", False),
        ([2**17 - 4, 2**17], "dense", False),
        ([2**17 - 4, 2**17 - 4], "dense", True),
        ([8, 2**33], "dense", False),
    ],
)
def test_draws_are_counted_in_32_bits(widths, method, fits):
    network = Network(widths, "relu")
    if fits:
        assert samplers.choose_method(network, method) == method
        return
    said = f"a layer of {widths[1]} × {widths[0]} is too wide to be drawn, {method}."
    with pytest.raises(ValueError, match=f"^{re.escape(said)}$"):
        samplers.choose_method(network, method)


def test_draws_of_one_network():
    network = Network([3, 5, 4], "relu", ["he", "orthogonal"])
    assert samplers.draws_per_network(network, "conditional") == 12
    assert samplers.draws_per_network(network, "dense") == 15 + 20 * 4
    assert samplers.draws_per_network(Network([3, 5, 4], "relu", "he"), "dense") == 15 + 20


def at(address):
    """A stand-in for a function that is compiled on its own."""
    return SimpleNamespace(address=address)


@pytest.fixture
def addresses(monkeypatch):
    """Give whatever kernels call an address that says what it is, and have no kernel called: return what they see."""
    tables, gelu = [], activation("gelu").code
    monkeypatch.setattr(samplers, "BLOCKS", {activation(name).code: at(100) for name in ("tanh", "sigmoid")})
    samplers.BLOCKS[gelu] = at(101)
    monkeypatch.setattr(samplers, "QUICK_BLOCKS", {gelu: at(102)})
    monkeypatch.setattr(samplers, "SLOPE_BLOCKS", {activation("tanh").code: at(200), gelu: at(201)})
    called = ("lift_layer", "lift_kept", "lift_gradient", "expected_powers", "mean_powers")
    for i, name in enumerate(called, start=1):
        monkeypatch.setattr(samplers, name, at(i))
    for name in ("conditional", "dense", "conditional_backward", "dense_backward"):
        monkeypatch.setattr(samplers, name, lambda key, first, table, *rest: tables.append(table))
        monkeypatch.setattr(samplers, f"{name}_room", lambda table: None)
    return tables


MIXED = Network([2, 32, 33, 40, 5, 6], ["gelu", "gelu", "tanh", "sigmoid", "relu"])


@pytest.mark.parametrize("method", ["conditional", "dense"])
@pytest.mark.parametrize("moments", [None, 4])
def test_the_signal_goes_by_addresses_of_what_it_calls(addresses, method, moments):
    """Units are many beyond 32; phi of two slopes needs none; nor does any other lift, where all do."""
    for network in (MIXED, Network([2, 3], ["relu"])):
        samplers.forward_sampler(network, as_inputs(None, 2), 0, method, moments)(0, np.ones(1), np.zeros(1))
    mixed, relu = addresses
    np.testing.assert_array_equal(mixed.phi, [101, 102, 100, 100, 0])
    np.testing.assert_array_equal(mixed.dphi, 0)
    np.testing.assert_array_equal(mixed.lift, 1 if method == "conditional" else 2)
    np.testing.assert_array_equal(mixed.lift_back, 0)
    assert (relu.phi, relu.lift, relu.lift_back) == (0, 0, 0)
    powers = 0 if moments is None else 4 if method == "conditional" else 5
    np.testing.assert_array_equal([*mixed.powers, *relu.powers], powers)


@pytest.mark.parametrize("method", ["conditional", "dense"])
def test_a_gradient_goes_by_addresses_of_what_it_calls(addresses, method):
    for network in (MIXED, Network([2, 3], ["relu"])):
        samplers.backward_sampler(network, as_inputs(None, 2), "linear", 0, method)(0, np.ones(1), np.zeros(1))
    mixed, relu = addresses
    np.testing.assert_array_equal(mixed.phi, [101, 102, 100, 100, 0])
    np.testing.assert_array_equal(mixed.dphi, [201, 201, 200, 0, 0])
    np.testing.assert_array_equal(mixed.lift, 1 if method == "conditional" else 2)
    np.testing.assert_array_equal(mixed.lift_back, 3)
    assert (relu.phi, relu.dphi, relu.lift, relu.lift_back) == (0, 0, 0, 0)
    np.testing.assert_array_equal([*mixed.powers, *relu.powers], 0)


def test_units_are_few_unless_said_to_be_many(addresses):
    rows = samplers.layer_table(Network([2, 64], ["gelu"]), {})
    samplers.link(rows, backward=False)
    assert (rows.phi[0], rows.dphi[0]) == (101, 0)


def test_without_networks_a_layer_has_one_unit_for_whom_memory_is_set(addresses):
    sample = samplers.forward_sampler(MIXED, as_inputs(None, 2), 0, "conditional")
    for records in (np.empty((0, 5, 6, 64)), np.ones((1, 5, 6, 64)), np.empty((0, 5, 6, 64))):
        sample(0, records, np.zeros(1))
    none, some, again = addresses
    np.testing.assert_array_equal([none.fan_in, none.fan_out, again.fan_in, again.fan_out], 1)
    np.testing.assert_array_equal(some.fan_in, [2, 32, 33, 40, 5])
    np.testing.assert_array_equal(none.phi, some.phi)


def test_weights_of_ones_own_are_compiled_once_with_their_symmetry(monkeypatch):
    made = []

    def block(quantile, source, *, symmetric):
        made.append((quantile, source, symmetric))
        return at(quantile)

    monkeypatch.setattr(samplers, "weights_block", block)
    laws = [custom_weights(f) for f in (own_laws.uniform, own_laws.exponential)]
    even, skewed = (law.distribution for law in laws)
    blocks = samplers.own_blocks((), [even, "normal", skewed, even])
    expected = [(even.quantile, own_laws.uniform, True), (skewed.quantile, own_laws.exponential, False)]
    assert sorted(made, key=str) == sorted(expected, key=str)
    assert {quantile: block.address for quantile, block in blocks.items()} == {f: f for f, _, _ in expected}
    table = samplers.layer_table(Network([2, 3, 4], "relu", [laws[1], "he_uniform"]), dict.fromkeys(blocks, -7))
    np.testing.assert_array_equal(table.distribution, [-7, DISTRIBUTIONS.index("uniform")])


ROWS = np.array([[3.0, 4.0], [0.0, 0.0], [0.0, -2.0], [0.3, 0.4]])


@pytest.mark.parametrize("inputs", [None, ROWS])
@pytest.mark.parametrize("method", ["conditional", "dense"])
@pytest.mark.parametrize("loss", [None, "half_square", np.array([0.0, 3.0, 4.0]), np.zeros(3)])
def test_a_sampler_hands_its_kernel_the_network_and_the_data(monkeypatch, inputs, method, loss):
    seen = []
    name = method if loss is None else f"{method}_backward"
    monkeypatch.setattr(samplers, name, lambda *a: seen.append(a))
    monkeypatch.setattr(samplers, f"{name}_room", lambda table: ("room of", table))
    network, data = Network([2, 3], "tanh", "lecun"), as_inputs(inputs, 2)
    if loss is None:
        sample = samplers.forward_sampler(network, data, 2**64 - 1, method)
    else:
        sample = samplers.backward_sampler(network, data, loss, 2**64 - 1, method)
    records, stop = np.full(3, np.nan), np.zeros(1, np.uint8)  # NaN is a kernel's own business
    sample(128, records, stop)
    ((key, first, table, *rest),) = seen
    assert (key, first, type(key), type(first)) == (2**64 - 1, 128, np.uint64, np.uint64)
    assert (table.fan_in, table.fan_out) == (2, 3)
    assert rest[-2] is records
    assert rest[-1] is stop
    *rest, room, _, _ = rest
    assert room == ("room of", table)
    if loss is not None:
        *rest, code, (unit, squared_norm) = rest
        if isinstance(loss, str):
            assert (code, unit.shape, squared_norm) == (LOSSES.index(loss), (0,), 1.0)
        else:
            assert (code, squared_norm) == (GIVEN, (loss**2).sum())
            np.testing.assert_allclose(unit, loss / 5)
    *unit_rows, norms = rest
    np.testing.assert_allclose(norms, [] if inputs is None else [25.0, 0.0, 4.0, 0.25])
    if method == "dense":
        (unit_rows,) = unit_rows
        assert unit_rows.dtype == np.float32
        expected = np.empty((0, 0)) if inputs is None else [[0.6, 0.8], [0, 0], [0, -1], [0.6, 0.8]]
        np.testing.assert_allclose(unit_rows, expected, rtol=1e-6)
    else:
        assert unit_rows == []


def samples_of(activation, monkeypatch, fill):
    """Return what samples a network of this activation, with a kernel that fills the records."""
    seen = []

    def kernel(key, first, table, *rest):
        seen.append(table)
        np.log(np.zeros(1))  # warns, which is no news here
        rest[-2][:] = fill

    monkeypatch.setattr(samplers, "conditional", kernel)
    network = Network([2, 3], [activation])
    return samplers.forward_sampler(network, as_inputs(None, 2), 0, "conditional"), seen


def test_a_function_of_ones_own_has_an_address_of_its_own(monkeypatch):
    sample, seen = samples_of(custom_activation(cube, slope), monkeypatch, 1.0)
    sample(0, np.empty(3), np.zeros(1))
    (table,) = seen
    assert table.code[0] < 0
    assert table.derivative[0] < 0
    assert table.code[0] != table.derivative[0]
    blocks = samplers.own_blocks(map(activation, ["relu", custom_activation(cube), "tanh"]), ())
    assert len(blocks) == 1


def test_a_function_that_gives_no_number_is_named(monkeypatch):
    """With the number nearest to 0 at which it does not; unless the run was stopped anyway."""

    def half(z):
        return np.where(z > -5.0, z, np.nan)

    def steep(z):
        return np.where(np.abs(z) < 1e7, z, np.inf)

    records, going, stopped = np.empty(3), np.zeros(1), np.ones(1)
    sample, _ = samples_of(custom_activation(half, name="half"), monkeypatch, np.nan)
    sample(0, records, stopped)
    with pytest.raises(ValueError, match="phi of activation 'half' gives nan") as caught:
        sample(0, records, going)
    assert re.fullmatch(
        r"phi of activation 'half' gives nan at -5\.0\d*; it must be a finite number wherever the signal goes. "
        r"Bound it there, or use smaller weights\.",
        str(caught.value),
    )
    sample, _ = samples_of(custom_activation(steep, name="steep"), monkeypatch, np.inf)
    with pytest.raises(ValueError, match=r"^phi of activation 'steep' gives inf at 1\.00\d*e\+07;"):
        sample(0, records, going)
    sample, _ = samples_of(custom_activation(cube, name="cube"), monkeypatch, np.inf)
    with pytest.raises(ValueError, match="the signal") as caught:
        sample(0, records, going)
    said = "the signal through 'cube' grows beyond what float32 holds; use smaller weights or fewer layers."
    assert str(caught.value) == said
    both = [custom_activation(cube, name="cube"), custom_activation(lambda z: 2 * z, name="double")]
    with pytest.raises(ValueError, match=r"^the signal through 'cube', 'double' grows"):
        samplers.check_own(samplers.own_blocks(both, ()), np.array([np.inf]))
    finite, _ = samples_of(custom_activation(half, name="half"), monkeypatch, 1.0)
    finite(0, records, going)


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (lambda z: (z > 0.9) & (z < 1.1), r"gives nan at 0\.9"),
        (lambda z: (z > 100) | (z < -5), r"gives nan at -5\.0"),  # on both sides of 0: the nearer
    ],
)
def test_the_nearest_number_is_named(bad, said):
    blocks = samplers.own_blocks([custom_activation(lambda z: np.where(bad(z), np.nan, z))], ())
    with pytest.raises(ValueError, match=said):
        samplers.check_own(blocks, np.array([np.nan]))


def test_the_value_named_is_the_one_there():
    grid = np.geomspace(1e-3, 1e8, 2000)
    first = grid[grid > 5][0] * (1 + 1e-9)
    phi = custom_activation(lambda z: np.where(z > -5, z, np.where(z > -first, np.inf, np.nan)))
    with pytest.raises(ValueError, match="gives inf at -5"):
        samplers.check_own(samplers.own_blocks([phi], ()), np.array([np.nan]))


def test_a_block_has_the_checked_function_and_the_users(monkeypatch):
    made = []
    monkeypatch.setattr(samplers, "Block", lambda function, source: made.append((function, source)))
    own = custom_activation(cube, slope)
    samplers.own_blocks([own], ())
    assert sorted(made, key=str) == sorted([(own.phi, cube), (own.dphi, slope)], key=str)


def test_what_a_function_raised_is_raised(monkeypatch):
    blocks = samplers.own_blocks([custom_activation(cube)], ())
    samplers.check_own(blocks, np.ones(3))
    (block,) = blocks.values()
    block.error = ZeroDivisionError("of its own")
    with pytest.raises(ZeroDivisionError, match="of its own"):
        samplers.check_own(blocks, np.ones(3))
