import ast
import functools
import importlib.util
import json
import pickle
import re
import subprocess
from pathlib import Path

import pytest
from evidence import needs_compiler

from varprop import theory

ANALYSIS = Path(__file__).resolve().parent.parent / "analysis"
SCRIPTS = sorted(p.stem for p in ANALYSIS.glob("*.py") if p.stem != "common")

# Where fewer than a million networks do: what theory leaves out at this width matters more than sampling.
FEWER = {"activation_growth": 50_000, "phase_diagram": 20_000, "correlation_depth": 10_000, "first_order": 100_000}
FEWER |= {"residual_depth": 300, "norm_placement": 1_000}  # of width 4096 and 2048
FEWER |= {"multiplier_training": 32_000, "multiplier_importance": 64 * 40}  # trained, and not held against theory


@pytest.fixture(autouse=True)
def _close():
    yield
    from matplotlib import pyplot

    pyplot.close("all")  # it warns of more than 20


def load(name, monkeypatch):
    monkeypatch.syspath_prepend(str(ANALYSIS))
    spec = importlib.util.spec_from_file_location(name, ANALYSIS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def z_scores(numbers):
    """Yield every z in a figure's numbers."""
    for key, value in numbers.items():
        if key == "z":
            yield from (z for z in value if z is not None)  # null where there are too few networks to judge
        elif isinstance(value, dict):
            yield from z_scores(value)


# Trained at one width, or with widths that are the subject.
WIDTHS_OF_ITS_OWN = {"multiplier_training", "multiplier_importance", "first_order", "sampling_error"}


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_figure_that_speaks_of_n_takes_your_own(name, monkeypatch, capsys):
    with pytest.raises(SystemExit):
        load(name, monkeypatch).main(["--help"])
    said = capsys.readouterr().out
    assert ("--fan-in" in said) == (name not in WIDTHS_OF_ITS_OWN)
    assert "--format {svg,png,pdf}" in said
    if name not in WIDTHS_OF_ITS_OWN:
        numbers = json.loads((ANALYSIS.parent / "figures" / f"{name}.json").read_text())
        assert f"(default: {numbers['fan_in']})" in said


@needs_compiler
def test_a_figure_is_drawn_in_the_format_and_of_the_n_that_were_asked(monkeypatch, tmp_path, capsys):
    main = load("single_neuron", monkeypatch).main
    main(["--networks", "200", "--fan-in", "12", "--format", "png", "--output", str(tmp_path)])
    assert (tmp_path / "single_neuron_n12.png").read_bytes().startswith(b"\x89PNG")
    numbers = json.loads((tmp_path / "single_neuron_n12.json").read_text())
    assert (numbers["fan_in"], numbers["n"]) == (12, [1, 3, 6, 12])
    assert capsys.readouterr().err == f"wrote {tmp_path / 'single_neuron_n12'}.png and .json\n"
    for wrong in (["--fan-in", "0"], ["--fan-in", "n"], ["--networks", "-3"]):
        with pytest.raises(SystemExit):
            main(wrong)
        assert f"{wrong[1]!r} is no whole number above 0" in capsys.readouterr().err


def remembering(function):
    """Return a function of theory that gives again what it gave before to equal arguments: theory draws nothing."""
    given = {}

    @functools.wraps(function)
    def ask(*arguments, **options):
        key = pickle.dumps((arguments, options))
        if key not in given:
            given[key] = function(*arguments, **options)
        return given[key]

    return ask


@pytest.mark.slow
@needs_compiler
@pytest.mark.parametrize("name", SCRIPTS)
def test_each_figure_is_drawn_and_equal_twice(name, monkeypatch, tmp_path, capsys):
    for asked in ("forward", "backward", "pair", "tune", "phase_diagram"):
        monkeypatch.setattr(theory, asked, remembering(getattr(theory, asked)))
    module = load(name, monkeypatch)
    for folder in ("one", "two"):
        module.main(["--quick", "--seed", "3", "--output", str(tmp_path / folder)])
    for suffix in (".svg", ".json"):
        one, two = ((tmp_path / folder / f"{name}{suffix}").read_bytes() for folder in ("one", "two"))
        assert one == two
    numbers = json.loads((tmp_path / "one" / f"{name}.json").read_text())
    assert max((abs(z) for z in z_scores(numbers)), default=0) < 7
    assert "wrote" in capsys.readouterr().err


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_committed_figure_has_its_numbers_and_they_agree_with_theory(name):
    figures = ANALYSIS.parent / "figures"
    numbers = json.loads((figures / f"{name}.json").read_text())
    assert numbers["networks"] >= FEWER.get(name, 1_000_000)
    assert max((abs(z) for z in z_scores(numbers)), default=0) < 7
    assert (figures / f"{name}.svg").read_text().startswith("<?xml")


def test_the_makefile_makes_every_figure():
    dry = subprocess.run(["make", "-n", "figures"], cwd=ANALYSIS.parent, capture_output=True, text=True, check=True)
    assert sorted(re.findall(r"python analysis/(\w+)\.py", dry.stdout)) == SCRIPTS


def test_scripts_are_short():
    for name in SCRIPTS:
        text = (ANALYSIS / f"{name}.py").read_text()
        caption = ast.parse(text).body[0]
        assert len(text.splitlines()) - caption.end_lineno <= 65, name
