"""Checksums of arrays, computed where they are: on a device, or by NumPy in the host's memory."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.sharding import Sharding
from jaxtyping import UInt32

from jaxens.training.mesh import Placement
from jaxens.training.state import State

AT_ONCE = 2**16  # words that NumPy mixes at once: they stay in the cache of a core
_PLACE = np.uint32(0x9E3779B1)  # odd, so each of 2**32 places has another multiple of it


def sums_of(tree: Any) -> list[int]:
    """Returns a checksum of the bits of each array, in the order of the leaves.

    The bits are read as words: an element of 8 bytes is two words, any other is one. Each word is
    mixed with its place, and the mixed words are added up modulo 2**32. The mixing is the finalizer
    of MurmurHash3, which maps different words to different ones. So a change of one word always
    changes the sum. Damage to several words is missed with a probability of 2**-32.

    Args:
        tree: Arrays on devices of this process, or in its memory.
    """
    leaves = jax.tree.leaves(tree)
    sums = [
        _sum_on_device(leaf, leaf.size) if isinstance(leaf, Array) else _sum_on_host(leaf)
        for leaf in leaves
    ]
    return wait_for(sums)


def wait_for(sums: Sequence[Array | int]) -> list[int]:
    """Returns checksums as numbers, once the devices have computed them."""
    return [int(each) for each in jax.device_get(sums)]


def sums_of_members(state: State, placement: Placement) -> list[Array]:
    """Returns the checksums of the members alone, of which the mesh may have more.

    They are those of `sums_of` for the state that `placement.gather` returns. The devices compute
    them, without a copy of the state; `wait_for` returns their numbers.

    Args:
        state: On the devices of the mesh.
        placement: Where it lies.
    """
    of_members = state._replace(trunk=None)
    sizes = [
        leaf.size // placement.filled * placement.members for leaf in jax.tree.leaves(of_members)
    ]
    sizes += [leaf.size for leaf in jax.tree.leaves(state.trunk)]
    leaves = jax.tree.leaves(state)  # the trunk is the last field
    return [
        _sum_on_device(leaf, size, placement.everywhere)
        for leaf, size in zip(leaves, sizes, strict=True)
    ]


# A program for each shape: one for all arrays would take XLA long to compile.
@partial(jax.jit, static_argnums=(1, 2))
def _sum_on_device(leaf: Array, size: int, sharding: Sharding | None = None) -> UInt32[Array, ""]:
    """Returns the checksum of an array's first elements, `size` many."""
    if leaf.dtype == bool:
        leaf = leaf.astype(np.uint8)
    words = lax.bitcast_convert_type(leaf, _word(leaf.dtype)).astype(np.uint32).reshape(-1)
    places = lax.iota(np.uint32, words.size)
    mixed = _mix(words ^ (places * _PLACE))
    if size < leaf.size:
        mixed = jnp.where(places < np.uint32(words.size // leaf.size * size), mixed, 0)
    total = jnp.sum(mixed, dtype=np.uint32)
    return total if sharding is None else lax.with_sharding_constraint(total, sharding)


def _sum_on_host(leaf: np.ndarray) -> int:
    """Does as `_sum_on_device` for a whole array, a part of it after the other."""
    flat = np.ascontiguousarray(leaf).reshape(-1)
    words = flat.view(np.uint8 if flat.dtype == bool else _word(flat.dtype))
    total = 0
    for start in range(0, len(words), AT_ONCE):
        part = words[start : start + AT_ONCE].astype(np.uint32)
        places = np.arange(start, start + len(part)).astype(np.uint32)
        total += int(_mix(part ^ (places * _PLACE)).sum(dtype=np.uint32))
    return total % 2**32


def _word(dtype: np.dtype) -> np.dtype:
    """Returns the type of the words of an element."""
    return np.dtype(f"uint{8 * min(dtype.itemsize, 4)}")


def _mix(words: Any) -> Any:
    """Maps different words of 32 bits to different ones; near ones become far apart."""
    words = (words ^ (words >> 16)) * np.uint32(0x85EBCA6B)
    words = (words ^ (words >> 13)) * np.uint32(0xC2B2AE35)
    return words ^ (words >> 16)
