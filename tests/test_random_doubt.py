"""The committed table of what first order leaves out, and the sampler it comes from."""

import json
from pathlib import Path

import numpy as np
import pytest
from evidence import assert_agree, assert_rejected, fresh_seed

from varprop import Network, theory

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def doubt(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import doubt

    return doubt


def test_what_is_not_doubted_is_right(doubt):
    store = json.loads(doubt.STORE.read_text())
    values = [row for rows in store["values"].values() for row in rows]
    trusted = [(off, wide) for doubted, off, wide in values if not doubted]
    assert len(trusted) > 1000
    assert max(off for off, _ in trusted) <= 1
    assert sum(wide > 1 for _, wide in trusted) > 0.2 * len(trusted)  # of infinite width
    assert len(trusted) > 0.4 * len(values)  # doubting everything is no rule
    assert doubt.page(store) in (ROOT / "docs" / "doubt.md").read_text()


@pytest.mark.parametrize("law", ["he_uniform", "he_truncated_normal", "he"])
def test_the_sampler_draws_what_exact_theory_says(doubt, law):
    rng, rows = np.random.default_rng(fresh_seed()), np.array([[1.0, 2.0, -1.0], [0.0, 0.5, 0.0]])
    network = Network([3, 5, 4], "leaky_relu(0.2)", [law, "lecun"], bias_variance=[0.1, 0.0])
    sample = doubt.draw(network, rows, 30_000, rng)

    def scores(network):
        found = []
        for side, names in (("forward", doubt.FORWARD[:3]), ("backward", doubt.BACKWARD[:3])):
            record = getattr(theory, side)(network, rows)
            for name in names:
                profile = record.profiles[name]
                for l in range(len(profile.values)):
                    if profile.left_out is None:
                        value, error = doubt.estimates(sample, side, name, l)
                        found.append((value - float(profile.values[l])) / (error + 1e-12))
        return np.array(found)

    assert_agree(scores(network))
    assert_rejected(
        scores(Network(network.widths, network.activation, [law, "lecun"], multiplier=1.1, bias_variance=[0.1, 0.0]))
    )
