"""What people read: the same cells as text and as HTML."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest

from varprop import Network, compare, custom_activation, simulate, theory
from varprop.comparison import Comparison
from varprop.records import LayerProfile
from varprop.tables import records

NETWORK = Network([4, 8, 3], "relu")


class Cells(HTMLParser):
    """Collects the text of each element, and checks that they close in order."""

    def __init__(self, text):
        super().__init__()
        self.found, self.open = {"p": [], "th": [], "td": []}, []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if data.strip():
            self.found[self.open[-1]].append(data)


def measured(networks=50):
    return simulate.forward(NETWORK, networks=networks)


RESULTS = {
    "forward": lambda: theory.forward(NETWORK),
    "measured": measured,
    "backward": lambda: theory.backward(NETWORK),
    "pair": lambda: simulate.pair(NETWORK, 0.5, networks=50),
    "precision": lambda: theory.precision(NETWORK, "float16"),
    "comparison": lambda: compare(measured(), theory.forward(NETWORK)),
    "law": lambda: theory.law(NETWORK),
    "fixed_point": lambda: theory.fixed_point("tanh", 2.0),
    "critical": lambda: theory.critical("tanh", 0.05),
    "no_edge": lambda: theory.critical("relu", 0.05),
    "gains": lambda: theory.gains("tanh"),
    "network": lambda: NETWORK.table(),
}


@pytest.mark.parametrize("name", RESULTS)
def test_html_has_the_words_and_numbers_of_the_text_in_their_order(name):
    result = RESULTS[name]()
    html = result._repr_html_()
    Cells(html)
    blocks = re.findall(r"<p>(.*?)</p>|<tr>(.*?)</tr>", html)
    lines = [line for line in str(result).splitlines() if not set(line) <= set("─ ")]
    assert len(blocks) == len(lines)
    for (paragraph, row), line in zip(blocks, lines, strict=True):
        cells = Cells(f"<p>{paragraph}</p>" if paragraph else row).found
        assert " ".join(cell for kind in cells.values() for cell in kind).split() == line.split()


def test_each_layer_is_a_row():
    cells = Cells(theory.forward(NETWORK)._repr_html_()).found
    assert cells["th"][:2] == ["layer", "E[z²]"]
    assert [cells["td"][i * len(cells["th"])] for i in range(2)] == ["1", "2"]


def test_a_name_cannot_write_html():
    phi = custom_activation(lambda z: z * 0.5, name="<script>alert('&')</script>")
    html = theory.forward(Network([4, 4, 4], phi))._repr_html_()
    assert "<script" not in html
    assert "&lt;script&gt;alert(&#x27;&amp;&#x27;)&lt;/script&gt;" in html
    assert "<script>" in Cells(html).found["p"][0]


def test_a_notebook_gets_its_table_once_and_print_writes_it(monkeypatch):
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)  # rich would show the table itself
    assert "E[z²]" in str(theory.forward(Network([4, 3, 2])))


def test_layers_in_words():
    def words(*numbers):
        names = [str(l) for l in range(1, 2001)]
        return records._layers(names, np.isin(np.arange(1, 2001), numbers))

    assert (words(3), words(1, 2, 3)) == ("layer 3", "3 layers, 1 to 3")
    assert words(1, 3, 4, 9) == "4 layers, 1, 3 to 4, 9"
    assert words(*range(1, 2000, 2)) == "1000 layers, 1, 3, 5, ..., 1997, 1999"


def test_places_in_words():
    names = [f"block {i}" for i in range(1, 11)]
    assert records._layers(names, np.arange(10) == 2) == "1 place, block 3"
    assert records._layers(names, np.arange(10) < 2) == "2 places, block 1, block 2"
    assert records._layers(names, np.arange(10) > 1) == "8 places, block 3, block 4, ..., block 10"


@pytest.mark.parametrize(
    ("quantity", "measured", "words"),
    [
        ("variance", np.inf, "beyond float64 or unknown; compare log_mean."),
        ("variance", 1.0, "too skewed for so few networks; draw more, or compare log_mean."),
        ("log_mean", 1.0, "too skewed for so few networks; draw more."),
        ("log_mean", np.nan, "beyond float64 or unknown."),
        ("correlation", 1.0, "too skewed for so few networks; draw more."),
    ],
)
def test_why_layers_are_not_judged_and_what_helps(quantity, measured, words):
    profile = LayerProfile([1.0, measured], [0.1, 0.1], "simulation")
    z, p = np.array([0.0, np.nan]), np.array([1.0, np.nan])
    found = Comparison(profile, profile, quantity, z, profile.errors, p, 1e-6, 9, "it")
    assert f"1 of 2 layers are not judged: {words}" in str(found)
