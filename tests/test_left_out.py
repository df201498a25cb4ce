"""What first order says that it leaves out, against exact and measured numbers that share none of it."""

import numpy as np
import pytest
from scipy import special

from varprop import Network, custom_activation, theory
from varprop.theory.gaussian.log_moments import layer_log_moments


@pytest.mark.parametrize("narrow", [1, 2, 3])
def test_a_bottleneck_is_doubted_from_there_on(narrow):
    """E[z^2] is 5.2%, 2.5% and 1.4% too high five layers on."""
    record = theory.forward(Network([64, 64, narrow, 64, 64, 64, 64, 64, 64], "tanh", "lecun"))
    assert record.variance.doubtful.tolist() == [False] * 3 + [True] * 5
    assert record.log_variance.doubtful[2:].all()
    gradient = theory.backward(Network([64, 64, narrow, 64, 64, 64, 64, 64, 64], "tanh", "lecun"))
    assert gradient.gradient_variance.doubtful[:2].all()


def test_the_row_of_section_1():
    """64,64,1,64,64, tanh, lecun: layer 4 has E[z^2] = 0.13933, by the law on a grid and by sampling."""
    record = theory.forward(Network([64, 64, 1, 64, 64], "tanh", "lecun"))
    assert record.doubtful[3]
    off = abs(record.variance[3] / 0.13933357 - 1)
    assert 0.01 < off < record.variance.left_out[3]


def test_logarithms_have_doubt_of_their_own():
    """2*6, mish, he: first order says -6.5, right is -4.98 (2*6 layers are five)."""
    record = theory.forward(Network([2] * 6, "mish", "he"))
    assert abs(record.log_mean[-1] + 4.98) > 1
    assert record.log_mean.doubtful[-1]
    assert record.log_mean.left_out[-1] > 1


@pytest.mark.parametrize("weights", ["lecun", "lecun_uniform", "lecun_truncated_normal"])
def test_logarithms_are_doubted_behind_one_unit_whatever_its_law(weights):
    """Layer 2 of 2,1,3 in its logarithm, by quadrature: z is known, and so is Q given z."""
    network = Network([2, 1, 3], "gelu", [weights, "lecun"], bias_variance=0.1)
    record = theory.forward(network, np.ones(2))
    w = (np.arange(2000) + 0.5) / 1000 - 1  # two uniform weights, or what is near enough
    z = np.sqrt(1.5) * (w[:, None] + w)[::7, ::7, None] + np.sqrt(0.1) * np.polynomial.hermite_e.hermegauss(9)[0]
    chances = np.polynomial.hermite_e.hermegauss(9)[1] / np.sqrt(2 * np.pi)
    logs = np.log(0.1 + network.layers[0].activation.phi(z) ** 2)
    exact = (logs @ chances).mean() + special.digamma(1.5) - np.log(1.5)
    off = abs(record.log_mean[1] - exact)
    if weights == "lecun_uniform":
        assert 0.1 < off < record.log_mean.left_out[1]
    assert record.log_mean.doubtful[1]
    assert record.log_variance.doubtful[1]
    assert not record.variance.doubtful[1]


def test_half_square_in_relu_nets_is_known_in_its_logarithms_too():
    """log_mean[0] is -5.95 +- 0.06 by sampling, log_variance[0] 39.6 +- 0.5."""
    record = theory.backward(Network([16] * 31, "relu", "he"), loss="half_square")
    assert not any(profile.doubtful.any() for profile in record.profiles.values())
    assert abs(record.log_mean[0] + 5.95) < 5 * 0.06
    assert abs(record.log_variance[0] - 39.6) < 5 * 0.5


def test_half_square_in_leaky_nets_is_doubted_in_its_logarithms_alone():
    record = theory.backward(Network([16] * 31, "leaky_relu(0.1)", "he"), loss="half_square")
    for name in ("log_mean", "log_variance"):
        assert record.profiles[name].doubtful.tolist() == [True] * 29 + [False]
    for name in ("gradient_variance", "weight_gradient_variance", "fluctuation", "dead"):
        assert not record.profiles[name].doubtful.any()
    title = str(record).splitlines()[0]
    assert title.endswith("theory, exact; E[ln d̂], Var[ln d̂] first order in 1/width")


def test_wide_networks_are_not_doubted():
    for network in (Network([256] * 9, "tanh", "lecun"), Network([64] * 9, "tanh", "he"), Network([1000] * 5, "gelu")):
        for profile in theory.forward(network).profiles.values():
            assert not profile.doubtful.any()
        assert not theory.backward(network).gradient_variance.doubtful.any()
        assert not theory.backward(network).gradient_variance.doubtful[-1]


def test_what_is_left_out_falls_as_the_square_of_the_width():
    """Of the variance; of the fluctuation, of first order itself, as the width."""
    found = [theory.forward(Network([n] * 5, "gelu", "he")) for n in (256, 512, 1024)]
    variance, fluctuation = (
        np.array([getattr(r, name).left_out[-1] for r in found]) for name in ("variance", "fluctuation")
    )
    np.testing.assert_allclose(variance[:-1] / variance[1:], 4, rtol=0.1)
    np.testing.assert_allclose(fluctuation[:-1] / fluctuation[1:], 2, rtol=0.1)


def test_pairs_are_doubted_where_they_are_narrow_or_few_features_have_weights_that_are_not_normal():
    wide = theory.pair(Network([64] * 5, "relu", "he"), 0.3)
    assert not any(profile.doubtful.any() for profile in wide.profiles.values())
    narrow = theory.pair(Network([64, 64, 3, 64, 64], "relu", "he"), 0.3)
    assert narrow.doubtful.tolist() == [False, False, True, True]
    few = theory.pair(Network([2, 64, 64], "tanh", "lecun_uniform"), inputs=np.array([[1.0, 0.3], [0.2, -1.0]]))
    assert few.doubtful.tolist() == [False, True]
    linear = theory.pair(Network([2, 2, 2], "linear", "lecun"), 0.3)
    assert not linear.doubtful.any()
    assert linear.cosine.doubtful.any()


def test_slopes_of_any_ratio_have_logarithms():
    """2^-n of the networks have only negative units, and are chi2_n times the smaller slope squared."""
    for n in (1, 2, 5):
        relu, leaky = layer_log_moments(n, (1.0, 0.0)), layer_log_moments(n, (1.0, 1e-300))
        chi = layer_log_moments(n, (1.0, 1.0))[0] + 2 * np.log(1e-300)
        assert leaky[0] == pytest.approx((1 - 0.5**n) * relu[0] + 0.5**n * chi, rel=1e-12)
    record = theory.backward(Network([8] * 61, "leaky_relu(1e-12)", "he"))  # warnings are errors
    assert np.isfinite(record.log_mean.values).all()


def test_a_gradient_that_is_always_0_is_drawn():
    record = theory.backward(Network([8, 8, 1], "tanh"), loss="cross_entropy")
    assert not record.gradient_variance.values.any()
    assert np.isnan(record.fluctuation.values).all()  # 0 / 0
    for name in record.profiles:
        assert record.plot(name).get_yscale() == "linear" or record.profiles[name].values.any()


def test_a_cumulant_that_outweighs_first_order_is_doubt():
    """Behind narrow layers phi^2 = z^6 sees more of z's cumulants than first order does of its variance."""
    cube = custom_activation(lambda z: z**3, lambda z: 3 * z * z)
    network = Network([3, 1, 1, 1], ["leaky_relu(0.24)", "linear", cube], "unit_truncated_normal", bias_variance=1.0)
    found = theory.forward(network)
    assert np.isfinite(found.variance.values).all()
    assert found.second_moment.doubtful[-1]
