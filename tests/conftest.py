"""What several test files set up."""

import sys

import pytest
from browser import CHROMIUM


@pytest.fixture(scope="module")
def chromium():
    """A browser without tabs."""
    from playwright.sync_api import sync_playwright  # an extra, which other tests do without

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def one_torch_thread():
    """PyTorch on one thread: its tests run beside others. For files that have imported torch."""
    torch = sys.modules["torch"]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
