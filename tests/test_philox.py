import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import normal, philox4x32

from varprop.kernels import LANES
from varprop.kernels.normal import normals
from varprop.kernels.philox import philox

KNOWN = [  # Random123's kat_vectors for philox4x32-10
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


def kernel(counter, key):
    return tuple(int(word) for word in philox(*(np.uint64(word) for word in (*counter, *key))))


@pytest.mark.parametrize(("counter", "key", "words"), KNOWN)
def test_known_answers(counter, key, words):
    assert kernel(counter, key) == words
    assert tuple(philox4x32(counter, key)) == words


words32 = st.integers(0, 2**32 - 1)


@settings(deadline=None)  # which a busy machine passes
@given(st.tuples(words32, words32, words32, words32), st.tuples(words32, words32))
def test_kernel_is_the_reference_bit_for_bit(counter, key):
    assert kernel(counter, key) == tuple(philox4x32(counter, key))


@pytest.mark.parametrize(("seed", "network"), [(0, 0), (2**64 - 1, 2**32 - 7), (12345678901234567, 2**40)])
def test_a_draw_is_a_function_of_seed_network_stream_and_index(seed, network):
    out = np.empty(4 * LANES, np.float32)
    normals(out, np.uint64(seed), np.uint64(network), np.uint64(18), np.uint64(5))
    expected = [[normal(seed, network + b, 18, 20 + k) for b in range(LANES)] for k in range(4)]
    np.testing.assert_allclose(out.reshape(4, LANES), expected, atol=2e-6)
