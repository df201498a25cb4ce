"""Reports: one page of HTML that needs nothing else, with the numbers of theory and of simulation."""

import json
import re
import sys
from html.parser import HTMLParser

import numpy as np
import pytest
from made_audit import made, truth

import varprop
from varprop import Network, compare, custom_activation, plots, simulate, theory
from varprop.audits import WeightPrediction
from varprop.cli import main
from varprop.layer_profile import LayerProfile
from varprop.layers import Dense, LayerNorm, Residual
from varprop.tables import comparison_parts
from varprop.verdicts import Finding, Verdict

NETWORK = Network([4, 8, 3], "relu")
VOID = {"meta", "br", "link", "input"}
HOSTILE = "<img src=x onerror=alert('&')>\"'"


class Page(HTMLParser):
    """A page's elements, its words and what its attributes say; raises where tags do not close as they open."""

    def __init__(self, html):
        super().__init__()
        self.open, self.tags, self.ids, self.links, self.rows, self.text = [], [], [], [], [], ""
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        given = dict(attrs)
        self.ids += [value for name, value in attrs if name == "id"]
        self.links += [v for k, v in attrs if k in ("src", "href", "srcset", "action", "xlink:href", "data")]
        assert not any(name.startswith("on") for name in given), given
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data
        if self.open and self.open[-1] in ("td", "th"):
            self.rows[-1][-1] += data


@pytest.fixture(scope="module")
def found():
    return varprop.report(NETWORK, networks=300, seed=5)


@pytest.fixture
def undrawn(monkeypatch):
    """Leave figures out, which take most of a report's time."""
    monkeypatch.setattr(plots, "inline_svg", lambda draw, *words: "<svg></svg>")


def without_figures(html):
    return re.sub(r"<svg.*?</svg>", "<svg></svg>", html, flags=re.DOTALL)


def test_a_page_needs_nothing_else(found):
    page = Page(found.html)
    assert "script" not in page.tags
    assert len(set(page.ids)) == len(page.ids) > 0
    assert {"h1", "svg", "table", "style", "details"} <= set(page.tags)
    for link in page.links:
        assert link.startswith(("#figure", "data:application/json,")), link
        assert not link.startswith("#") or link[1:] in page.ids
    assert not re.search(r"url\((?!#figure)", found.html)
    assert "@import" not in found.html
    colours = set(re.findall(r"#[0-9a-f]{6}\b", "".join(re.findall(r"<svg.*?</svg>", found.html, re.DOTALL))))
    assert colours == set()  # all of them are the page's, which changes them at night


def test_it_holds_what_compare_says_of_the_same_networks(found):
    comparisons = [
        compare(simulate.forward(NETWORK, networks=300, seed=5), theory.forward(NETWORK)),
        compare(simulate.backward(NETWORK, networks=300, seed=5), theory.backward(NETWORK)),
    ]
    rows = Page(found.html).rows
    for comparison in comparisons:
        for row in comparison_parts(comparison)[1][1]:
            assert row in rows
        assert any(f"p = {comparison.p_value:.2g}." in words for words in found.verdicts)
    assert ["1", "4 × 0.5 × 1 + 0", "2", "relu", "1", ""] in rows
    assert str(found).splitlines() == list(found.verdicts)


@pytest.mark.slow
def test_its_command_makes_it_again(found, tmp_path, monkeypatch, capsys, undrawn):
    command = re.search(r"varprop report network\.json [^<]*", found.html)[0].split()
    text = json.loads(re.search(r"<code>(\{.*?\n\})", found.html.replace("&quot;", '"'), re.DOTALL)[1])
    monkeypatch.chdir(tmp_path)
    (tmp_path / "network.json").write_text(json.dumps(text))
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(SystemExit) as end:
        main()
    assert not end.value.code
    out, err = capsys.readouterr()
    assert out == f"{found}\n"
    assert err == "varprop: wrote network-report.html.\n"
    again = (tmp_path / "network-report.html").read_text(encoding="utf-8")
    assert Page(again).rows == Page(found.html).rows
    assert varprop.report(NETWORK, networks=300, seed=5).html == without_figures(found.html)


def test_equal_figures_give_equal_text():
    def draw(ax):
        ax.plot([1, 2], [1, 10], label="<theory>")
        ax.legend()

    first = plots.inline_svg(draw, "figure3", "one & two")
    assert first == plots.inline_svg(draw, "figure3", "one & two")
    assert first.startswith("<svg ")
    assert 'aria-label="one &amp; two"' in first
    assert "&lt;theory&gt;" in first
    assert "var(--colour-" in first or "currentColor" in first


def test_what_people_name_cannot_write_html(undrawn):
    phi = custom_activation(lambda z: z * 0.5, name=HOSTILE)
    page = Page(varprop.report(Network([2, 2, 1], phi), networks=20, backward=False).html)
    assert HOSTILE in page.text
    assert "img" not in page.tags
    assert "no file holds" in page.text


def test_a_graph_data_two_inputs_and_a_gradient_that_nobody_knows(undrawn):
    network = Network.sequential(3, Residual(LayerNorm(), Dense(3)), Dense(2))
    rows = np.array([[1.0, 2.0, 3.0], [0.0, 1.0, -1.0]])
    found = varprop.report(network, rows, networks=50, pair=True, quantity="log_mean")
    page = Page(found.html)
    assert [words.partition(":")[0] for words in found.verdicts][-1] == "correlation"
    assert "block 1 / dense 1" in [row[0] for row in page.rows]
    assert "--pair --quantity log_mean --inputs inputs.npy --networks 50" in page.text
    assert re.search(r"an array of 2 × 3 numbers, SHA-256 of its float64 [0-9a-f]{64}\.", page.text)
    assert found._repr_html_().startswith("<iframe title=")
    assert "<html" not in found._repr_html_()
    unknown = Network.sequential(4, Residual(Dense(4), shortcut=LayerNorm()), Residual(LayerNorm()))
    with pytest.raises(ValueError, match=r"half_square"):
        varprop.report(unknown, networks=10, loss="half_square")
    with pytest.raises(ValueError, match=r"unknown loss 'x'"):
        varprop.report(NETWORK, networks=10, loss="x")


def test_an_audits_report_has_its_findings_and_numbers(undrawn):
    places = [{"name": f"layers.{i}", "signal": 0.5**i} for i in range(9)]
    weights = tuple(truth(f"layers.{i}.weight", rule=HOSTILE) for i in range(9))
    names = tuple(place["name"] for place in places)
    given = LayerProfile([2.0 * 0.5**i for i in range(9)], np.full(9, 0.01), "weights", names=names)
    predicted = WeightPrediction(given, np.full(9, 0.25), ("",) * 9)
    audit = made(places, model=HOSTILE, weights=weights, notes=(HOSTILE,), predicted=predicted)
    found = varprop.report(audit)
    page = Page(found.html)
    assert "script" not in page.tags
    assert "img" not in page.tags
    assert page.text.count(HOSTILE) >= 11
    for finding in audit.findings:
        assert finding.sentence in page.text
        assert finding.mend in page.text
    assert found.verdicts == (audit.verdict,)
    assert isinstance(audit.judged, Verdict)
    assert all(isinstance(finding, Finding) for finding in audit.findings)
    assert ["layers.3", "2 × 0.125 + 0", "0.25", "0.125", "+0.25", "× 0.5"] in page.rows
    with pytest.raises(TypeError, match="leave out seed"):
        varprop.report(audit, seed=1)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--output", "none/x.html"], "cannot write none/x.html: there is no folder none."),
        (["--output", "x.pdf"], "'x.pdf'; give one that ends in .html."),
        (["--output", "."], "'.'; give one that ends in .html."),
        (["--correlation", "0.5"], "--correlation says something about --pair"),
        (["--loss", "linear", "--no-backward"], "--loss says something about gradients"),
        (["--position", "two"], "--position is 'two'"),
        (["--position", "1"], "--position is 1; this network has 0 alone."),
        (["--loss", "hinge"], "unknown loss 'hinge'"),
        (["--quantity", "size"], "no record here has the quantity 'size'; choose one of variance,"),
        (["--output", ""], "'' names no file"),
    ],
)
def test_what_is_wrong_is_said_before_the_work(words, said, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(simulate, "forward", lambda *args, **options: pytest.fail("it was measured"))
    monkeypatch.setattr(sys, "argv", ["varprop", "report", "4,8,3", *words])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    assert said in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_network_has_no_report():
    with pytest.raises(TypeError, match=r"report is of \[4, 3\]; give a varprop.Network or an audit"):
        varprop.report([4, 3])
