import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from evidence import needs_compiler

from varprop import theory
from varprop.cli import main

WIDTHS = "8,16*3,4"


def run(capsys, monkeypatch, *words):
    """Return exit status, stdout and stderr of the command line."""
    monkeypatch.setattr(sys, "argv", ["varprop", *words])
    with pytest.raises(SystemExit) as end:
        main()
    out, err = capsys.readouterr()
    return end.value.code or 0, out, err


@pytest.fixture
def call(capsys, monkeypatch):
    return lambda *words: run(capsys, monkeypatch, *words)


def test_predict(call):
    status, out, _ = call("predict", WIDTHS, "-a", "relu", "-w", "he")
    assert status == 0
    assert "8,16*3,4, relu, he; theory, exact" in out
    status, out, _ = call("predict", WIDTHS, "--json", "--multiplier", "0.5")
    assert status == 0
    assert json.loads(out)["variance"]["values"] == pytest.approx([1, 0.5, 0.25, 0.125])


def test_simulate(call):
    status, out, _ = call("simulate", WIDTHS, "-n", "300", "--seed", "7")
    assert status == 0
    assert "300 networks" in out
    assert "±" in out
    result = json.loads(call("simulate", WIDTHS, "-n", "300", "--seed", "7", "--json")[1])
    assert result["networks"] == 300
    assert len(result["variance"]["values"]) == 4
    assert result == json.loads(call("simulate", WIDTHS, "-n", "300", "-s", "7", "--json", "--threads", "1")[1])


@needs_compiler
def test_check_agrees_with_status_0_and_disagrees_with_1(call):
    status, out, _ = call("check", WIDTHS, "-n", "2000")
    assert status == 0
    assert "agree" in out
    status, out, _ = call("check", "16*9", "-a", "tanh", "-w", "lecun", "-n", "100000", "--order", "infinite")
    assert status == 1
    assert "DISAGREE" in out
    result = json.loads(call("check", WIDTHS, "-n", "2000", "--json", "--quantity", "log_mean")[1])
    assert result["agrees"] is True
    assert result["quantity"] == "log_mean"


def test_check_ends_in_status_3_where_nothing_contradicts_but_not_all_is_judged(call):
    words = ("check", "16*9", "-n", "100", "--quantity", "kurtosis")
    status, out, _ = call(*words)
    assert status == 3
    assert "No verdict" in out
    result = json.loads(call(*words, "--json")[1])
    assert (result["verdict"], result["agrees"]) == ("not judged", False)


@needs_compiler
def test_moments(call):
    words = ("check", "64*4", "-n", "5000", "--moments", "8", "--quantity", "fourth_moment")
    status, out, _ = call(*words)
    assert status == 0
    assert "measured fourth_moment" in out
    found = json.loads(call("simulate", WIDTHS, "-n", "300", "--moments", "6", "--json")[1])
    assert len(found["sixth_moment"]["errors"]) == 4
    assert "eighth_moment" not in found
    assert "E[z⁸]" in call("predict", WIDTHS, "--moments", "8")[1]


@needs_compiler
def test_backward(call):
    status, out, _ = call("check", "8,16*3,4", "--backward", "-n", "3000")
    assert status == 0
    assert "loss linear" in out
    assert "measured gradient_variance" in out
    found = json.loads(call("predict", WIDTHS, "--backward", "--loss", "half_square", "--json")[1])
    assert len(found["gradient_variance"]["values"]) == 4
    found = json.loads(call("simulate", WIDTHS, "--backward", "-n", "100", "--json")[1])
    assert len(found["weight_gradient_variance"]["errors"]) == 4


@needs_compiler
def test_pair(call, tmp_path):
    status, out, _ = call("check", "64*4", "-a", "tanh", "-w", "lecun", "--pair", "-n", "3000")
    assert status == 0
    assert "two inputs of correlation 0.5" in out
    np.save(tmp_path / "x.npy", [[3.0, 0, 0], [4.0, 3, 0]])
    found = json.loads(
        call("predict", "3,5,2", "-a", "linear", "--pair", "--inputs", str(tmp_path / "x.npy"), "--json")[1]
    )
    assert found["correlation"]["values"] == pytest.approx([0.8, 0.8])
    found = json.loads(call("simulate", "3,5,2", "--pair", "-c", "1", "-n", "100", "--json")[1])
    assert found["cosine"]["values"] == pytest.approx([1, 1], abs=1e-6)


@needs_compiler
def test_law(call):
    status, out, _ = call("law", "8,16,4", "-a", "tanh", "-w", "lecun")
    assert status == 0
    assert "median" in out
    predicted = json.loads(call("law", WIDTHS, "--json")[1])
    measured = json.loads(call("law", WIDTHS, "-n", "20000", "--json")[1])
    assert measured["log_quantile_0.5"] == pytest.approx(predicted["log_quantile_0.5"], abs=0.1)
    assert (predicted["networks"], measured["networks"]) == (None, 20_000)


def test_precision(call):
    status, out, _ = call("precision", "64*21", "-m", "0.25", "--dtype", "float16")
    assert status == 0
    assert "signal in float16" in out
    found = json.loads(call("precision", "64*21", "-m", "0.25", "-d", "float8_e4m3fn", "--backward", "--json")[1])
    assert found["unit_underflow"]["values"][0] > 0.5 > found["unit_underflow"]["values"][-1]


def test_gain(call):
    status, out, _ = call("gain", "tanh")
    assert status == 0
    assert "1.59253742" in out
    assert "PyTorch's calculate_gain is none of these" in out
    found = json.loads(call("gain", "leaky_relu(0.2)", "--variance", "3", "--json")[1])
    assert found["forward"] == pytest.approx((2 / 1.04) ** 0.5)
    assert found["critical_point"]["every_variance"] is True
    assert "forward gain" in found["torch_note"]


def test_fixed_point(call):
    status, out, _ = call("fixed-point", "selu", "--gain-squared", "1")
    assert status == 0
    assert "1.071574992" in out
    assert "chaotic" in out
    found = json.loads(call("fixed-point", "silu", "-g", "2.82", "--bias-variance", "0.04", "--json")[1])
    assert (found["variance"], found["signal"]) == (None, "explodes")
    assert len(found["points"]) == 3
    lower = json.loads(call("fixed-point", "silu", "-g", "2.82", "-b", "0.04", "--start", "0.5", "--json")[1])
    assert lower["variance"] == pytest.approx(0.1936900214)


def test_critical(call):
    status, out, _ = call("critical", "tanh", "--bias-variance", "0.05")
    assert status == 0
    assert "1.76095464" in out
    found = json.loads(call("critical", "gelu", "-b", "0.172922390756067", "--json")[1])
    assert found["points"][0]["gain_squared"] == pytest.approx(1.98305825743755)
    status, out, _ = call("critical", "softplus")
    assert status == 0
    assert "no edge of chaos" in out


def test_weights(call):
    listed = json.loads(call("weights", "--json")[1])
    assert list(listed) == ["varprop", "torch", "keras", "jax", "flax"]
    assert "Behind torch: linear" in call("weights")[1]
    found = json.loads(call("weights", "torch:linear", "--fans", "784,256", "--json")[1])
    assert found["bias_variance"] == pytest.approx(1 / 3 / 784)
    assert "gain², fan_in Var(W)" in call("weights", "torch:linear")[1]
    for words, said in (((), "--fans is '7'"), (("--json",), "give fan_in and fan_out")):
        status, _, error = call("weights", "he", "--fans", "7", *words)
        assert status == 2
        assert said in error


def test_tune(call):
    found = json.loads(call("tune", "64*4", "-a", "relu", "-w", "torch:linear", "-b", "0", "--json")[1])
    assert found["multiplier"] == pytest.approx(6)
    status, out, _ = call("tune", "64*4", "-a", "relu", "-w", "torch:linear", "--factor", "2")
    assert status == 0
    assert "within a factor of 2" in out


def test_data_from_files(call, tmp_path):
    rows = np.arange(16.0).reshape(2, 8)
    np.save(tmp_path / "x.npy", rows)
    np.savetxt(tmp_path / "x.csv", rows, delimiter=",")
    values = [
        json.loads(call("predict", WIDTHS, "--inputs", str(tmp_path / name), "--json")[1])["variance"]["values"]
        for name in ("x.npy", "x.csv")
    ]
    assert values[0] == values[1]
    assert values[0][0] == pytest.approx(2 * (rows**2).mean())


def test_one_column_is_one_feature_of_many_rows(call, tmp_path):
    (tmp_path / "x.csv").write_text("# height\n1\n2\n3\n")
    found = json.loads(call("predict", "1,4", "--inputs", str(tmp_path / "x.csv"), "--json")[1])
    assert found["variance"]["values"] == pytest.approx([2 * 14 / 3])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("predict", "8,0"), "0"),
        (("predict", "8,2.5"), "2.5"),
        (("predict", WIDTHS, "-a", "rely"), "choose one of linear"),
        (("predict", WIDTHS, "-w", "hee"), "choose one of lecun"),
        (("predict", WIDTHS, "--order", "second"), "second"),
        (("simulate", WIDTHS, "-n", "0"), "networks is 0"),
        (("check", WIDTHS, "--backward", "--pair"), "ask one at a time"),
        (("law", WIDTHS, "-w", "he_uniform"), "uniform"),
        (("precision", WIDTHS, "-d", "int8"), "int8"),
        (("predict", WIDTHS, "--moments", "8", "--backward"), "--moments are of the signal; leave out --backward"),
        (("simulate", WIDTHS, "--moments", "7"), "moments is 7; give 4, 6 or 8"),
        (("check", WIDTHS, "--loss", "linear"), "--loss says something about --backward"),
        (("check", WIDTHS, "--correlation", "0.5"), "--correlation says something about --pair"),
        (("check", WIDTHS, "--backward", "--loss", "mse"), "unknown loss 'mse'"),
        (("simulate", WIDTHS, "--pair", "--relative-error", "0.1"), "with --pair give --networks"),
        (("simulate", WIDTHS, "-w", "he_uniform", "--method", "conditional"), "method='dense'"),
        (("simulate", WIDTHS, "-n", "many"), "networks is 'many'; give a whole number"),
        (("simulate", WIDTHS, "-n", "1.5"), "networks is 1.5; give a whole number"),
        (("simulate", WIDTHS, "-n", "inf"), "networks is inf; give a whole number"),
        (("simulate", WIDTHS, "-s", "x"), "seed is 'x'"),
        (("simulate", WIDTHS, "--relative-error", "1%"), "relative_error is '1%'; give a number such as 0.01"),
        (("predict", WIDTHS, "-m", "zero"), "multiplier is 'zero'; give a number"),
        (("predict", WIDTHS, "--pair", "-c", "x"), "correlation is 'x'; give a number between"),
        (("gain", "tanh", "-q", "one"), "q is 'one'; give a number"),
        (("predict", WIDTHS, "--position", "1"), "--position is 1; this network has 0 alone"),
        (("predict", WIDTHS, "--inputs", "/no/such/file.npy"), "/no/such/file.npy"),
        (("predict", WIDTHS, "--inputs", "{nan}"), "nan at row 0"),
        (("predict", WIDTHS, "--inputs", "{wrong}"), "shape"),
        (("predict", WIDTHS, "--inputs", "{wrong}"), "wrong.npy: inputs have shape"),
        (("predict", WIDTHS, "--inputs", "{text}"), "text.csv holds no numbers"),
        (("gain", "rely"), "choose one of linear"),
        (("fixed-point", "tanh", "-g", "-1"), "gain_squared is -1.0"),
        (("fixed-point", "tanh"), "--gain-squared"),
        (("critical", "tanh", "-b", "nan"), "bias_variance is nan"),
        (("nonsense",), "nonsense"),
        (("check", WIDTHS, "--colour"), "--colour"),
    ],
)
def test_bad_arguments_end_in_status_2_and_say_why(call, tmp_path, words, said):
    np.save(tmp_path / "nan.npy", np.full(8, np.nan))
    np.save(tmp_path / "wrong.npy", np.ones(7))
    (tmp_path / "text.csv").write_text("a,b\n")
    files = {"nan": tmp_path / "nan.npy", "wrong": tmp_path / "wrong.npy", "text": tmp_path / "text.csv"}
    status, out, err = call(*(word.format(**files) if word.startswith("{") else word for word in words))
    assert status == 2
    assert said in err
    assert out == ""


def test_a_header_row_is_left_out_with_a_word(call, tmp_path):
    (tmp_path / "x.csv").write_text("\ufeffheight\n1\n2\n3\n")
    status, out, err = call("predict", "1,4", "--inputs", str(tmp_path / "x.csv"), "--json")
    assert status == 0
    assert json.loads(out)["variance"]["values"] == pytest.approx([2 * 14 / 3])
    assert "left out its header row, 'height'" in err


def fails_with(error):
    def fail(*given, **named):
        raise error

    return fail


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (ZeroDivisionError("x"), 70, "internal error, ZeroDivisionError: x"),
        (RuntimeError("x"), 70, "internal error, RuntimeError: x"),
        (MemoryError("8 TiB"), 2, "not enough memory: 8 TiB"),
        (KeyboardInterrupt(), 130, ""),
        (BrokenPipeError(), 141, ""),
        (OSError(28, "No space left on device"), 2, "varprop: No space left on device"),
    ],
)
def test_each_exit_status_means_one_thing(call, monkeypatch, error, status, said):
    monkeypatch.setattr(theory, "forward", fails_with(error))
    found, out, err = call("predict", WIDTHS)
    assert (found, out) == (status, "")
    assert said in err


def test_a_fault_of_ours_is_told_from_a_bad_argument(call, monkeypatch):
    monkeypatch.setattr(theory, "forward", lambda *given, **named: np.zeros(3) + np.zeros(2))
    status, _, err = call("predict", WIDTHS)
    assert status == 70
    assert "internal error, ValueError: operands could not be broadcast" in err
    report = Path(re.search(r"report it with (\S+)\.\n", err)[1])
    assert "broadcast" in report.read_text()
    assert str(["varprop", "predict", WIDTHS]) in report.read_text()
    report.unlink()


@pytest.mark.slow
def test_a_broken_pipe_ends_in_status_141():
    for words in (["--help"], ["predict", WIDTHS]):
        read, write = os.pipe()
        os.close(read)
        done = subprocess.run([sys.executable, "-m", "varprop", *words], stdout=write, stderr=subprocess.PIPE)
        os.close(write)
        assert (done.returncode, done.stderr) == (141, b"")


def test_a_whole_number_may_have_an_exponent(call):
    words = ("simulate", "3,2", "--method", "conditional", "--json", "-n")
    assert call(*words, "1e3") == call(*words, "1000")


def test_without_stdout_it_says_so_and_without_stderr_stdout_holds_the_result_alone(call, monkeypatch, tmp_path):
    (tmp_path / "x.csv").write_text("height\n1\n2\n3\n")
    monkeypatch.setattr(sys, "stderr", None)
    status, out, _ = call("predict", "1,4", "--inputs", str(tmp_path / "x.csv"), "--json")
    assert status == 0
    assert json.loads(out)["variance"]["values"] == pytest.approx([2 * 14 / 3])
    monkeypatch.undo()
    monkeypatch.setattr(sys, "stdout", None)
    status, _, err = call("predict", "3,2")
    assert (status, err) == (2, "varprop: stdout is closed, and the result has nowhere to go.\n")


def test_numbers_beyond_float64_are_null_in_json(call):
    out = call("predict", "8*1100", "--multiplier", "4", "--json")[1]
    assert json.loads(out)["variance"]["values"][-1] is None


def test_help_and_version(call):
    assert "Hold theory against simulation" in call("--help")[1]
    assert call("--version")[1].startswith("varprop ")


@pytest.mark.slow
def test_it_is_installed_as_a_program():
    found = subprocess.run(
        [sys.executable, "-m", "varprop", "predict", "3,2"], capture_output=True, text=True, check=True
    )
    assert "3,2, relu, he" in found.stdout


@pytest.mark.parametrize(
    ("path", "said"),
    [
        (".", "varprop: cannot open .: Is a directory.\n"),
        ("taken/more", "varprop: cannot open taken/more: Not a directory.\n"),
        ("taken", "varprop: taken cannot be read: it is no file of varprop's, nor a zip file.\n"),
        ("none/a", "varprop: cannot write none/a: No such file or directory.\n"),
    ],
)
def test_a_checkpoint_that_is_none_is_named_and_left_alone(path, said, call, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    Path("taken").write_text("mine")
    assert call("simulate", WIDTHS, "-n", "64", "--checkpoint", path) == (2, "", said)
    assert Path("taken").read_text() == "mine"
    assert [found.name for found in tmp_path.iterdir()] == ["taken"]


@pytest.mark.parametrize(
    "words",
    [
        ("simulate", WIDTHS, "--checkpoint", ""),
        ("predict", WIDTHS, "--inputs", ""),
        ("gram", WIDTHS, "--inputs", ""),
        ("page", "--output", ""),
        ("audit", "models:mlp", "--inputs", "x.npy", "--plot", ""),
    ],
)
def test_the_empty_name_of_an_unset_variable_is_no_file(words, call, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    status, out, err = call(*words)
    assert (status, out) == (2, "")
    assert "'' names no file" in err
    assert f"'{words[-2]}'" in err
    assert list(tmp_path.iterdir()) == []
