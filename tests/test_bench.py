import sys
from pathlib import Path

import pytest
from evidence import needs_compiler

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"


@needs_compiler
@pytest.mark.filterwarnings("ignore")  # peers may warn as they like
def test_the_bench_runs_with_whatever_peers_are_there(monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import bench

    bench.main(["--quick"])
    out = capsys.readouterr().out
    assert "| varprop conditional ÷ NumPy |" in out
    assert "times NumPy's ziggurat" in out
    for name, package in (("PyTorch", "torch"), ("JAX rbg", "jax")):
        assert (f"÷ {name} |" in out) == (package in sys.modules)
        assert (f"Not measured: {name} (" in out) == (package not in sys.modules)
