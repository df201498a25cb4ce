"""What several test files set up."""

import os
import sys

import pytest
from browser import CHROMIUM

# Before NumPy is loaded: pytest has a process a core, and BLAS's threads would burn it while they wait for one another.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


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
