"""What several test files set up."""

import sys

import pytest


@pytest.fixture
def one_torch_thread():
    """PyTorch on one thread: its tests run beside others. For files that have imported torch."""
    torch = sys.modules["torch"]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
