"""Damage to an array changes its checksum, which is the same on a device and on the host."""

import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxens.runs import checksums
from jaxens.runs.checksums import sums_of, sums_of_members
from jaxens.training.layout import MeshLayout
from jaxens.training.mesh import Placement
from jaxens.training.state import TRAINING, State

DTYPES = [np.float32, np.int32, np.uint32, np.float16, ml_dtypes.bfloat16, np.uint8, np.bool_]
SHAPES = [(3,), (2, 3, 5), (7, 1), (0, 4), ()]


def array(dtype, shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_device_and_host_compute_the_same(dtype, shape):
    on_host = array(dtype, shape)
    assert sums_of([on_host]) == sums_of([jnp.asarray(on_host)])


def test_an_array_that_numpy_sums_in_parts_has_the_same_checksum(monkeypatch):
    on_host = array(np.float32, 1000)
    expected = sums_of(jnp.asarray(on_host))
    monkeypatch.setattr(checksums, "AT_ONCE", 96)
    assert sums_of(on_host) == expected


def test_a_checksum_is_that_of_its_definition():
    """The finalizer is that of the reference implementation of MurmurHash3, in whole numbers."""

    def mixed(word):
        word = (word ^ word >> 16) * 0x85EBCA6B % 2**32
        word = (word ^ word >> 13) * 0xC2B2AE35 % 2**32
        return word ^ word >> 16

    words = np.array([0.5, -3, np.nan, np.inf, 0], np.float32)
    bits = words.view(np.uint32).tolist()
    total = sum(mixed(each ^ place * 0x9E3779B1 % 2**32) for place, each in enumerate(bits))
    assert sums_of([words]) == [total % 2**32]
    assert len({mixed(word) for word in range(2**16)}) == 2**16


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_every_flipped_bit_is_found(data):
    dtype = data.draw(st.sampled_from([*DTYPES[:-1], np.float64]))
    whole = array(dtype, data.draw(st.integers(1, 200)), data.draw(st.integers(0, 99)))
    damaged = whole.copy()
    byte = data.draw(st.integers(0, whole.nbytes - 1))
    damaged.view(np.uint8)[byte] ^= 1 << data.draw(st.integers(0, 7))
    assert sums_of(damaged) != sums_of(whole)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_cut_a_swap_and_flipped_signs_are_found(data):
    dtype = data.draw(st.sampled_from(DTYPES))
    whole = array(dtype, data.draw(st.integers(2, 200)), data.draw(st.integers(0, 99)))
    first, second = (data.draw(st.integers(0, len(whole) - 1)) for _ in range(2))
    cut, swapped, negative = whole.copy(), whole.copy(), whole.copy()
    cut[first:] = 0
    swapped[[first, second]] = whole[[second, first]]
    negative.view(np.uint8).reshape(len(whole), -1)[[first, second], -1] ^= 128  # the top bit
    changed = [each for each in (cut, swapped, negative) if each.tobytes() != whole.tobytes()]
    assert changed
    for damaged in changed:
        assert sums_of(damaged) != sums_of(whole)


@pytest.mark.parametrize("layout", [(1, 1), (2, 1), (1, 2)], ids=str)
@pytest.mark.parametrize("trunk", [None, {"kernel": array(np.float32, (5, 7))}])
def test_a_mesh_computes_the_checksums_of_the_members_alone(layout, trunk):
    """On two devices, a copy of a member makes four of three."""
    state = State(
        {"kernel": array(np.float32, (3, 4, 5)), "bias": array(np.float32, (3, 2))},
        {"mean": array(np.float32, (3, 4))},
        (array(np.int32, (3,)),),
        np.full(3, TRAINING, np.int32),
        trunk,
    )
    placement = Placement.on_devices(3, 8, MeshLayout(*layout))
    spread = placement.spread(state)
    assert len(spread.diverged_at) == (4 if layout == (2, 1) else 3)
    sums = checksums.wait_for(sums_of_members(spread, placement))
    assert sums == sums_of(state) == sums_of(placement.gather(spread))
