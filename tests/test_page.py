"""The page that teaches, as a file: one text, no network, written whole. tests/browser_page.py opens it."""

import re
import sys

import pytest

from varprop import activations, initializers, page
from varprop.cli import main

FETCHES = re.compile(r"""(?:src|href)\s*=\s*["']?(?!#)[^"'\s>]+|url\(|@import|\bfetch\(|import\(|XMLHttp|WebSocket""")


def fetched(text):
    """Return what would make a browser ask for something else than the page."""
    return [re.sub("[\"' ]", "", found) for found in FETCHES.findall(text)]


@pytest.fixture
def call(capsys, monkeypatch, tmp_path):
    """The command line in an empty folder: exit status, stdout, stderr."""
    monkeypatch.chdir(tmp_path)

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["varprop", *words])
        with pytest.raises(SystemExit) as end:
            main()
        return end.value.code or 0, *capsys.readouterr()

    return run


def test_the_page_is_complete_in_one_small_text():
    text = page.html()
    assert len(text.encode()) < 500_000
    assert not re.search(r"/\* [\w.]+ \*/", text), "a part is missing"
    assert fetched(text) == []
    addresses = set(re.findall(r"\w+://[^\s\"'<]+", text))
    assert addresses == {"http://www.w3.org/2000/svg"}, "the name of SVG, which nothing fetches"
    assert "default-src 'none'" in text


def test_what_is_fetched_would_be_seen():
    text = '<script src="//x.org/a.js"><a href="#here"><a href=\'b.css\'> .a { background: url(c.png) } fetch("d")'
    assert fetched(text) == ["src=//x.org/a.js", "href=b.css", "url(", "fetch("]


def test_what_it_shares_comes_from_the_package():
    shared = page.data()
    assert set(shared["activations"]) == set(activations.NAMES)
    assert shared["activations"]["leaky_relu"]["slopes"] == (0.01, 1.0)
    assert shared["initializers"]["he"] == {"scale": initializers.initializer("he").scale, "mode": "fan_in"}
    choices = set(re.findall(r'name="weights" value="(\w+)"', page.html()))
    assert choices == set(page.LAWS)


def test_the_command_writes_a_new_file(call, tmp_path):
    assert call("page") == (0, "", "varprop: wrote varprop.html; open it in a browser.\n")
    assert (tmp_path / "varprop.html").read_text(encoding="utf-8") == page.html()
    assert call("page", "--output", "other.html")[0] == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other.html", "varprop.html"]


def test_a_file_that_is_there_is_left_as_it_was(call, tmp_path):
    (tmp_path / "varprop.html").write_text("mine")
    status, out, err = call("page")
    assert (status, out) == (2, "")
    assert err == "varprop: varprop.html exists already; name another file, or remove it first.\n"
    assert (tmp_path / "varprop.html").read_text() == "mine"


@pytest.mark.parametrize("name", ["no/folder/page.html", "."])
def test_a_place_where_nothing_can_be_written_is_named(call, tmp_path, name):
    status, out, err = call("page", "--output", name)
    assert (status, out) == (2, "")
    assert err.startswith(f"varprop: cannot write {name}")
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
