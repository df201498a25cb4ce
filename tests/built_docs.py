"""The pages that `make docs` has built are whole, and need no network: `make docs` runs this when it has built them."""

import re
from functools import cached_property
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlparse

import pytest

BUILT = Path(__file__).resolve().parent.parent / "docs" / "_build"
PAGES = sorted(BUILT.rglob("*.html"))
LOADED = {  # what a browser fetches by itself: a tag, and the attributes that name it
    "script": ("src",),
    "img": ("src", "srcset"),
    "iframe": ("src",),
    "source": ("src", "srcset"),
    "video": ("src", "poster"),
    "audio": ("src",),
    "embed": ("src",),
    "object": ("data",),
    "image": ("href", "xlink:href"),
    "use": ("href", "xlink:href"),
}
FETCHING = {"stylesheet", "icon", "shortcut", "preload", "prefetch", "modulepreload", "preconnect", "dns-prefetch"}
STYLE = re.compile(r"""(?:url\(\s*|@import\s+(?!url))["']?([^"')\s;]+)""")


class Page(HTMLParser):
    """What a page loads, where its links lead, and its anchors."""

    def __init__(self, text):
        super().__init__()
        self.loads, self.links, self.ids, self.maths, self.style, self.words = [], [], set(), 0, False, []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        found = {name: value or "" for name, value in attributes}
        self.ids.add(found.get("id"))
        self.maths += tag == "math"
        self.style = tag == "style"
        self.quiet = tag in ("pre", "code", "script")
        self.loads += [found[name] for name in LOADED.get(tag, ()) if name in found]
        if tag == "link" and FETCHING & set(found.get("rel", "").split()):
            self.loads.append(found["href"])
        self.loads += STYLE.findall(found.get("style", ""))
        if tag == "a" and "href" in found:
            self.links.append(found["href"])

    def handle_data(self, data):
        if self.style:
            self.loads += STYLE.findall(data)
        self.words.append(data)

    @cached_property
    def text(self):
        return " ".join(self.words)


def outside(address):
    return bool(re.match(r"(?:[a-z]+:)?//", address, re.IGNORECASE))


@pytest.fixture(scope="module")
def pages():
    return {page: Page(page.read_text(encoding="utf-8")) for page in PAGES}


def test_every_page_was_built(pages):
    from pages import DOCS
    from pages import PAGES as SOURCES

    names = [(DOCS.parent / name).relative_to(DOCS) for name in SOURCES if name != "README.md"]
    assert {BUILT / name.with_suffix(".html") for name in names} <= set(pages)
    assert len(pages) > 40


def test_no_page_loads_anything_from_a_network(pages):
    found = {page.name: [a for a in content.loads if outside(a)] for page, content in pages.items()}
    assert {name: addresses for name, addresses in found.items() if addresses} == {}
    assert sum(len(content.loads) for content in pages.values()) > 100


def test_no_style_script_or_picture_loads_anything_from_a_network():
    styles = [path for path in BUILT.rglob("*") if path.suffix in (".css", ".svg")]
    assert len(styles) > 10
    for path in styles:
        text = path.read_text(encoding="utf-8")
        assert [a for a in STYLE.findall(text) if outside(a)] == [], path
        assert not re.search(r"<(?:image|use|script)[^>]*href=[\"']\w+://", text), path


@pytest.mark.parametrize(
    "wrong",
    [
        '<script src="https://cdn.example/x.js"></script>',
        '<link rel="stylesheet" href="//fonts.example/f.css">',
        '<img src="http://a.example/p.png">',
        "<style>@import url(https://a.example/f.css);</style>",
        '<p style="background: url(https://a.example/p.png)">',
    ],
)
def test_a_page_that_loads_from_a_network_would_be_found(wrong):
    assert [a for a in Page(f"<html>{wrong}</html>").loads if outside(a)]


def test_links_and_pictures_lead_somewhere(pages):
    ids = {page: content.ids for page, content in pages.items()}
    for page, content in pages.items():
        if "_modules" in page.parts:  # the sources, whose links back are viewcode's
            continue
        for address in content.loads + content.links:
            parts = urlparse(address)
            if parts.scheme or outside(address):
                continue
            target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            assert target.exists(), f"{page.name}: {address}"
            if parts.fragment and target in ids:
                assert unquote(parts.fragment) in ids[target], f"{page.name}: {address}"


def test_mathematics_is_typeset_when_built(pages):
    count = {page.stem: content.maths for page, content in pages.items() if page.parent.name == "derivations"}
    assert set(count) == {"forward", "backward", "pair", "law"}
    assert min(count.values()) > 20
    for page, content in pages.items():
        if "_modules" not in page.parts:
            assert not re.search(r"\\(?:frac|mathrm|sqrt|sum)\b|\$\$", content.text), page.name


def test_mathematics_has_its_spaces():
    text = "".join(page.read_text(encoding="utf-8") for page in (BUILT / "derivations").glob("*.html"))
    assert '<mi>ln</mi><mspace width="0.15em"/><msub>' in text
    assert text.count('<mo lspace="0" rspace="0">/</mo>') > 20
    for wrong in (
        "<mo>&#x0002F;</mo>",
        "<mi>&#x0007E;</mi>",
        "<mtext>E</mtext><mi>",
        "<mi>ln</mi><mi>",
        ">(</mo><mo>&#x02212;",
    ):
        assert wrong not in text


def test_what_is_scrolled_is_reached_by_keys():
    for page in (page for page in PAGES if "_modules" not in page.parts):  # sources are written when they change alone
        text = page.read_text(encoding="utf-8")
        assert "<pre>" not in text, page.name
        assert "<p><img " not in text, page.name
        assert text.count('class="math formula"') == text.count('<div class="wide" tabindex="0">'), page.name


def test_the_search_needs_no_server():
    index = (BUILT / "searchindex.js").read_text(encoding="utf-8")
    assert index.startswith(
        "Search.setIndex("
    )  # a script, which a browser loads from disk; not JSON, which it would not
    options = (BUILT / "_static" / "documentation_options.js").read_text(encoding="utf-8")
    assert "SHOW_SEARCH_SUMMARY: false" in options  # a summary would be fetched
