"""The checkpoints of a run: written in the background, and checked when read."""

import contextlib
import errno
import logging
import os
import shutil
import signal
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from orbax.checkpoint import checkpoint_managers

from jaxens.errors import UserError

log = logging.getLogger(__name__)


class Checkpoints:
    """The last two checkpoints and the best one, numbered by epoch.

    Orbax writes each in the background, into a temporary folder that it renames at the end. A
    checkpoint has a checksum of every array, because a flipped bit is a valid number.

    Args:
        folder: of the checkpoints; it is created if it doesn't exist.
    """

    def __init__(self, folder: Path):
        keep = checkpoint_managers.AnyPreservationPolicy(
            [
                checkpoint_managers.LatestN(2),  # the older one replaces a damaged one
                checkpoint_managers.BestN(get_metric_fn=_score, n=1),
            ]
        )
        self.folder = folder
        self._manager = ocp.CheckpointManager(
            folder.absolute(),
            options=ocp.CheckpointManagerOptions(
                preservation_policy=keep, best_fn=_score, enable_async_checkpointing=True
            ),
        )

    def save(self, epoch: int, state: Any, score: float) -> None:
        """Starts to write a checkpoint.

        Args:
            epoch: its number.
            state: a named tuple or a dict of arrays.
            score: chooses the best checkpoint; higher is better.

        Raises:
            OSError: If the disk is full (`errno.ENOSPC`).
        """
        self._check_room(state)
        # A checkpoint of this epoch is damaged: otherwise training had continued after it.
        if epoch in self._manager.all_steps():
            self._manager.delete(epoch)
        items = ocp.args.Composite(
            state=ocp.args.StandardSave(_fields(state)), sums=ocp.args.JsonSave(_sums(state))
        )
        with self._full_disk_as_oserror(), _deferred_interrupts():
            self._manager.save(epoch, args=items, metrics={"score": score}, force=True)

    def latest(self, like: Any) -> tuple[int, Any] | None:
        """Reads the newest checkpoint; damaged ones are left out with a warning.

        Args:
            like: a state with the shapes, types and shardings to restore.

        Returns:
            Its epoch and state; None if there is no checkpoint.

        Raises:
            UserError: If all checkpoints are damaged.
        """
        return self._first_readable(sorted(self._manager.all_steps(), reverse=True), like)

    def best(self, like: Any) -> tuple[int, Any] | None:
        """Reads the checkpoint with the highest score; if it is damaged, the newest other one.

        Arguments, result and errors are those of `latest`.
        """
        steps = sorted(self._manager.all_steps(), reverse=True)
        best = self._manager.best_step()
        return self._first_readable(sorted(steps, key=lambda step: step != best), like)

    def wait(self) -> None:
        """Waits until all checkpoints are on disk.

        Raises:
            OSError: If the disk is full (`errno.ENOSPC`).
        """
        with self._full_disk_as_oserror():
            self._manager.wait_until_finished()

    def close(self) -> None:
        """Waits until all checkpoints are on disk, and closes the folder."""
        with self._full_disk_as_oserror(), _deferred_interrupts():
            self._manager.wait_until_finished()
            self._manager.close()

    def _check_room(self, state: Any) -> None:
        """Raises `OSError` early, because on a full disk each of Orbax's writers logs an error."""
        needed = sum(leaf.nbytes for leaf in jax.tree.leaves(state))
        if shutil.disk_usage(self.folder).free < needed + 2**20:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.folder))

    @contextlib.contextmanager
    def _full_disk_as_oserror(self) -> Iterator[None]:
        """Raises `OSError` for a full disk, for which TensorStore raises `ValueError`."""
        try:
            yield
        except ValueError as error:
            if "No space left" not in str(error):
                raise
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.folder)) from error

    def _first_readable(self, epochs: list[int], like: Any) -> tuple[int, Any] | None:
        for epoch in epochs:
            try:
                return epoch, self._read(epoch, like)
            # Orbax and TensorStore raise many kinds of exceptions for damaged files.
            except Exception as error:
                log.warning(
                    f"checkpoint {self.folder / str(epoch)} is damaged "
                    f"({type(error).__name__} when read): another one is used"
                )
        if epochs:
            raise UserError(
                f"{self.folder}: no checkpoint can be read: train anew into another folder"
            )
        return None

    def _read(self, epoch: int, like: Any) -> Any:
        shapes = jax.tree.map(ocp.utils.to_shape_dtype_struct, _fields(like))
        items = ocp.args.Composite(
            state=ocp.args.StandardRestore(shapes), sums=ocp.args.JsonRestore()
        )
        read = self._manager.restore(epoch, args=items)
        state = type(like)(**read["state"])
        if read["sums"] != _sums(state):
            raise ValueError("its checksums differ")
        return state


@contextlib.contextmanager
def _deferred_interrupts() -> Iterator[None]:
    """Handles Ctrl-C at the end of the block, because it would leave a running writer of Orbax."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received: list[tuple[int, FrameType | None]] = []
    handler = signal.signal(signal.SIGINT, lambda number, frame: received.append((number, frame)))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
    if received and callable(handler):
        handler(*received[0])


def _fields(state: Any) -> dict[str, Any]:
    """Returns the fields of a named tuple or a dict that are not None.

    So checkpoints of runs without a frozen trunk have no field for it.
    """
    fields = state if isinstance(state, dict) else state._asdict()
    return {name: value for name, value in fields.items() if value is not None}


def _score(metrics: dict[str, float]) -> float:
    return metrics["score"]


def _sums(state: Any) -> list[int]:
    """Returns a checksum of each array, except those that are sharded over other hosts."""
    local = [leaf for leaf in jax.tree.leaves(state) if leaf.is_fully_addressable]
    return [zlib.crc32(np.asarray(leaf).tobytes()) for leaf in local]
