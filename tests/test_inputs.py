"""Data at the border: what is missing, what another library holds, what float64 cannot."""

import math

import numpy as np
import pytest
from scipy import sparse

from varprop import Network, simulate, theory
from varprop.inputs import Inputs, as_inputs, as_loss


class Tensor:
    """What matters of a PyTorch tensor: NumPy may read it only once it is detached, and not every dtype at all."""

    def __init__(self, values, dtype="torch.float32", *, grad=False, is_sparse=False):
        self.values, self.dtype, self.grad, self.is_sparse = values, dtype, grad, is_sparse

    def detach(self):
        return Tensor(self.values, self.dtype, is_sparse=self.is_sparse)

    def cpu(self):
        return self

    def to_dense(self):
        return Tensor(self.values, self.dtype)

    def __array__(self, dtype=None, copy=None):
        if self.grad:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.")
        if self.is_sparse:
            raise TypeError("can't convert Sparse layout tensor to numpy.")
        if self.dtype == "torch.bfloat16":
            raise TypeError("Got unsupported ScalarType BFloat16")
        return np.array(self.values, dtype=np.float32)


def test_a_tensor_that_needs_a_gradient_is_detached():
    assert as_inputs(Tensor([[1, 2]], grad=True), 2).rows.tolist() == [[1.0, 2.0]]
    assert as_loss(Tensor([1, 2], grad=True), 2).tolist() == [1.0, 2.0]


NARROW = np.finfo(np.longdouble).max == np.finfo(np.float64).max  # long doubles are float64 there

BAD = [
    (ValueError, r"inputs are masked in places \(1 such values, the first at \[1, 0\]\); remove", 0),
    (ValueError, "NumPy cannot read inputs: .*inhomogeneous", [[1.0, 2.0], [1.0]]),
    (TypeError, "inputs are sparse .*; give them as .toarray", sparse.csr_array(np.eye(2))),
    (TypeError, r"inputs are sparse \(Tensor\); give them as .to_dense", Tensor([[1, 2]], is_sparse=True)),
    (
        TypeError,
        "NumPy cannot read inputs of dtype torch.bfloat16: .*Give an array of float32",
        Tensor([[1, 2]], "torch.bfloat16"),
    ),
    (TypeError, "inputs have dtype object, and hold None; give", [[1, None]]),
    (TypeError, "inputs have dtype <U1, and hold '1'; give", [["1", "2"]]),
    (ValueError, "inputs hold nan at row 0, column 1", [[1, math.nan]]),
]


@pytest.mark.parametrize(("kind", "words", "data"), BAD)
def test_data_that_cannot_be_read_end_in_one_error(kind, words, data):
    data = np.ma.masked_equal([[1.0, 2.0], [-999.0, 4.0]], -999.0) if isinstance(data, int) else data
    for ask in (theory.forward, lambda n, x: simulate.forward(n, x, networks=2), lambda n, x: theory.pair(n, inputs=x)):
        with pytest.raises(kind, match=words):
            ask(Network([2, 3]), data)
    with pytest.raises(kind):
        theory.backward(Network([2, 2]), loss=data)


def test_a_masked_array_without_a_mask_is_an_array():
    assert as_inputs(np.ma.array([[1.0, 2.0]]), 2).rows.tolist() == [[1.0, 2.0]]


@pytest.mark.skipif(NARROW, reason="long doubles are float64 here")
@pytest.mark.parametrize("size", ["1e4000", "1e-4000"])
def test_long_doubles_beyond_float64_are_one_error(size):
    with pytest.raises(ValueError, match=rf"inputs hold 1e[+]?{size[2:]}, which is beyond float64"):
        as_inputs(np.array([np.longdouble(size), 1.0]), 2)
    assert as_inputs(np.array([0.5, 1.0], np.longdouble), 2).rows.tolist() == [[0.5, 1.0]]


def test_bits_of_norms_do_not_depend_on_where_rows_lie():
    """A shard that has its inputs from a file draws the networks of one that has them as a part of a table."""
    rows = np.random.default_rng(0).normal(size=(1100, 37))
    expected = Inputs(37, rows.copy()).squared_norms
    np.testing.assert_allclose(expected, (rows**2).sum(axis=1), rtol=1e-14)
    np.testing.assert_allclose(Inputs(37, rows).fourth_powers, (rows**4).sum(axis=1), rtol=1e-14)
    places = [np.zeros(rows.size + 8)[i : i + rows.size].reshape(rows.shape) for i in range(8)]
    for place in (*places, np.zeros(rows.shape, order="F"), np.zeros((1100, 50))[:, 5:42]):
        place[:] = rows
        assert Inputs(37, place).squared_norms.tobytes() == expected.tobytes()
