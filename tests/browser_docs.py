"""The pages that `make docs` has built, in a real browser, wide and as a phone: `make test-browser`."""

import pytest
from browser import DESKTOP, PHONE, assert_nothing_serious, new_tab
from built_docs import BUILT, PAGES

SHOWN = [page for page in PAGES if "_modules" not in page.parts]
SIZES = {"wide": DESKTOP, "phone": PHONE}
FAULTS = """() => {
  const all = (what) => [...document.querySelectorAll(what)], box = (e) => e.getBoundingClientRect();
  const begin = (e) => e.outerHTML.slice(0, 80);
  const inside = (e) => {  // of what is scrolled by itself
    for (let one = e.parentElement; one.tagName !== "ARTICLE"; one = one.parentElement)
      if (getComputedStyle(one).overflowX !== "visible") return true;
    return false;
  };
  const number = (e) => box(e.previousElementSibling).right > box(e).left;
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const figures = all("article img[src$='.svg']");
  return {
    sideways: Math.max(0, document.documentElement.scrollWidth - innerWidth),
    outside: all("article *").filter((e) => box(e).right > innerWidth + 1 && !inside(e)).map(begin),
    covered: all(".formula .eqno").filter(number).map(begin),
    flat: all("math").filter((e) => box(e).height < 5).map(begin),
    missing: figures.filter((e) => !e.complete || !e.naturalWidth).map((e) => e.src),
    white: figures.filter((e) => dark !== getComputedStyle(e).filter.includes("invert")).map((e) => e.src),
    untitled: all("article h1").length || document.title.startsWith("Search") ? [] : [document.title],
  };
}"""


@pytest.fixture
def opened(chromium):
    """A function that opens an empty tab of this size and these colours."""
    tabs = []

    def open_tab(size, colours):
        tabs.append(new_tab(chromium, SIZES[size], color_scheme=colours))
        return tabs[-1]

    yield open_tab
    for tab in tabs:
        tab.context.close()


@pytest.mark.parametrize(("size", "colours"), [("wide", "dark"), ("phone", "light")])
def test_every_page_fits_and_is_whole(opened, size, colours):
    tab = opened(size, colours)
    found = {}
    for page in SHOWN:
        tab.goto(f"file://{page}")
        found[str(page.relative_to(BUILT))] = {what: which for what, which in tab.evaluate(FAULTS).items() if which}
    assert len(found) > 40
    assert {page: faults for page, faults in found.items() if faults} == {}
    assert tab.faults == []


WRONG = {
    "outside": """document.querySelector("article p").innerHTML = '<div style="width: 2000px">wide</div>'""",
    "covered": """for (const number of document.querySelectorAll(".eqno")) number.style.position = "absolute" """,
    "missing": """document.querySelector("article").insertAdjacentHTML("beforeend", "<p><img src='no.svg'></p>")""",
    "untitled": """document.querySelector("article h1").remove()""",
}


@pytest.mark.parametrize("what", WRONG)
def test_a_page_with_a_fault_is_found(opened, what):
    tab = opened("phone", "light")
    tab.goto(f"file://{BUILT / 'derivations' / 'forward.html'}")
    assert not any(tab.evaluate(FAULTS).values())
    tab.evaluate(WRONG[what])
    tab.wait_for_timeout(200)
    assert tab.evaluate(FAULTS)[what]


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_axe_finds_nothing_serious(opened, colours):
    tab = opened("phone", colours)
    tab.goto(f"file://{BUILT / 'graphs.html'}")
    assert_nothing_serious(tab, "article")


def test_the_search_finds_words_without_a_server(opened):
    tab = opened("phone", "light")
    tab.goto(f"file://{BUILT / 'search.html'}?q=calibration")
    tab.wait_for_selector("#search-results li a")
    assert "calibration" in tab.get_attribute("#search-results li a", "href")
