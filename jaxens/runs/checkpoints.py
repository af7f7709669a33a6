"""The checkpoints of a run: written in the background, and checked when read."""

import logging
import math
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from jax import Array
from orbax.checkpoint.options import AsyncOptions

from jaxens.errors import UserError
from jaxens.runs.checksums import sums_of, wait_for
from jaxens.runs.contents import Contents, Sealed, arrays_of, contents_of, fields_of, seal
from jaxens.runs.disk import check_room, disk_errors
from jaxens.runs.orbax_arrays import registry, to_host
from jaxens.runs.orbax_keeping import OLD, LastTwoAndBest
from jaxens.runs.orbax_messages import hide_abandoned_reads, hide_failed_writes
from jaxens.runs.processes import of_process_0
from jaxens.runs.records import check
from jaxens.runs.shards import Others
from jaxens.runs.stops import deferred

log = logging.getLogger(__name__)


class Checkpoints:
    """The last two checkpoints and the best one, numbered by epoch (or by another number).

    Orbax writes each in the background, into a temporary folder that it renames at the end. They
    are read into the memory of the host, because a device may have no room for another state. Next
    to the arrays lies a list of them with their checksums, because a flipped bit is a valid
    number. The score, by which the best one is chosen, is in that list, which has a checksum too.

    Args:
        folder: The folder of the checkpoints; it is created if it doesn't exist.
        joined: Whether the other processes write their shards into it (see `Others`).

    Attributes:
        folder: The folder of the checkpoints.
        others: The other processes. Until they join, process 0 writes the whole state.
        chosen: The epoch that `best` read last, and whether it is the best; `best_ensemble` adds
            which members had diverged.
    """

    def __init__(self, folder: Path, joined: bool = False):
        self.folder = folder
        self.others = Others(folder, joined)
        self.chosen = ""
        self._read_back = self._saves = False
        self._contents: dict[int, Contents] = {}  # by epoch, once read or written
        folder.mkdir(parents=True, exist_ok=True)
        self._manager = ocp.CheckpointManager(
            folder.absolute(),
            options=ocp.CheckpointManagerOptions(
                preservation_policy=LastTwoAndBest(self._scores),
                enable_async_checkpointing=True,
                create=False,
                todelete_subdir=OLD,
                multiprocessing_options=of_process_0(),
                # The other processes need the folder at once.
                async_options=AsyncOptions(
                    create_directories_asynchronously=jax.process_count() == 1
                ),
            ),
            handler_registry=registry(self.others),
        )

    def epochs(self) -> list[int]:
        """Returns the epochs that have a checkpoint, the newest first."""
        return sorted(self._manager.all_steps(), reverse=True)

    @property
    def on_devices(self) -> bool:
        """Whether arrays may be saved that lie on devices of several processes."""
        return jax.process_count() == 1 or self.others.joined

    def save(
        self,
        epoch: int,
        state: Any,
        score: float,
        sums: Sequence[Array | int] | None = None,
        like: Any = None,
    ) -> None:
        """Starts to write a checkpoint. The first one is read back.

        After it, the buffers of `state` may be reused on an accelerator, from which Orbax has
        copied them, and on a CPU, where JAX keeps a buffer as long as Orbax reads it.

        Args:
            epoch: Its number.
            state: A named tuple or a dict of arrays. Those of a mesh may have more rows than there
                are members.
            score: Chooses the best checkpoint; higher is better.
            sums: The checksums of the members' arrays, which a device may still compute (None:
                `sums_of`).
            like: The shapes and types of the members' arrays (None: those of `state`).

        Raises:
            OSError: If the disk is full (`errno.ENOSPC`) or can't be written.
            UserError: If the first checkpoint can't be read back.
        """
        sums = sums_of(state) if sums is None else sums
        like = state if like is None else like
        hide_failed_writes()
        with self.others.save():
            self._saves = True
            for old in (self.folder / OLD).glob("*"):
                shutil.rmtree(old)
            check_room(self.folder, sum(leaf.nbytes for leaf in jax.tree.leaves(state)))
            # An earlier checkpoint of this epoch can only be a damaged one: training would have
            # gone on after a whole one.
            if epoch in self._manager.all_steps():
                self._manager.delete(epoch)
            contents = self._contents[epoch] = contents_of(like, score, wait_for(sums))
            items = ocp.args.Composite(
                state=ocp.args.PyTreeSave(fields_of(state)), sums=ocp.args.JsonSave(seal(contents))
            )
            with disk_errors(self.folder), deferred():
                self._manager.save(epoch, args=items, force=True)
        if not self._read_back:
            self._check_first(epoch, like)

    def _check_first(self, epoch: int, like: Any) -> None:
        self.wait()
        del self._contents[epoch]
        try:
            self._read(epoch, like)
        except Exception as error:
            raise UserError(
                f"checkpoint {self.folder / str(epoch)} can't be read back "
                f"({_reason(error)}): train into another folder"
            ) from None
        self._read_back = True

    def latest(self, like: Any) -> tuple[int, Any] | None:
        """Reads the newest checkpoint; damaged ones are left out with a warning.

        Args:
            like: A state with the shapes and types to read.

        Returns:
            Its epoch and state; None if there is no checkpoint.

        Raises:
            UserError: If all checkpoints are damaged, or they don't fit `like`.
        """
        return self._first_readable(self.epochs(), like)

    def after(self, number: int, like: Any) -> tuple[int, Any] | None:
        """Reads the newest checkpoint above a number; damaged ones are left out with a warning.

        Args:
            number: Checkpoints up to it are not read.
            like: A state with the shapes and types to read.

        Returns:
            Its number and state; None if there is none that can be read.

        Raises:
            UserError: If it does not fit `like`.
        """
        later = [each for each in self.epochs() if each > number]
        return self._readable(later, like)

    def best(self, like: Any) -> tuple[int, Any] | None:
        """Reads the checkpoint with the highest score; if it is damaged, the newest other one.

        Arguments, result and errors are those of `latest`.
        """
        epochs = self.epochs()
        scores = self._scores(epochs)
        lost = [epoch for epoch in epochs if epoch not in scores]
        for epoch in lost:
            log.warning(
                f"checkpoint {self.folder / str(epoch)} is damaged (its score can't be read): it "
                "is left out"
            )
        known = sorted(scores, key=lambda epoch: (-scores[epoch], -epoch))
        newest = sorted(known[1:], reverse=True)
        read = self._first_readable([*known[:1], *newest] or lost, like)
        if read is not None:
            is_best = not lost and read[0] == known[0]
            self.chosen = f"epoch {read[0]}, {'the' if is_best else 'not the'} best"
        return read

    def wait(self) -> None:
        """Waits until all checkpoints are on disk.

        Raises:
            OSError: If the disk is full (`errno.ENOSPC`) or can't be written.
        """
        with disk_errors(self.folder):
            self._manager.wait_until_finished()

    def close(self) -> None:
        """Waits until all checkpoints are on disk, and closes the folder."""
        with disk_errors(self.folder), deferred():
            self._manager.wait_until_finished()
            self._manager.close()
            if self._saves:
                shutil.rmtree(self.folder / OLD, ignore_errors=True)

    def _scores(self, epochs: Iterable[int]) -> dict[int, float]:
        """Returns the scores of those checkpoints that have a readable one, by epoch.

        Raises:
            OSError: If the disk can't be read at the moment. That is no damage.
        """
        scores = {}
        for epoch in epochs:
            try:
                with disk_errors(self.folder):
                    score = self._read_contents(epoch)["score"]
            except FileNotFoundError:
                continue
            except OSError:
                raise
            except Exception:  # as many kinds as in `_readable`
                continue
            scores[epoch] = -math.inf if math.isnan(score) else score
        return scores

    def _first_readable(self, epochs: list[int], like: Any) -> tuple[int, Any] | None:
        read = self._readable(epochs, like)
        if read is None and epochs:
            raise UserError(
                f"{self.folder}: no checkpoint can be read: train anew into another folder"
            )
        return read

    def _readable(self, epochs: list[int], like: Any) -> tuple[int, Any] | None:
        for epoch in epochs:
            try:
                return epoch, self._read(epoch, like)
            except UserError:
                raise
            # Orbax and TensorStore raise many kinds of exceptions for damaged files.
            except Exception as error:
                log.warning(
                    f"checkpoint {self.folder / str(epoch)} is damaged ({_reason(error)}): "
                    "another one is used"
                )
        return None

    def _read(self, epoch: int, like: Any) -> Any:
        contents = self._read_contents(epoch)
        stored, expected = contents["arrays"], arrays_of(like)
        for name in sorted(stored.keys() | expected.keys()):
            if (have := stored.get(name)) != (want := expected.get(name)):
                raise UserError(
                    f"checkpoint {self.folder / str(epoch)} does not fit config.toml: {name} is "
                    f"{have or 'absent'}, and the config makes it {want or 'absent'}: restore "
                    "the config with which it was trained"
                )
        items = ocp.args.Composite(state=to_host(fields_of(like)))
        hide_abandoned_reads()  # before the first one can end, in a thread of TensorStore
        read = self._manager.restore(epoch, args=items)
        state = jax.tree.map(_first_rows, type(like)(**read["state"]), like)
        if contents["sums"] != sums_of(state):
            raise ValueError("its checksums differ")
        return state

    def _read_contents(self, epoch: int) -> Contents:
        """Reads the list of a checkpoint's arrays.

        Raises:
            ValueError: If it is damaged.
        """
        if epoch not in self._contents:
            items = ocp.args.Composite(sums=ocp.args.JsonRestore())
            sealed = self._manager.restore(epoch, args=items)["sums"]
            check(sealed, Sealed)
            if sealed != seal(sealed["contents"]):
                raise ValueError("its checksums differ")
            self._contents[epoch] = sealed["contents"]
        return self._contents[epoch]


def _first_rows(stored: np.ndarray, like: Any) -> np.ndarray:
    """Returns the rows of the members. A mesh may have more, which fill up its devices."""
    return stored if stored.shape == like.shape else stored[: like.shape[0]]


def _reason(error: Exception) -> str:
    """Names an error in a few words; Orbax's messages have many lines."""
    message = str(error)
    return message if message and len(message) < 80 and "\n" not in message else "it can't be read"
