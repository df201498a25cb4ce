"""Tabs of Chromium, which the tests of the page and of the docs open, and what axe finds there."""

import os

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
AXE = os.environ.get("AXE")  # axe.min.js, which `make test-browser` brings
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


def new_tab(chromium, viewport, **options):
    """Open a tab without a network; what its console says and what it throws is added to ``tab.faults``."""
    context = chromium.new_context(viewport=viewport, offline=True, **options)
    context.set_default_timeout(120_000)  # a busy machine is slow
    tab = context.new_page()
    tab.faults = []
    tab.on("console", lambda message: tab.faults.append(message.text))
    tab.on("pageerror", lambda error: tab.faults.append(str(error)))
    return tab


def assert_nothing_serious(tab, within=""):
    """Assert that axe finds nothing serious in a tab, or in what ``within`` selects."""
    tab.add_script_tag(path=AXE)
    faults = tab.evaluate(f"axe.run({within!r} || document).then(found => found.violations)")
    shown = [(fault["impact"], fault["id"], fault["nodes"][0]["html"]) for fault in faults]
    assert [fault for fault in shown if fault[0] in ("serious", "critical")] == []
