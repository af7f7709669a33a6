"""What the processes of a training tell each other: what process 0 has read, and a stop."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from orbax.checkpoint.options import MultiprocessingOptions

Read = tuple[int, Any] | None  # the epoch and the state of a checkpoint, if there is one


def read_state(read: Callable[[Any], Read], like: Any) -> Read:
    """Returns what process 0 reads, in the memory of the host.

    The other processes get it from process 0, and need no file system.

    Args:
        read: Returns an epoch and a state for a state with the shapes and types to read.
        like: That state.
    """
    found = read(like) if jax.process_index() == 0 else None
    if jax.process_count() == 1:
        return found
    epoch = int(_from_process_0(np.int32(-1 if found is None else found[0])))
    if epoch < 0:
        return None
    nothing = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), like)
    return epoch, jax.tree.map(_from_process_0, nothing if found is None else found[1])


def _from_process_0(leaf: Any) -> np.ndarray:
    """Returns an array of process 0. A call for each array, because it goes through the devices."""
    return np.asarray(multihost_utils.broadcast_one_to_all(np.asarray(leaf)))


def largest(number: int) -> int:
    """Returns the largest of the numbers that the processes give; all of them have to call it."""
    if jax.process_count() == 1:
        return number
    return int(multihost_utils.process_allgather(np.int32(number)).max())


def of_process_0() -> MultiprocessingOptions:
    """Returns options with which Orbax does not wait for processes other than 0."""
    if jax.process_count() == 1:
        return MultiprocessingOptions()
    return MultiprocessingOptions(
        primary_host=0, active_processes={0}, barrier_sync_key_prefix="process_0"
    )
