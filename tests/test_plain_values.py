"""Values as JSON can hold them, and dataframes of them: what `exported` makes of any dataclass."""

import math
import sys
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pytest

from varprop.exported import Exported, _is_unicode, columns_of, numbers, plain


@dataclass(frozen=True)
class Own(Exported):
    value: float = 1.0
    word: str | None = "x"
    several: tuple = (1, 2)
    hidden: object = field(default=None, metadata={"plain": False})


class Columned(Own):
    """What has a column of its own."""

    def __init__(self, column):
        super().__init__(value=math.inf)
        object.__setattr__(self, "column", column)

    def _columns(self):
        return {"value": [1.5] * len(self.column), "place": self.column}


@dataclass
class Bare:
    """A dataclass that is not `Exported`."""

    own: Own
    n: int = 3


def test_a_dataclass_is_its_fields_and_a_row_of_its_scalars():
    own = Own(math.nan, None, (1, [2.5, math.inf]), object())
    assert own.to_dict() == {"value": None, "word": None, "several": [1, [2.5, None]]}
    frame = Own(2.0, "y", hidden=object()).to_dataframe()
    assert frame.to_dict("records") == [{"value": 2.0, "word": "y"}]
    assert frame.attrs == {}
    scalars = [None, "word", True, 3, 2.5, np.float32(1.5), np.bool_(True)]
    for value in scalars:
        assert list(Own(value).to_dataframe()) == ["value", "word"]
    for value in ([1], (1,), {}, np.ones(1), np.ones(()), object()):
        assert list(Own(value).to_dataframe()) == ["word"]


def test_words_and_numbers_of_the_whole_are_attributes_of_a_frame():
    frame = Columned(["a", "b"]).to_dataframe()
    pd.testing.assert_frame_equal(frame, pd.DataFrame({"value": [1.5, 1.5], "place": ["a", "b"]}))
    assert frame.attrs == {"word": "x"}


@pytest.mark.parametrize(
    ("letter", "whole"), [(0xD7FF, True), (0xD800, False), (0xDFFF, False), (0xE000, True), (0x1F600, True)]
)
def test_half_a_character_is_kept_as_an_object(letter, whole):
    """PyArrow, which pandas may keep texts in, takes none."""
    text = f"a{chr(letter)}b"
    for column in ([text, "b"], ["a", text], [None, 3, text]):
        assert Columned(column).to_dataframe()["place"].tolist() == column
    assert _is_unicode(["a", 3, None, text, "b"]) == whole
    assert whole or Columned([text]).to_dataframe()["place"].dtype == object


def test_numbers_of_every_kind_become_plain():
    given = {
        1: np.float32(0.5),
        "big": np.longdouble("1e4000"),
        "whole": np.int64(3),
        "yes": np.bool_(True),
        "n": 10**40,
        "none": None,
        "list": [(1.5, np.nan), "a", True],
        "bare": Bare(Own()),
    }
    assert plain(given) == {
        "1": 0.5,
        "big": None,
        "whole": 3,
        "yes": True,
        "n": 10**40,
        "none": None,
        "list": [[1.5, None], "a", True],
        "bare": {"own": {"value": 1.0, "word": "x", "several": [1, 2]}, "n": 3},
    }
    assert plain(np.array([np.longdouble("-1e4000"), 1.5])) == [None, 1.5]
    assert type(plain(np.longdouble("1.5"))) is float
    assert plain(np.array(2.5)) == 2.5
    with pytest.raises(TypeError, match=r"^an object of type set has no place in JSON\.$"):
        plain({"a": {1}})


def test_floats_keep_as_many_figures_as_are_asked_for():
    numbers = {"a": [1 / 3, {"b": np.array([2e5 / 3])}], "n": 123456, "big": math.inf}
    assert plain(numbers, 3) == {"a": [0.333, {"b": [66700.0]}], "n": 123456, "big": None}
    assert plain(numbers)["a"][0] == 1 / 3


def test_a_text_of_another_kind_becomes_a_text():
    class Word(str):
        __slots__ = ()

        def __str__(self):
            return "said"

    assert type(plain(Word("word"))) is str
    assert plain([Word("word")]) == ["said"]


def test_columns_of_numbers_have_nan_for_what_is_unknown():
    columns = columns_of([Own(None, "a"), Own(2.0, None)], Own)
    assert list(columns) == ["value", "word", "several", "hidden"]
    np.testing.assert_array_equal(columns["value"], [np.nan, 2.0])
    assert columns["word"][0] == "a"
    np.testing.assert_array_equal(numbers([None, 0, 1.5]), [np.nan, 0, 1.5])


def test_without_pandas_there_is_one_error(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=r"^to_dataframe needs pandas: pip install pandas$"):
        Own().to_dataframe()


def test_a_pandas_that_is_broken_says_so_itself(monkeypatch, tmp_path):
    (tmp_path / "pandas.py").write_text("import a_part_that_is_not_there\n")
    monkeypatch.delitem(sys.modules, "pandas")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="a_part_that_is_not_there"):
        Own().to_dataframe()
