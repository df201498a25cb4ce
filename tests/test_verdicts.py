"""What is said of an audited model, and the change that mends it; no PyTorch is needed."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from made_audit import made, truth

from varprop import theory, verdicts
from varprop.fates import chains, fates, lost_at
from varprop.tables.audit import audit_json
from varprop.theory.precision import FORMATS


def mlp(factor, gradient=1.0, layers=6, between=("ReLU",), **changes):
    """Return the audit of a chain of layers that multiply the signal by ``factor``, going back by ``gradient``."""
    places = []
    for l in range(layers):
        about = {"signal": factor**l, "gradient": gradient ** (layers - 1 - l)}
        places.append({"kind": "Linear", **about})
        zeros = {"ReLU": 0.5, "Dropout": 0.55 if "ReLU" in between else 0.1}
        places += [{"kind": kind, "zeros": zeros.get(kind, 0.0), **about} for kind in between]
    gain = changes.pop("gain", 1.0)
    weights = [truth(f"{l * (1 + len(between))}.weight", gain) for l in range(layers)]
    return made(places, weights=tuple(weights), **changes)


def kinds(audit):
    return [finding.kind for finding in audit.findings]


def test_a_healthy_model_is_told_so_in_one_line():
    audit = mlp(1.0)
    assert audit.healthy
    assert audit.verdict == "Healthy: signal × 1 over 6 layers; gradient × 1 over 6 layers."


def test_what_is_not_seen_is_not_called_kept():
    audit = made([{"name": "rnn", "kind": "LSTM"}, {"name": "head"}])
    assert audit.verdict.startswith("Healthy as far as one sees")
    assert "The steps of rnn are within one call, and not seen" in str(audit)


def test_a_signal_that_halves_in_each_layer_needs_hes_weights():
    audit = mlp(0.5, layers=8)
    (finding,) = audit.findings
    assert finding.kind == "signal vanishes"
    assert finding.places == ("0", "14")
    assert "× 0.5 a layer: ÷ 128 over 8 layers" in finding.sentence
    assert finding.figures["factor"] == pytest.approx(0.5)
    assert finding.figures["gain_squared"] == pytest.approx(2.0)
    assert finding.figures["std_factor"] == pytest.approx(math.sqrt(2))
    assert "2/n, theory's for relu, and the first layer 1/n: multiply their std by 1.41" in finding.mend


def test_gelu_and_dropout_are_mended_by_their_numbers():
    audit = mlp(0.2, 0.1, between=("GELU", "Dropout"), gain=1 / 3)
    assert kinds(audit) == ["signal vanishes", "gradient vanishes"]
    found = audit.findings[0]
    assert found.figures["keep"] == 0.9
    assert found.figures["gain_squared"] == pytest.approx(0.9 * theory.gain("gelu") ** 2)
    assert "(He × 1.176 × 0.9 that dropout keeps)" in found.mend
    assert str(audit).count("Mend: ") == 1  # of two findings with one mend


def test_a_drift_within_its_errors_is_no_finding():
    assert kinds(mlp(10 ** (1.02 / 5))) == []
    assert kinds(mlp(10 ** (1.2 / 5))) == ["signal explodes"]
    assert kinds(mlp(1.0, 100 ** (1.01 / 5))) == []
    assert kinds(mlp(1.0, 100 ** (1.2 / 5))) == ["gradient explodes"]


def test_a_gradient_that_no_weights_keep_is_told_so():
    words = mlp(1.0, 0.02, between=("Sigmoid",)).findings[0].mend
    gains = theory.gains("sigmoid")
    assert f"× {(gains.forward / gains.backward) ** 2:.3g} a layer" in words
    assert "take another activation, or norms" in words
    figures = mlp(1.0, 0.1, between=("Tanh",)).findings[0].figures
    assert figures["chi"] == pytest.approx(theory.fixed_point("tanh", figures["gain_squared"]).chi)


def test_weights_of_0_are_mended_first():
    audit = mlp(0.2, gain=0.0)
    assert audit.findings[0].mend == "Mend the weights that are 0 or unknown first."


def test_an_activation_that_is_not_seen_is_not_guessed():
    finding = mlp(0.5, between=(), layers=6).findings[0]
    assert "initialize_" in finding.mend
    assert "gain_squared" not in finding.figures


def test_inputs_of_another_size_are_seen_in_the_first_layer():
    places = [{"signal": 25 * 0.3**l} for l in range(6)]
    places = [place for each in places for place in (each, {"kind": "ReLU", "zeros": 0.5})]
    finding = made(places, weights=tuple(truth(f"{2 * l}.weight", 1.0) for l in range(6))).findings[0]
    assert "the first layer 0.04/n, since its inputs have E[x²] = 25" in finding.mend
    assert finding.figures["first_std_factor"] == pytest.approx(0.2)


def test_a_stream_that_falls_has_no_smaller_branches_for_a_mend():
    finding = made([{"name": f"{l} sum 1", "kind": "sum", "signal": 0.4**l} for l in range(6)]).findings[0]
    assert finding.kind == "signal vanishes"
    assert finding.mend.startswith("varprop.pytorch.initialize_")


def test_norms_between_layers_hide_the_signal_and_are_a_remark():
    places = [
        place
        for l in range(6)
        for place in ({"kind": "Conv2d", "signal": 0.3**l}, {"kind": "BatchNorm2d"}, {"kind": "ReLU", "zeros": 0.5})
    ]
    weights = tuple(truth(f"{3 * l}.weight", 1 / 3) for l in range(6))
    audit = made(places, weights=weights)
    assert audit.healthy
    assert "n·Var(w) is 0.33 in 6 layers with a norm right behind" in str(audit)


def test_a_stream_that_grows_by_sums_is_mended_by_smaller_branches():
    step = 2.0
    ends = {"kind": "Linear", "signal": step}
    sums = [
        {"name": f"h.{b} sum {s}", "kind": "sum", "signal": 1 + step * (2 * b + s)} for b in range(8) for s in (1, 2)
    ]
    places = [place for i, each in enumerate(sums) for place in ({"name": f"end.{i}.fc", **ends}, each)]
    audit = made(places)
    (finding,) = audit.findings
    assert finding.kind == "signal explodes"
    assert finding.figures["std_factor"] == pytest.approx(1 / math.sqrt(16))
    assert finding.figures["total"] == pytest.approx(33)  # the stream starts at 1: its first sum without the branch
    assert "over 16 residual sums" in finding.sentence
    assert finding.figures["expected"] == pytest.approx(3)
    fate = next(fate for fate in audit.judged.fates if fate.of == "signal")
    assert fate.adds
    assert fate.lost["float8_e4m3fn"] == pytest.approx(1 + (448**2 - 1) / step)


def test_norms_behind_sums_part_a_stream():
    """The first sum is of embeddings, small; a norm behind each sum takes its size from what follows."""
    sizes = [1e-3, *[1.1] * 8]
    places = [
        place
        for b, size in enumerate(sizes)
        for place in (
            {"name": f"{b} sum 1", "kind": "sum", "signal": size, "gradient": 1 / size},
            {"name": f"{b}.norm", "kind": "LayerNorm"},
        )
    ]
    apart = made(places, continues=("",) * len(places))
    assert apart.healthy
    assert "signal" not in apart.verdict
    names = [place["name"] for place in places]
    joined = ["" if "norm" in name or b < 2 else names[b - 2] for b, name in enumerate(names)]
    together = made(places, continues=tuple(joined))
    assert [finding.kind for finding in together.findings] == ["signal explodes", "gradient explodes"]


def test_calls_of_one_module_are_steps():
    names = ["cell", *(f"cell:{t}" for t in range(2, 13))]
    places = [{"name": n, "kind": "LSTMCell", "gradient": 0.4 ** (11 - t)} for t, n in enumerate(names)]
    audit = made(places)
    assert [chain.kind for chain in chains(audit)] == ["step"]
    (finding,) = audit.findings
    assert finding.kind == "gradient vanishes"
    assert "× 0.4 a call going back" in finding.sentence


def test_formats_lose_a_chain_at_the_depth_that_arithmetic_says():
    audit = mlp(0.25, layers=6)
    signal = fates(audit, FORMATS)[0]
    for name, numbers in FORMATS.items():
        depth = 1 + math.log(numbers.smallest / 2) / math.log(0.5)  # of the root mean square, which halves
        assert signal.lost[name] == pytest.approx(depth)
    kept = fates(mlp(1.0), FORMATS)[0]
    assert set(kept.lost.values()) == {math.inf}
    assert lost_at(audit, "signal", FORMATS["float8_e4m3fn"]) is None
    deep = mlp(0.25, layers=14)
    assert lost_at(deep, "signal", FORMATS["float8_e4m3fn"]) == "22"  # 2^-11 < 2^-9 / 2
    assert lost_at(deep, "signal", FORMATS["float16"]) is None
    assert lost_at(mlp(2.0**8, layers=6), "signal", FORMATS["float16"]) == "8"  # 2^16 > 65504


def test_inputs_that_become_alike_and_biases_that_make_them():
    places = [{"inputs": c} for c in (0.1, 0.7, 0.97, 0.999)]
    assert kinds(made(places)) == ["inputs alike"]
    finding = made(places, weights=(truth("0.bias", 1 / 3, kind="bias"),)).findings[0]
    assert finding.places == ("3", "3")
    assert "biases to 0" in finding.mend
    assert kinds(made([{"inputs": 0.95}, *places])) == []  # they came alike
    assert kinds(made([{"positions": c} for c in (0.1, 0.99, 0.999)])) == ["positions alike"]


def test_what_is_dead_zero_copied_broken_or_never_called():
    assert kinds(made([{}, {"dead": 0.8, "kind": "ReLU"}])) == ["dead units"]
    assert kinds(made([{}, {"dead": 0.8, "kind": "ReLU", "shape": (8, 64)}])) == []
    assert kinds(made([{}, {"signal": 0.0}])) == ["signal is 0"]
    assert kinds(made([{}, {"nonfinite": 0.1, "signal": np.nan}])) == ["not finite"]
    pair = tuple(truth(f"layers.{i}.weight", equal_to=(f"layers.{1 - i}.weight",)) for i in range(2))
    assert kinds(made([{}], weights=pair)) == ["copies"]
    assert kinds(made([{}], weights=(truth("w", 0.0, finding="zeros"),))) == ["zeros"]
    ends = made([{}, {"kind": "sum"}], weights=(truth("w", 0.0, finding="zeros"),))
    assert ends.healthy
    assert "all 0 in w" in str(ends)
    assert kinds(made([{}], weights=(truth("w", 0.0, finding="constant"),))) == ["constant"]
    spare = (truth("spare.weight"),)
    assert kinds(made([{}], uncalled=("spare",), weights=spare)) == ["uncalled"]
    assert kinds(made([{}], uncalled=("spare",))) == []


def test_one_network_has_no_errors_and_is_judged_all_the_same():
    audit = mlp(0.5, layers=8, networks=1, as_given=True)
    bare = {
        name: replace(getattr(audit, name), errors=np.full(len(audit.names), np.nan))
        for name in ("second_moment", "gradient_variance", "cosine_of_inputs")
    }
    single = replace(audit, **bare)
    assert kinds(single) == ["signal vanishes"]
    assert "as it stands" in str(single)


def test_thresholds_are_named_and_judged_apart_from_the_record():
    audit = mlp(0.5, layers=8)
    assert verdicts.judge(audit).words == audit.verdict == "1 finding: signal vanishes."
    assert (audit.judged.healthy, audit.healthy) == (False, False)


def test_many_places_are_folded_and_all_unfolds_them():
    kinds_of = {"ln": "LayerNorm", "fc": "Linear", "proj": "Linear"}
    places = [{"name": f"h.{b}.{n}", "kind": kind, "signal": 2.0**b} for b in range(12) for n, kind in kinds_of.items()]
    places.append({"name": "head", "shape": (32, 10)})
    audit = made(places)
    folded = str(audit).splitlines()
    assert any(line.split()[0] == "h.0–11.fc" and "1 → 2.05e+03 (× 2)" in line for line in folded)
    assert not any(line.split()[0] == "h.3.fc" for line in folded)
    unfolded = str(audit.table(all=True)).splitlines()
    assert sum(line.split()[0].startswith("h.") for line in unfolded) == 36
    assert audit._repr_html_().count("<tr>") < audit.table(all=True)._repr_html_().count("<tr>")


def test_json_holds_all_but_the_magnitudes():
    audit = mlp(0.5, layers=8)
    found = json.loads(json.dumps(audit_json(audit, audit.judged), allow_nan=False))
    assert found["healthy"] is False
    assert found["findings"][0]["kind"] == "signal vanishes"
    assert found["second_moment"]["values"][0] == 1.0
    assert found["weight_gradient_variance"]["values"][0] is None
    assert found["chains"][0]["lost"]["float16"] > 10
    assert "magnitudes" not in found


def test_the_plot_has_points_and_strokes():
    from matplotlib import pyplot

    axes = mlp(0.5, layers=8).plot()
    assert axes.get_yscale() == "log"
    assert len(axes.containers) == 2
    pyplot.close(axes.figure)
