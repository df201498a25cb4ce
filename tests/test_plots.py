import json

import matplotlib as mpl
import numpy as np
import pytest
from evidence import quick

from varprop import Network, compare, plots, simulate, theory
from varprop.layers import Dense, LayerNorm, Residual

mpl.use("svg")

NETWORK = Network([4, 8, 8, 3], "relu")


@pytest.fixture(autouse=True)
def _close():
    yield
    from matplotlib import pyplot

    pyplot.close("all")


def test_theory_is_a_line_and_simulation_is_points():
    ax = plots.plot_profile(theory.forward(NETWORK), label="theory")
    assert plots.plot_profile(simulate.forward(NETWORK, networks=50), ax=ax, label="measured") is ax
    line, points = ax.lines[0], ax.containers[0].lines[0]
    assert line.get_linestyle() == "-"
    assert points.get_linestyle() == "None"
    np.testing.assert_allclose(line.get_ydata(), theory.forward(NETWORK).variance.values)
    assert list(points.get_xdata()) == [1, 2, 3]
    assert ax.get_yscale() == "log"
    assert ax.get_xlabel() == "layer"


def test_any_quantity_can_be_drawn_and_others_are_refused():
    ax = plots.plot_profile(theory.forward(NETWORK), "log_mean")
    assert ax.get_yscale() == "linear"
    with pytest.raises(ValueError, match="no 'energy' in this record; choose one of variance"):
        plots.plot_profile(theory.forward(NETWORK), "energy")


@pytest.mark.slow
def test_a_phase_diagram_shows_its_values_its_edge_and_its_phases():
    diagram = theory.phase_diagram("tanh", np.linspace(0.5, 3, 21), np.linspace(0.02, 0.2, 7))
    ax = plots.plot_phase_diagram(diagram)
    assert plots.plot_phase_diagram(diagram, "correlation", ax=plots.new_axes()) is not ax
    mesh, edge = ax.collections[:2]
    np.testing.assert_array_equal(mesh.get_array(), diagram.chi)
    bias_variance, gain_squared = edge.get_paths()[0].vertices.T
    exact = [theory.critical("tanh", b)[0].gain_squared for b in bias_variance]
    np.testing.assert_allclose(gain_squared, exact, atol=0.01)  # interpolated between cells
    assert not np.allclose(gain_squared, 1.02 * np.array(exact), atol=0.01)
    places = {text.get_text(): text.get_position() for text in ax.texts}
    for phase, (b, s) in places.items():
        assert theory.fixed_point("tanh", s, b).phase == phase
    assert sorted(places) == ["chaotic", "ordered"]


def test_a_phase_diagram_of_one_phase_has_no_edge():
    diagram = theory.phase_diagram("relu", [0.5, 1.0], [0.0, 0.1, 0.2])
    ax = plots.plot_phase_diagram(diagram)
    assert [text.get_text() for text in ax.texts] == ["ordered"]
    assert len(ax.collections) == 1


@pytest.mark.parametrize("gains", [[0.5, 1.0], [0.5, 6.0], [2.0, 6.0]])
def test_chi_is_white_at_the_edge_of_chaos_whatever_lies_about_it(gains):
    ax = plots.plot_phase_diagram(theory.phase_diagram("tanh", gains, [0.0, 0.1]))
    mesh = ax.collections[0]
    np.testing.assert_allclose(mesh.to_rgba(1.0)[:3], 1.0, atol=0.04)
    below, above = mesh.to_rgba(0.5), mesh.to_rgba(1.5)
    assert below[2] > below[0]  # blue
    assert above[0] > above[2]  # red
    bar = mesh.colorbar.ax
    assert bar.get_ylim() == (mesh.get_array().min(), mesh.get_array().max())


def test_a_phase_diagram_refuses_what_it_cannot_draw():
    diagram = theory.phase_diagram("tanh", [0.5, 2.0], [0.05])
    with pytest.raises(ValueError, match="no 'gains_squared' in this diagram; choose one of variance, chi"):
        plots.plot_phase_diagram(diagram, "gains_squared")
    with pytest.raises(ValueError, match="no 'phase' in this diagram; choose one of variance, chi"):
        plots.plot_phase_diagram(diagram, "phase")
    with pytest.raises(ValueError, match=r"shape \(2, 1\); a plane needs two values"):
        plots.plot_phase_diagram(diagram)


def test_saved_files_are_equal_byte_for_byte_and_hold_plain_numbers(tmp_path):
    numbers = {"x": np.array([1.0, np.inf]), "n": np.int64(3), "nested": {"y": (0.1, np.nan)}, 4: "four"}
    for name in ("one", "two"):
        plots.save(plots.plot_profile(theory.forward(NETWORK)).figure, tmp_path / name / "figure", numbers)
    one, two = ((tmp_path / name / "figure.svg").read_bytes() for name in ("one", "two"))
    assert one == two
    saved = json.loads((tmp_path / "one" / "figure.json").read_text())
    assert saved == {"x": [1.0, None], "n": 3, "nested": {"y": [0.1, None]}, "4": "four"}


@pytest.mark.parametrize("format", quick(*plots.FORMATS, slow=["pdf", "png"].count))
def test_a_figure_is_equal_twice_in_every_format(format, tmp_path):
    for name in ("one", "two"):
        plots.save(plots.plot_profile(theory.forward(NETWORK)).figure, tmp_path / name, {"x": 1}, format=format)
    one, two = ((tmp_path / f"{name}.{format}").read_bytes() for name in ("one", "two"))
    assert one == two
    with pytest.raises(ValueError, match="no figure is saved as 'tiff'; choose one of svg, png, pdf"):
        plots.save(None, tmp_path / "three", {}, format="tiff")


def test_a_write_that_fails_leaves_nothing_behind(tmp_path):
    figure = plots.plot_profile(theory.forward(NETWORK)).figure
    plots.save(figure, tmp_path / "figure", {"x": 1})
    before = (tmp_path / "figure.json").read_bytes()
    with pytest.raises(TypeError):
        plots.save(figure, tmp_path / "figure", {"x": object()})
    assert (tmp_path / "figure.json").read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["figure.json", "figure.svg"]


def test_a_name_with_a_point_is_kept_whole(tmp_path):
    plots.save(plots.plot_profile(theory.forward(NETWORK)).figure, tmp_path / "width.64", {"x": 1})
    assert sorted(p.name for p in tmp_path.iterdir()) == ["width.64.json", "width.64.svg"]


def test_the_users_own_style_is_left_alone():
    before = dict(mpl.rcParams)
    plots.plot_profile(theory.forward(NETWORK))
    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize(("ask", "options"), [("forward", {}), ("backward", {}), ("pair", {"correlation": 0.5})])
def test_records_draw_themselves(ask, options):
    predicted = getattr(theory, ask)(NETWORK, **options)
    measured = getattr(simulate, ask)(NETWORK, networks=50, **options)
    ax = predicted.plot(colour="C3", label="theory")
    assert measured.plot(ax=ax) is ax
    assert ax.lines[0].get_color() == "C3"
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), predicted.profiles[predicted.main].values)
    np.testing.assert_array_equal(ax.containers[0].lines[0].get_ydata(), measured.profiles[measured.main].values)
    name = list(measured.profiles)[1]
    np.testing.assert_array_equal(measured.plot(name).containers[0].lines[0].get_ydata(), measured.profiles[name])


def test_a_comparison_draws_both_profiles_and_its_z_scores_below():
    measured = simulate.forward(NETWORK, networks=50)
    comparison = compare(measured, theory.forward(NETWORK))
    ax = comparison.plot()
    _, below = ax.figure.axes
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), comparison.predicted)
    np.testing.assert_array_equal(ax.containers[0].lines[0].get_ydata(), comparison.measured)
    np.testing.assert_array_equal(below.lines[0].get_ydata(), comparison.z)
    assert ax.get_title() == f"Theory and simulation agree: p = {comparison.p_value:.2g}"
    far = compare(measured, theory.forward(Network([4, 8, 8, 3], "relu", multiplier=100.0)))
    assert "DISAGREE" in far.plot().get_title()


def test_z_scores_take_a_part_of_the_place_of_given_axes():
    from matplotlib import pyplot

    comparison = compare(simulate.forward(NETWORK, networks=50), theory.forward(NETWORK))
    figure, (left, right) = pyplot.subplots(1, 2)
    before, other = left.get_position(), right.get_position()
    assert comparison.plot(ax=left) is left
    upper, lower = left.get_position(), figure.axes[2].get_position()
    assert before.y0 == pytest.approx(lower.y0)
    assert before.y1 == pytest.approx(upper.y1)
    assert lower.y1 < upper.y0
    assert right.get_position().bounds == other.bounds
    with pytest.raises(ValueError, match="not one of a grid"):
        comparison.plot(ax=figure.add_axes((0, 0, 1, 1)))


def test_a_variance_that_spans_decades_has_a_logarithmic_axis_in_a_comparison():
    growing = Network([4, 8, 8, 3], "relu", multiplier=10.0)
    flat, steep = (compare(simulate.forward(n, networks=50), theory.forward(n)) for n in (NETWORK, growing))
    assert [c.plot().get_yscale() for c in (flat, steep)] == ["linear", "log"]


def test_a_law_is_a_line_in_theory_and_a_histogram_in_simulation():
    predicted, measured = theory.law(NETWORK), simulate.law(NETWORK, networks=200)
    ax = predicted.plot(2, colour="C3")
    assert measured.plot(2, ax=ax) is ax
    y, density = ax.lines[0].get_data()
    assert np.interp(0.5, y, density) == pytest.approx(np.interp(0.5, *predicted.log_density(2)), abs=1e-6)
    np.testing.assert_array_equal(ax.containers[0].lines[0].get_ydata(), measured.histogram(2)[1])
    assert ax.get_xlabel() == "ln q̂ of layer 2"
    assert predicted.plot().get_xlabel() == "ln q̂ of layer 3"
    with pytest.raises(ValueError, match="layer is 4; it must be from 1 to 3"):
        measured.plot(4)


def test_layers_are_whole_numbers_on_the_axis():
    for depth in (1, 2, 5, 21):
        ax = theory.forward(Network([4] * (depth + 1))).plot()
        assert all(tick == round(tick) for tick in ax.get_xticks())


def test_the_style_leaves_a_notebook_its_interactive_mode():
    # The first figure in a notebook turns it on; where it was off afterwards, no second figure was shown.
    before = mpl.is_interactive()
    try:
        mpl.interactive(False)
        with plots.style():
            mpl.interactive(True)
        assert mpl.is_interactive()
    finally:
        mpl.interactive(before)


def test_axes_that_are_none_are_one_error():
    for result in (theory.forward(NETWORK), theory.law(NETWORK)):
        with pytest.raises(TypeError, match="ax is 3; give matplotlib axes"):
            result.plot(ax=3)


def test_places_are_named_on_the_axis_and_thinned():
    block = Residual(LayerNorm(), Dense(6), "relu", Dense(4))
    few, many = (Network.sequential(4, *[block] * n, Dense(2), positions=2) for n in (2, 40))
    ax = theory.forward(few).plot("cosine")
    assert [text.get_text() for text in ax.get_xticklabels()] == [place.name for place in few.places]
    (strokes,) = ax.lines
    assert (strokes.get_linestyle(), strokes.get_marker()) == ("None", "_")  # no line joins places of several kinds
    ax = theory.forward(many).plot()
    shown = [text.get_text() for text in ax.get_xticklabels()]
    assert shown[0] == "block 1"
    assert 5 <= len(shown) <= plots.profiles.MOST_NAMES
    assert all(" / " not in name for name in shown)
    assert [many.places[int(x) - 1].name for x in ax.get_xticks()] == shown


def test_grams_and_kernels_print_and_are_drawn():
    network = Network.sequential(3, Dense(8), "relu", Residual(Dense(8)), Dense(1, "lecun"), positions=2)
    x = np.random.default_rng(0).normal(size=(3, 2, 3))
    gram, kernel = theory.gram(network, x), theory.ntk(network, x)
    for shown in (str(gram), gram._repr_html_()):
        assert all(name in shown for name in gram.names)
        assert "6 signals, infinite width" in shown
    assert str(kernel).startswith(f"{network}; NTK, infinite width")
    assert f"{kernel.values[5, 5]:.5g}" in str(kernel)
    assert "The first 8 of 18 signals" in str(theory.nngp(network, np.concatenate([x] * 3)))
    for drawn, values in ((kernel.plot(), kernel.values), (gram.plot("block 1"), gram.at("block 1"))):
        np.testing.assert_array_equal(drawn.images[0].get_array(), values)
        assert [text.get_text() for text in drawn.get_yticklabels()] == ["0, 0", "0, 1", "1, 0", "1, 1", "2, 0", "2, 1"]
        assert len(drawn.texts) == 36
    assert gram.plot().get_title() == "dense 2"
    with pytest.raises(ValueError, match="no place 'dense 9' in this network; choose one of dense 1"):
        gram.plot("dense 9")
    dead = theory.gram(network, np.zeros((1, 2, 3)))
    assert "-" in str(dead)
