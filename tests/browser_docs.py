"""The pages that `make docs` has built, in a real browser, wide and as a phone: `make test-browser`."""

import os

import pytest
from built_docs import BUILT, PAGES
from playwright.sync_api import sync_playwright

AXE = os.environ.get("AXE")  # axe.min.js, which `make test-browser` brings
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
SHOWN = [page for page in PAGES if "_modules" not in page.parts]
SIZES = {"wide": {"width": 1280, "height": 900}, "phone": {"width": 390, "height": 844}}
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


@pytest.fixture(scope="module")
def chromium():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


def open_tab(chromium, size, colours):
    context = chromium.new_context(viewport=SIZES[size], color_scheme=colours, offline=True)
    context.set_default_timeout(120_000)  # a busy machine is slow
    return context, context.new_page()


@pytest.mark.parametrize(("size", "colours"), [("wide", "dark"), ("phone", "light")])
def test_every_page_fits_and_is_whole(chromium, size, colours):
    context, tab = open_tab(chromium, size, colours)
    said = []
    tab.on("console", lambda message: said.append(message.text))
    tab.on("pageerror", lambda error: said.append(str(error)))
    found = {}
    for page in SHOWN:
        tab.goto(f"file://{page}")
        found[str(page.relative_to(BUILT))] = {what: which for what, which in tab.evaluate(FAULTS).items() if which}
    context.close()
    assert len(found) > 40
    assert {page: faults for page, faults in found.items() if faults} == {}
    assert said == []


WRONG = {
    "outside": """document.querySelector("article p").innerHTML = '<div style="width: 2000px">wide</div>'""",
    "covered": """for (const number of document.querySelectorAll(".eqno")) number.style.position = "absolute" """,
    "missing": """document.querySelector("article").insertAdjacentHTML("beforeend", "<p><img src='no.svg'></p>")""",
    "untitled": """document.querySelector("article h1").remove()""",
}


@pytest.mark.parametrize("what", WRONG)
def test_a_page_with_a_fault_is_found(chromium, what):
    context, tab = open_tab(chromium, "phone", "light")
    tab.goto(f"file://{BUILT / 'derivations' / 'forward.html'}")
    assert not any(tab.evaluate(FAULTS).values())
    tab.evaluate(WRONG[what])
    tab.wait_for_timeout(200)
    assert tab.evaluate(FAULTS)[what]
    context.close()


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_axe_finds_nothing_serious(chromium, colours):
    context, tab = open_tab(chromium, "phone", colours)
    tab.goto(f"file://{BUILT / 'graphs.html'}")
    tab.add_script_tag(path=AXE)
    faults = tab.evaluate("axe.run('article').then(found => found.violations)")
    shown = [(fault["impact"], fault["id"], fault["nodes"][0]["html"]) for fault in faults]
    context.close()
    assert [fault for fault in shown if fault[0] in ("serious", "critical")] == []


def test_the_search_finds_words_without_a_server(chromium):
    context, tab = open_tab(chromium, "phone", "light")
    tab.goto(f"file://{BUILT / 'search.html'}?q=calibration")
    tab.wait_for_selector("#search-results li a")
    assert "calibration" in tab.get_attribute("#search-results li a", "href")
    context.close()
