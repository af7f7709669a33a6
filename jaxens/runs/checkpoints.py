"""A run's checkpoints: written while training goes on, checked when read."""

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
    """The last two checkpoints and the best one, numbered by their epoch.

    Orbax writes them in the background, beside, and renames them. Each carries a checksum
    of every array, since a flipped bit reads back as a number like any other.
    """

    def __init__(self, folder: Path):
        keep = checkpoint_managers.AnyPreservationPolicy(
            [
                checkpoint_managers.LatestN(2),  # one to fall back on
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
        """Starts to write `state`; `score` (higher is better) chooses the best.

        A checkpoint of this epoch that is there already was passed over as damaged.

        Raises `OSError` (`errno.ENOSPC`) if the disk has no room for it.
        """
        self._check_room(state)
        if epoch in self._manager.all_steps():
            self._manager.delete(epoch)
        items = ocp.args.Composite(
            state=ocp.args.StandardSave(_fields(state)), sums=ocp.args.JsonSave(_sums(state))
        )
        with self._told_when_full(), _interrupted_after():
            self._manager.save(epoch, args=items, metrics={"score": score}, force=True)

    def latest(self, like: Any) -> tuple[int, Any] | None:
        """The newest readable checkpoint: its epoch and state; None if there never was one.

        `like` gives shapes, types and shardings. Each damaged one is told of and passed over.
        """
        return self._first_readable(sorted(self._manager.all_steps(), reverse=True), like)

    def best(self, like: Any) -> tuple[int, Any] | None:
        """The checkpoint of the highest score, or else the newest readable one."""
        steps = sorted(self._manager.all_steps(), reverse=True)
        best = self._manager.best_step()
        return self._first_readable(sorted(steps, key=lambda step: step != best), like)

    def wait(self) -> None:
        """Returns when all that was saved is on disk. Raises `OSError` if it was full."""
        with self._told_when_full():
            self._manager.wait_until_finished()

    def close(self) -> None:
        """Waits for what is being written, then lets go of the folder."""
        with self._told_when_full(), _interrupted_after():
            self._manager.wait_until_finished()
            self._manager.close()

    def _check_room(self, state: Any) -> None:
        """Asks before Orbax begins: its writers meet a full disk one by one, and loudly."""
        needed = sum(leaf.nbytes for leaf in jax.tree.leaves(state))
        if shutil.disk_usage(self.folder).free < needed + 2**20:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.folder))

    @contextlib.contextmanager
    def _told_when_full(self) -> Iterator[None]:
        """TensorStore tells of a full disk as a ValueError; Python's own word is OSError."""
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
            # Orbax and TensorStore raise all kinds of exceptions for files that are not whole.
            except Exception as error:
                log.warning(
                    f"checkpoint {self.folder / str(epoch)} is damaged "
                    f"({type(error).__name__} when read): passed over for another"
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
def _interrupted_after() -> Iterator[None]:
    """Puts Ctrl-C off: Orbax, stopped between its steps, leaves a writer that nobody awaits."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[tuple[int, FrameType | None]] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: came.append((number, frame)))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if came and callable(before):
        before(*came[0])


def _fields(state: Any) -> dict[str, Any]:
    """A state (a named tuple or a dict) by field, without fields that hold nothing.

    So a run without a frozen trunk has no word of one in its checkpoints.
    """
    fields = state if isinstance(state, dict) else state._asdict()
    return {name: value for name, value in fields.items() if value is not None}


def _score(metrics: dict[str, float]) -> float:
    return metrics["score"]


def _sums(state: Any) -> list[int]:
    """A checksum of each array; of none that is spread over other hosts."""
    here = [leaf for leaf in jax.tree.leaves(state) if leaf.is_fully_addressable]
    return [zlib.crc32(np.asarray(leaf).tobytes()) for leaf in here]
