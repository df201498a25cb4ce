"""Where first order leaves out too much: each profile says so, and tables mark it."""

import numpy as np

from varprop import Network, theory
from varprop.tables import record_json

GELU = Network([16] * 10, "gelu", "he")


def test_doubt_belongs_to_a_profile():
    record = theory.forward(GELU)
    assert record.variance.doubtful.any()
    assert (record.doubtful == record.variance.doubtful).all()
    exact = theory.forward(Network([16] * 10, "relu", "he"))
    for profile in [*exact.profiles.values(), record.dead, *theory.forward(GELU, order="infinite").profiles.values()]:
        assert profile.left_out is None
        assert profile.doubtful.shape == (9,)
        assert not profile.doubtful.any()


def test_tables_mark_doubtful_cells_and_say_which_columns_are_exact():
    title, _, _, *rows, mark = str(theory.forward(GELU)).splitlines()
    assert title.endswith("theory, first order in 1/width; P(dead) exact")
    doubtful = theory.forward(GELU).variance.doubtful
    assert [row.split()[1].endswith("?") for row in rows] == doubtful.tolist()
    assert mark.startswith("? marks what is doubtful")
    assert "?" not in str(theory.forward(GELU, order="infinite"))
    title = str(theory.forward(Network([4, 4, 4], "relu", bias_variance=0.1))).splitlines()[0]
    assert title.endswith("theory, exact; E[ln q̂], Var[ln q̂] first order in 1/width")


def test_json_says_it_of_each_profile():
    found = record_json(theory.forward(GELU))
    assert found["variance"]["doubtful"] == found["doubtful"]
    assert np.any(found["doubtful"])
    assert not np.any(found["dead"]["doubtful"])
    assert record_json(theory.forward(Network([4, 4], "relu")))["variance"]["left_out"] is None
