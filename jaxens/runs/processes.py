"""What the processes of a training tell each other: what process 0 has read or sees, and a stop."""

import contextlib
import secrets
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec
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


def all_share(folder: Path | None) -> bool:
    """Returns whether all processes can write into the same folder.

    All of them have to call it. Process 0 writes a file with a random name. A process that sees
    this file writes another one next to it. So folders that have the same name, but are on the
    disks of different hosts, are not taken for one.

    Args:
        folder: The folder, which process 0 has made; None if this process has none.
    """
    if largest(folder is None) or folder is None:
        return False
    number = jax.process_index()
    token = int(_from_process_0(np.int32(secrets.randbits(31))))
    place = folder / ".processes"
    question = place / f"{token}"
    answers = [place / f"{token}.{i}" for i in range(jax.process_count())]
    with contextlib.suppress(OSError):
        if number == 0:
            place.mkdir(exist_ok=True)
            question.touch()
    largest(0)  # waits for process 0
    with contextlib.suppress(OSError):
        if question.exists():
            answers[number].touch()
    largest(0)  # waits for all
    answered = number > 0 or all(answer.exists() for answer in answers)
    if number == 0:
        shutil.rmtree(place, ignore_errors=True)
    return not largest(not answered)


def largest(number: int) -> int:
    """Returns the largest of the numbers that the processes give; all of them have to call it."""
    return number if jax.process_count() == 1 else int(_largest(number))


class LateLargest:
    """Returns the largest of the numbers that the processes gave one call before; 0 at first.

    All processes have to call it after each dispatch. Devices work in order, so the answer of this
    call comes only after the dispatch. Waiting for it would leave the devices without work until
    the next dispatch. The answer of the call before is there already. A single process gets its own
    number at once.
    """

    def __init__(self) -> None:
        self._before: Array | None = None

    def __call__(self, number: int) -> int:
        if jax.process_count() == 1:
            return number
        before, self._before = self._before, _largest(number)
        return 0 if before is None else int(before)


def _largest(number: int) -> Array:
    """Returns the largest number of all processes, without waiting for it."""
    given, largest_of = _of_devices()
    own = np.full(jax.local_device_count(), number, np.int32)
    return largest_of(jax.make_array_from_process_local_data(given, own, (jax.device_count(),)))


@cache
def _of_devices() -> tuple[NamedSharding, Callable[[Array], Array]]:
    """Returns the sharding of a number for each device, and what returns their maximum to all."""
    mesh = Mesh(np.array(jax.devices()), "device")
    everywhere = NamedSharding(mesh, PartitionSpec())
    given = NamedSharding(mesh, PartitionSpec("device"))
    return given, jax.jit(jnp.max, out_shardings=everywhere)


def of_process_0() -> MultiprocessingOptions:
    """Returns options with which Orbax does not wait for processes other than 0."""
    if jax.process_count() == 1:
        return MultiprocessingOptions()
    return MultiprocessingOptions(
        primary_host=0, active_processes={0}, barrier_sync_key_prefix="process_0"
    )
