"""Moves arrays between the memory of processes and the devices of a mesh."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.experimental import multihost_utils
from jax.sharding import NamedSharding


def to_host(tree: Any) -> Any:
    """Returns whole arrays in the memory of this process.

    If other processes have parts of them on their devices, all processes have to call it. JAX then
    gathers one array after the other, so a device holds one whole array at a time.
    """
    if jax.process_count() > 1:
        return multihost_utils.process_allgather(tree, tiled=True)
    # On a CPU, these may be views of buffers: JAX doesn't let a step reuse one that has a view.
    return jax.device_get(tree)


@partial(jax.jit, static_argnums=1)
def shared(array: Array, everywhere: NamedSharding) -> Array:
    """Returns an array that every device has, without waiting for it."""
    return lax.with_sharding_constraint(array, everywhere)


def put(tree: Any, shardings: Any) -> Any:
    """Returns arrays, the same in all processes, on the devices of a mesh.

    Args:
        tree: Arrays.
        shardings: A sharding, or one for each part of the tree; None for the default device.
    """
    if jax.process_count() == 1 or shardings is None:
        return jax.device_put(tree, shardings)

    def put_part(sharding: Any, part: Any) -> Any:
        return jax.tree.map(lambda leaf: put_leaf(sharding, np.asarray(leaf)), part)

    def put_leaf(sharding: Any, leaf: np.ndarray) -> Array:
        return jax.make_array_from_callback(leaf.shape, sharding, lambda place: leaf[place])

    return jax.tree.map(put_part, shardings, tree)


def fill(stacked: Any, count: int) -> Any:
    """Returns an array with a member axis, filled up to `count` members by the first one."""
    more = count - len(stacked)
    if not more:
        return stacked
    of = np if isinstance(stacked, np.ndarray) else jnp  # a device may lack room for all members
    return of.concatenate([stacked, of.broadcast_to(stacked[:1], (more, *stacked.shape[1:]))])
