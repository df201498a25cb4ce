"""Starting up: what is compiled, what is found on disk, and what the machine code calls."""

import re
import subprocess
import sys
import time

import numpy as np
import pytest
from evidence import needs_compiler
from numba import float32, float64, njit, uint64

from varprop import progress, theory
from varprop.kernels import activations, derivatives, normal, options

LIBM = re.compile(r"(?<![\w.])(?:log|log1p|exp|expm1|sin|cos|tanh|erf|pow)f?(?![\w.])")


def libm_calls(dispatcher, *signature):
    """Return the functions of libm that the machine code of ``dispatcher`` names."""
    dispatcher.compile(signature)
    return sorted(set(LIBM.findall(dispatcher.inspect_asm(dispatcher.signatures[-1]))))


@pytest.mark.slow
@needs_compiler
def test_no_loop_over_lanes_calls_libm():
    assert libm_calls(normal.normals, float32[::1], uint64, uint64, uint64, uint64) == []
    forms = [*activations.BLOCKS.values(), *activations.QUICK_BLOCKS.values(), *derivatives.BLOCKS.values()]
    assert len(forms) == 25
    for form in forms:
        assert libm_calls(njit(**options.CALLED)(form.function), *form.signature) == []
    control = njit(lambda x: np.log(x) + np.exp(x))
    assert libm_calls(control, float64) == ["exp", "log"]


@pytest.mark.slow
@needs_compiler
def test_a_second_process_finds_every_kernel_on_disk():
    code = (
        "from numba.core import event\n"
        "from varprop import Network, simulate\n"
        "from varprop.layers import Dense, Residual\n"
        "with event.install_recorder('numba:compile') as compiled:\n"
        "    for method in ('conditional', 'dense'):\n"
        "        for measure in (simulate.forward, simulate.backward):\n"
        "            measure(Network([2, 3, 2], 'tanh'), networks=10, method=method)\n"
        "    measure(Network.sequential(2, Residual(Dense(None), 'gelu', Dense(None))), networks=10)\n"
        "print(len(compiled.buffer))\n"
    )
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True) for _ in range(2)]
    assert runs[1].stdout == "0\n"


@needs_compiler
def test_an_installation_without_a_writable_folder_still_compiles(monkeypatch):
    def read_only(**how):
        if how.get("cache"):
            raise RuntimeError("cannot cache function: no locator available")
        return njit(**how)

    monkeypatch.setattr(options, "njit", read_only)
    assert options.cached(lambda x: x + 1)(1) == 2


def test_a_long_compilation_is_said(monkeypatch, capsys):
    monkeypatch.setattr(progress, "SHOW_AFTER", 0.0)
    said = ""
    with progress.says_when_slow("compiling ...", progress=True):
        for _ in range(600):
            said += capsys.readouterr().err
            if said:
                break
            time.sleep(0.05)
    assert said == "varprop: compiling ...\n"
    with progress.says_when_slow("compiling ...", progress=False):
        pass
    assert capsys.readouterr().err == ""


KERNELS = ["numba", "llvmlite", "varprop.kernels"]
REST = ["matplotlib", "scipy.stats", "torch"]


def loaded(code, modules):
    """Return which of ``modules`` a fresh process has loaded after ``code``."""
    end = f"print([m for m in {modules} if m in sys.modules], file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}\n{end}"], capture_output=True, text=True, check=True
    )
    return done.stderr.strip()


def test_importing_varprop_imports_nothing_slow():
    later = [
        f"varprop.theory.{part}" for part in ("chain.forward", "infinite", "fixed", "gaussian", "blocks", "losses")
    ]
    slow = [*KERNELS, *REST, *later, "rich", "typer", "scipy.special", "scipy.optimize", "scipy.fft", "scipy.integrate"]
    assert loaded("from varprop import Network, compare, custom_activation, simulate, theory", slow) == "[]"


def test_what_draws_no_network_loads_no_kernel():
    lines = [["predict", "4,1"], ["predict", "4,1", "--backward"], ["gain", "tanh"], ["simulate", "--help"], ["--help"]]
    code = (
        "from varprop.cli import main\n"
        f"for words in {lines}:\n"
        "    sys.argv = ['varprop', *words]\n"
        "    try:\n        main()\n    except SystemExit as end:\n        assert not end.code, end.code"
    )
    assert loaded(code, [*KERNELS, *REST]) == "[]"


def test_what_theory_loads_late_is_there():
    assert set(dir(theory)) == set(theory.__all__)
    assert all(callable(getattr(theory, name)) for name in theory.__all__ if name != "FORMATS")
    with pytest.raises(AttributeError, match="no attribute 'gian'"):
        theory.gian  # noqa: B018


def test_the_first_simulation_loads_the_kernels():
    code = "from varprop import Network, simulate\nsimulate.forward(Network([2, 3]), networks=2)"
    assert loaded(code, ["varprop.kernels", *REST]) == "['varprop.kernels']"


def test_without_pytorch_its_part_says_what_to_install():
    code = (
        "sys.modules['torch'] = None  # as if it were not installed\n"
        "import varprop\n"
        "try:\n    varprop.pytorch\nexcept ImportError as error:\n    print(error, file=sys.stderr)"
    )
    assert loaded(code, []) == "varprop.pytorch needs PyTorch: pip install 'varprop[pytorch]'\n[]"


def test_the_libm_pattern_knows_calls_from_names():
    assert LIBM.findall("\tmovabsq\t$logf, %rax\n\tcallq\tpow\n") == ["logf", "pow"]
    assert LIBM.findall("\tjmp\t.Lexp_12\n_ZN3log4sinE\n") == []
