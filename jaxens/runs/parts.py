"""The state in the middle of an epoch, which a training saves when a signal stops it there."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax import Array

from jaxens.runs.checkpoints import Checkpoints
from jaxens.runs.checksums import sums_of
from jaxens.runs.contents import fields_of
from jaxens.runs.orbax_arrays import handler
from jaxens.runs.shards import Shards
from jaxens.runs.stops import deferred
from jaxens.training.state import State
from jaxens.training.trainer import Part


class Parts:
    """The checkpoints of a run that are not at the end of an epoch, numbered by step.

    Args:
        checkpoints: Those at the ends of epochs. A newer one replaces what is here.

    Attributes:
        folder: The folder, which exists only after such a stop.
        kept: Says how far the newest state has come; "" if there is none.
    """

    def __init__(self, checkpoints: Checkpoints):
        self.folder = checkpoints.folder.parent / "interrupted"
        self.kept = ""
        self._checkpoints = checkpoints

    def save(self, part: Part, state: State, sums: Sequence[Array | int], like: State) -> None:
        """Saves a state in the middle of an epoch, and waits until it is on disk.

        Args:
            part: How far the epoch has come, and the sums of its losses.
            state: The state after this part. On a mesh, it may have more rows than members.
            sums: The checksums of the members' arrays, in the order of the leaves.
            like: The shapes and types of the members' arrays.
        """
        with deferred():
            fields = _with_losses(part, state)
            of_state = jax.tree.unflatten(jax.tree.structure(state), sums)
            all_sums = fields_of(of_state) | {"losses": sums_of(fields["losses"])[0]}
            saved = Checkpoints(self.folder, self._checkpoints.others.joined)
            saved.save(
                part.step,
                fields,
                float("nan"),
                jax.tree.leaves(all_sums),
                _with_losses(part, like),
            )
            saved.close()
            self.kept = f"step {part.step}"

    def latest(self, steps_per_epoch: int, like: Any) -> tuple[int, Any] | None:
        """Reads the newest state, if it is newer than all checkpoints, and whole.

        Args:
            steps_per_epoch: The number of steps of an epoch.
            like: From `layout_of`.

        Returns:
            The number of steps since the start, and what `restored` needs; None if there is none.

        Raises:
            UserError: If it does not fit `like`.
        """
        if not self.folder.is_dir():
            return None
        newest = max(self._checkpoints.epochs(), default=0)
        saved = Checkpoints(self.folder)
        read = saved.after(newest * steps_per_epoch, like)
        saved.close()
        self.kept = f"step {read[0]}" if read else ""
        return read

    def remove(self) -> None:
        """Removes what was saved, because an epoch has a checkpoint now; waits for that one."""
        self.kept = ""
        if self.folder.is_dir():
            self._checkpoints.wait()
            shutil.rmtree(self.folder)


class NoParts:
    """Replaces `Parts` in a process that has no run directory of its own.

    Args:
        folder: The folder in which process 0 saves. This process writes its shards into it. None:
            nothing is saved.
    """

    def __init__(self, folder: Path | None = None):
        self._folder = folder

    def save(self, part: Part, state: State, sums: Sequence[Array | int], like: State) -> None:
        """Saves the shards of this process, and waits until they are on disk."""
        if self._folder is not None:
            with deferred():
                shards = Shards(self._folder, handler())
                shards.save(_with_losses(part, state))
                shards.wait()

    def latest(self, steps_per_epoch: int, like: Any) -> None:
        """Returns None."""

    def remove(self) -> None:
        """Does nothing."""


def _with_losses(part: Part, state: State) -> dict[str, Any]:
    """Returns the fields of a state, and the losses of the part as one more field."""
    return fields_of(state) | {"losses": _bits(part.total)}


def layout_of(state: State) -> dict[str, Any]:
    """Returns the shapes and types of the arrays that `Parts.save` writes for such a state."""
    losses = jax.ShapeDtypeStruct((2 * state.members,), np.uint32)
    return fields_of(state) | {"losses": losses}


def restored(step: int, fields: dict[str, Any], steps_per_epoch: int) -> tuple[Part, State]:
    """Returns what was saved at a step, which is in the epoch, or at its end."""
    state = State(**{name: value for name, value in fields.items() if name != "losses"})
    total = np.array(fields["losses"]).view(np.float64)
    return Part(-(-step // steps_per_epoch), step, total), state


def _bits(losses: np.ndarray) -> np.ndarray:
    """Returns float64 numbers as pairs of uint32: JAX would round them to float32."""
    return np.ascontiguousarray(losses).view(np.uint32)
