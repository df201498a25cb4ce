"""The page that teaches, in a real browser: `make test-browser`. Its numbers are held against the package."""

import re

import numpy as np
import pytest
from browser import DESKTOP, PHONE, assert_nothing_serious, new_tab
from evidence import assert_agree, assert_rejected, fresh_seed

from varprop import Network, activations, page, simulate, theory

RIGHT = 1e-10  # relative: what the page says of its integrals
SLIDERS = ["multiplier", "width", "depth", "input"]
NAMES = [name for name in activations.NAMES if name != "leaky_relu"] + ["leaky_relu"]


@pytest.fixture
def opened(chromium, tmp_path):
    """A function that opens the page, or another text in its place, and waits until its networks are drawn."""
    tabs = []

    def open_page(address="", text=None, viewport=DESKTOP, **options):
        path = tmp_path / "page.html"
        path.write_text(page.html() if text is None else text, encoding="utf-8")
        tab = new_tab(chromium, viewport, **options)
        tabs.append(tab)
        tab.goto(f"file://{path}#{address}")
        drawn(tab)
        return tab

    yield open_page
    for tab in tabs:
        tab.context.close()


def go(tab, address):
    """Change the address behind #, and wait until the page has read it."""
    tab.evaluate("address => { location.hash = address; }", address)
    for _ in range(600):
        if tab.evaluate("JSON.stringify(readAddress().found) === JSON.stringify(settings)"):
            return
        tab.wait_for_timeout(20)
    raise AssertionError(f"the page did not read {address}")


def drawn(tab):
    """Wait until the figures show the networks of the settings in the address."""
    tab.wait_for_selector("body[data-drawn]", state="attached")
    for _ in range(600):
        if tab.evaluate("document.body.dataset.drawn === address()"):
            return
        tab.wait_for_timeout(100)
    raise AssertionError("the networks were not drawn within a minute")


def numbers(tab, who="theory"):
    """Return logarithms from the table, (2, L): of theory, the ``"typical"`` network or the ``"middle"`` one."""
    columns = {"theory": (2, 5), "typical": (3, 6), "middle": (4, 7)}[who]
    cells = [f"#numbers td:nth-child({column})" for column in columns]
    script = "(cells, what) => cells.map(cell => Number(cell.dataset[what]))"
    logs, values = (
        np.array([tab.eval_on_selector_all(cell, script, what) for cell in cells], dtype=float)
        for what in ("log", "value")
    )
    np.testing.assert_allclose(values, np.exp(logs), rtol=1e-12)
    return logs


def shown_in_python(tab):
    """Run the Python that the page shows, and return its network, its input and the records that it prints."""
    printed = []
    names = {"print": printed.append}
    exec(tab.text_content("#code"), names)
    return names["network"], names["x"], printed


def of_layers(records):
    """Return values and errors of signal and gradient, (2, L) each: of layers, or of the sums of blocks."""
    profiles = records[0].variance, records[1].gradient_variance
    kept = [i for i, name in enumerate(profiles[0].names) if "/" not in name]
    return [np.array([getattr(profile, what)[kept] for profile in profiles]) for what in ("values", "errors")]


def assert_predicted(tab):
    records = shown_in_python(tab)[2]
    assert records[0].variance.origin == records[1].gradient_variance.origin == "infinite width"
    values, errors = of_layers(records)
    found = numbers(tab)
    assert found.shape == values.shape
    assert (np.abs(found - np.log(values)) <= RIGHT + errors / values).all(), (found, np.log(values))


QUESTIONS = [
    *(f"activation={name}&weights=he&depth=8" for name in NAMES),
    *(f"activation={name}&weights=unit&depth=5&width=256&multiplier=1.3" for name in ("tanh", "gelu", "hardtanh")),
    *(f"activation={name}&weights=he&depth=4&block={('residual', 'prenorm')[i % 2]}" for i, name in enumerate(NAMES)),
    "activation=tanh&weights=glorot&depth=100&width=8&input=100",
    "activation=mish&weights=lecun&depth=20&multiplier=0.2&input=0.01",
    "activation=relu&weights=unit&depth=60&width=1024&multiplier=4",
    "activation=gelu&weights=unit&depth=30&width=1024&multiplier=10",
    "activation=silu&weights=lecun&depth=20&multiplier=0.1&block=prenorm&input=0.01",
    "activation=softsign&depth=1",
]


def test_the_line_is_what_the_package_predicts(opened):
    tab = opened()
    for question in QUESTIONS:
        go(tab, question)
        assert_predicted(tab)
    assert tab.faults == []


TYPICAL = [
    "activation=relu&weights=he&depth=100&width=16",
    "activation=relu&weights=lecun&depth=5&width=1&input=3",
    "activation=leaky_relu&weights=he&depth=30&width=2&multiplier=1.3",
    "activation=linear&weights=unit&depth=20&width=1024&input=0.01",
    "activation=linear&weights=glorot&depth=1&width=4",
]


def typical_in_python(tab):
    network, x, _ = shown_in_python(tab)
    return np.array([side(network, x, order="exact").log_mean.values for side in (theory.forward, theory.backward)])


def test_the_dashed_line_is_the_typical_network_of_the_package(opened):
    tab = opened()
    for question in TYPICAL:
        go(tab, question)
        np.testing.assert_allclose(numbers(tab, "typical"), typical_in_python(tab), rtol=0, atol=1e-9)
        assert tab.text_content("#key-line") == "theory, the mean at every width"
        assert tab.locator(".typical").count() == 2
    for question in ("activation=tanh", "activation=relu&block=residual"):
        go(tab, question)
        assert tab.text_content("#key-line") == "theory, infinite width"
        assert tab.is_hidden("#key-typical")
        assert tab.locator(".typical").count() == 0
    assert tab.faults == []


@pytest.mark.parametrize(
    "mark", [("return -EULER - sum", "return -1.01 * EULER - sum"), ("roots[1] ** 3", "roots[1] ** 2.97")]
)
def test_a_dashed_line_that_is_wrong_by_one_percent_fails(opened, mark):
    tab = opened(TYPICAL[0], text=wrong("typical", {"typical": mark}))
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(numbers(tab, "typical"), typical_in_python(tab), rtol=0, atol=1e-9)


EXTREMES = [
    f"activation={name}&block={block}&{rest}"
    for name, block in (
        ("relu", "plain"),
        ("sin", "residual"),
        ("gelu", "prenorm"),
        ("sigmoid", "plain"),
        ("elu", "residual"),
    )
    for rest in (
        "width=1&depth=1&multiplier=10&input=100",
        "width=1&depth=100&multiplier=0.1&input=0.01",
        "width=1024&depth=3&multiplier=10000&input=1000&weights=unit",
        "width=2&depth=100&multiplier=0.0001&input=0.001",
    )
]


def test_extreme_settings_are_numbers_and_sentences(opened):
    tab = opened()
    for question in EXTREMES:
        go(tab, question)
        drawn(tab)
        shown = tab.inner_text("main")
        assert not re.search(r"NaN|Infinity|undefined|null", shown), (question, shown)
        drawn_text = tab.inner_html("#figures")
        assert not re.search(r"NaN|Infinity|undefined", drawn_text), question
        assert np.isfinite(numbers(tab)).all()
    assert tab.faults == []


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_the_page_opens_with_its_policy_in_force_and_no_network(opened, viewport):
    tab = opened("activation=tanh&weights=lecun&multiplier=1.5&depth=12&width=32", viewport=viewport)
    assert_predicted(tab)
    assert tab.faults == []
    assert tab.evaluate("document.documentElement.scrollWidth") <= viewport["width"], (
        "the page is wider than the screen"
    )


WRONG = {  # 1% in a formula of the line, or of the dots
    "gain": ("return multiplier * law.scale *", "return 1.01 * multiplier * law.scale *"),
    "expectation": ("sum += (weight * half", "sum += (1.01 * weight * half"),
    "slope": ("slope: Math.log(slope)", "slope: Math.log(1.01 * slope)"),
    "input": ("[gain + 2 * Math.log(input)]", "[gain + 2 * Math.log(1.01 * input)]"),
}


def wrong(name, marks):
    before, after = marks[name]
    text = page.html()
    assert text.count(before) == 1
    return text.replace(before, after)


@pytest.mark.parametrize("name", WRONG)
def test_a_formula_that_is_wrong_by_one_percent_fails(opened, name):
    tab = opened("activation=tanh&weights=he&depth=6&width=16", text=wrong(name, WRONG))
    with pytest.raises(AssertionError):
        assert_predicted(tab)


def drawn_means(tab, networks=30_000, **settings):
    """Return means over networks that the page draws, and their standard errors: (2, L), signal and gradient."""
    settings = {"width": 64, "depth": 4, "input": 2, "multiplier": 0.5, "seed": fresh_seed() % 2**31, **settings}
    sums = tab.evaluate(
        """([given, networks]) => {
          settings = given;
          showCode();
          const sums = Array.from({ length: 2 * given.depth }, () => [0, 0]);
          for (let k = 0; k < networks; k++) {
            const { signal, gradient } = drawNetwork(given, k);
            [...signal, ...gradient].forEach((log, i) => {
              const value = Math.exp(log);
              sums[i][0] += value;
              sums[i][1] += value * value;
            });
          }
          return sums;
        }""",
        [settings, networks],
    )
    mean, square = np.array(sums).T.reshape(2, 2, -1) / networks
    return mean, np.sqrt((square - mean**2) / networks)


def relu_z(tab):
    """Return z-scores of plain ReLU networks that the page draws against their exact means."""
    mean, error = drawn_means(tab, activation="relu", weights="he", block="plain")
    question = shown_in_python(tab)[:2]
    exact = theory.forward(*question, order="exact"), theory.backward(*question, order="exact")
    return (mean - of_layers(exact)[0]) / error


def test_the_dots_have_the_exact_means(opened):
    assert_agree(relu_z(opened()))


DRAWN_WRONG = {
    "first layer": (
        "Math.log(weight * Math.sqrt(width) * input)",
        "Math.log(1.005 * weight * Math.sqrt(width) * input)",
    ),
    "forward": ("weight * norm * g[i]", "1.005 * weight * norm * g[i]"),
    "backward": ("slope(value) * weight * (", "slope(value) * 1.005 * weight * ("),
}


@pytest.mark.parametrize("name", DRAWN_WRONG)
def test_dots_whose_variance_is_wrong_by_one_percent_fail(opened, name):
    assert_rejected(relu_z(opened(text=wrong(name, DRAWN_WRONG))))


@pytest.mark.parametrize(("activation", "block"), [("tanh", "plain"), ("tanh", "prenorm"), ("sigmoid", "residual")])
def test_the_dots_are_those_of_the_packages_sampler(opened, activation, block):
    tab = opened()
    mean, error = drawn_means(tab, activation=activation, weights="he", block=block)
    question, options = shown_in_python(tab)[:2], {"networks": 30_000, "seed": fresh_seed()}
    measured, other = of_layers((simulate.forward(*question, **options), simulate.backward(*question, **options)))
    assert_agree((mean - measured) / np.hypot(error, other))


def test_phi_is_that_of_the_package(opened):
    tab = opened()
    x = np.concatenate([-np.geomspace(1e-6, 30, 60), np.geomspace(1e-6, 30, 60)])
    for name in NAMES:
        script = """([name, x]) => { const { phi, slope } = activationOf(name); return [x.map(phi), x.map(slope)]; }"""
        found = tab.evaluate(script, [name, x.tolist()])
        known = activations.activation(name)
        np.testing.assert_allclose(found, [known.phi(x), known.dphi(x)], rtol=1e-11, atol=1e-15, err_msg=name)


def test_the_multiplier_is_the_one_that_theory_tunes(opened):
    tab = opened("activation=tanh&weights=lecun&depth=20&width=64")
    tab.click("#tune")
    drawn(tab)
    expected = theory.tune(Network([64] * 21, "tanh", "lecun")).multiplier
    assert f"{expected:.4g}" in tab.text_content("#multiplier-value")
    assert f"multiplier={expected:.4g}" in tab.url
    assert_predicted(tab)


def test_every_control_is_reached_and_set_by_keys(opened):
    tab = opened()
    start = tab.evaluate("({ ...settings })")
    reached, changed = [], set()
    tab.focus("#activation")
    for _ in range(12):
        name = tab.evaluate("document.activeElement.name || document.activeElement.id")
        reached.append(name)
        if name in SLIDERS:
            before = tab.get_attribute(f"#{name}", "aria-valuetext")
            for key, larger in (("ArrowRight", True), ("ArrowLeft", False), ("Home", False), ("End", True)):
                tab.keyboard.press(key)
                after = tab.get_attribute(f"#{name}", "aria-valuetext")
                assert (number(after) > number(before)) is larger, (name, key)
                assert f"{name}={number(after):g}" in tab.url
                before = after
            changed.add(name)
            tab.keyboard.press("Home")
        elif name in ("activation", "weights", "block"):
            tab.keyboard.press("ArrowDown")
            assert tab.evaluate(f"settings.{name}") != start[name]
            changed.add(name)
        tab.keyboard.press("Tab")
    assert reached[:9] == ["activation", "weights", "multiplier", "tune", "width", "depth", "input", "block", "again"]
    assert changed == {*SLIDERS, "activation", "weights", "block"}
    tab.keyboard.press("Shift+Tab")
    assert tab.faults == []


def number(text):
    return float(text.removeprefix("× "))


def test_the_address_holds_the_settings(opened):
    tab = opened("activation=tanh&weights=glorot&multiplier=1.234&width=32&depth=7&input=0.5&block=residual&seed=9")
    line, middle = numbers(tab), numbers(tab, "middle")
    tab.select_option("#activation", "gelu")
    drawn(tab)
    assert "activation=gelu" in tab.url
    shared = tab.url.split("#")[1]
    other = opened(shared)
    assert other.url.split("#")[1] == shared
    for who in ("theory", "middle"):
        np.testing.assert_array_equal(numbers(other, who), numbers(tab, who))
    assert other.input_value("#activation") == "gelu"
    tab.select_option("#activation", "tanh")
    drawn(tab)
    np.testing.assert_array_equal(numbers(tab, "middle"), middle)
    tab.click("#again")
    drawn(tab)
    np.testing.assert_array_equal(numbers(tab), line)
    assert (numbers(tab, "middle") != middle).all()


def test_an_address_that_is_none_is_said(opened):
    tab = opened("activation=rleu&depth=1e9&width=2.5&colour=red&weights=he")
    assert tab.text_content("#message").startswith(
        "The address holds activation=rleu, depth=1e9, width=2.5, colour=red, which is no setting"
    )
    assert tab.evaluate("settings.weights") == "he"
    assert tab.evaluate("settings.depth") == 30


SAID = [
    ("weights=lecun&depth=31", "Each layer halves the signal: about a billionth of it is left at layer 31."),
    ("weights=he&depth=50", "Each layer keeps the signal, all the way to layer 50."),
    ("weights=he&depth=10&block=prenorm", "Each block adds 1 to the signal: it is 5.5 times as large at layer 10."),
    ("weights=he&depth=11&block=residual", "Each block doubles the signal: it is 1000 times as large at layer 11."),
    (
        "block=residual&weights=he&depth=21",
        "Each block doubles the signal: it is a million times as large at layer 21.",
    ),
    ("weights=he&multiplier=1.1&depth=5", "Each layer adds 10% to the signal: it is 1.5 times as large at layer 5."),
    ("weights=lecun&depth=29", "Each layer halves the signal: four billionths of it are left at layer 29."),
    ("weights=he&depth=50&width=16", "In the mean each layer keeps the signal, all the way to layer 50."),
    ("weights=he&multiplier=0.9&depth=5", "Each layer takes 10% off the signal: 66% of it is left at layer 5."),
]


@pytest.mark.parametrize(("address", "said"), SAID)
def test_a_sentence_says_what_happens(opened, address, said):
    tab = opened(f"activation=relu&width=1024&{address}")
    assert tab.text_content("#signal-story") == said
    assert tab.get_attribute("#story", "aria-live") == "polite"


def test_only_a_trend_is_ever_more_slow(opened):
    tab = opened("activation=tanh&weights=lecun&depth=30&width=256")
    assert "The signal falls, ever more slowly:" in tab.text_content("#signal-story")
    tab = opened("activation=sigmoid&weights=unit&depth=30&width=256")  # one step of the gradient is odd, the last
    assert "grows: " in tab.text_content("#gradient-story")


def test_the_lecture_says_what_it_would_do(opened):
    tab = opened("activation=relu&weights=lecun&depth=30")
    assert "Var(W) = 2/n puts it back" in tab.text_content("#lecture")
    tab.click("#follow")
    drawn(tab)
    assert tab.evaluate("settings.weights") == "he"
    assert tab.is_hidden("#follow")


def test_the_steps_of_the_lecture_are_walked_by_two_buttons(opened):
    tab = opened()
    assert tab.is_disabled("#back")
    count = tab.locator(".steps li").count()
    for step in range(1, count + 1):
        tab.click("#next")
        tab.wait_for_selector(f"#step:has-text('Step {step} of {count}.')")
    assert tab.is_disabled("#next")
    tab.click("#back")
    tab.wait_for_selector(f"#step:has-text('Step {count - 1} of {count}.')")
    assert tab.faults == []


def test_answers_are_hidden_until_they_are_opened(opened):
    tab = opened()
    questions = tab.locator("section[aria-labelledby=questions] details")
    assert questions.count() >= 5
    for i in range(questions.count()):
        answer = questions.nth(i).locator("p")
        assert not answer.is_visible()
        questions.nth(i).locator("summary").press("Enter")
        assert answer.is_visible()


def test_every_link_of_the_page_is_an_address_of_it(opened):
    tab = opened()
    links = tab.eval_on_selector_all("main a", "links => links.map(link => link.getAttribute('href'))")
    assert len(links) > 15
    for link in links:
        go(tab, link)
        assert tab.text_content("#message") == "", link


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_axe_finds_nothing_serious(opened, viewport, colours):
    tab = opened(viewport=viewport, color_scheme=colours, bypass_csp=True)
    tab.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    assert_nothing_serious(tab)
    tab.evaluate("document.querySelector('#depth').removeAttribute('id')")
    assert "label" in tab.evaluate("axe.run().then(found => found.violations.map(fault => fault.id))")
