"""Process 0 sends the others what it reads from disk; and a test whether all share one folder."""

import contextlib
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from orbax.checkpoint.options import MultiprocessingOptions

from jaxens.training.agreement import largest

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


def of_process_0() -> MultiprocessingOptions:
    """Returns options with which Orbax does not wait for processes other than 0."""
    if jax.process_count() == 1:
        return MultiprocessingOptions()
    return MultiprocessingOptions(
        primary_host=0, active_processes={0}, barrier_sync_key_prefix="process_0"
    )
