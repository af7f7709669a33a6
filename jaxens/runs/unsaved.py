"""A run without a directory: its log, its best state and its last one are kept in memory."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import jax
from jax import Array

from jaxens.data.schema import Info
from jaxens.runs.orbax_arrays import handler
from jaxens.runs.parts import NoParts
from jaxens.runs.shards import Shards
from jaxens.training.settings import Config


class UnsavedRun:
    """Replaces `Run` and `Checkpoints` in a process that has no run directory of its own.

    It keeps states in memory. If it shares the run directory of process 0, it writes its shards.
    """

    folder = None
    chosen = ""

    def __init__(self, config: Config, info: Info):
        self.config = config
        self.info = info
        self.parts = NoParts()
        self._lines: list[dict[str, Any]] = []
        self._best: tuple[int, Any] | None = None
        self._latest: tuple[int, Any] | None = None
        self._score = -float("inf")
        self._shards: Shards | None = None

    def share(self, folder: Path) -> None:
        """From now on, this process writes its shards into the checkpoints of process 0.

        Args:
            folder: The run directory.
        """
        self._shards = Shards(folder / "checkpoints", handler())
        self.parts = NoParts(folder / "interrupted")

    @property
    def on_devices(self) -> bool:
        """Whether arrays may be saved that lie on devices of several processes."""
        return self._shards is not None

    @property
    def checkpoints(self) -> Self:
        """The run itself, which keeps its states."""
        return self

    def latest(self, like: Any) -> tuple[int, Any] | None:
        """Returns the last epoch and the state after it; None before the first epoch."""
        return self._latest

    def best(self, like: Any) -> tuple[int, Any] | None:
        """Returns the epoch and the state with the highest score; None before the first epoch."""
        return self._best

    def save(
        self, epoch: int, state: Any, score: float, sums: Sequence[Any] = (), like: Any = None
    ) -> None:
        """Keeps the state as the last one and, if its score is the highest so far, as the best.

        Processes other than 0 keep nothing: process 0 tells them what it has read. They write
        their shards, if they share its run directory.
        """
        if self._shards is not None:
            self._shards.save(state)
        if jax.process_index() > 0:
            return
        # What is on the device is copied, because the next step reuses its buffers.
        copy = jax.tree.map(lambda leaf: leaf.copy() if isinstance(leaf, Array) else leaf, state)
        self._latest = epoch, copy
        if self._best is None or score >= self._score:
            self._score, self._best = score, (epoch, copy)

    def wait(self) -> None:
        """Waits until the shards of this process are on disk."""
        if self._shards is not None:
            self._shards.wait()

    def log(self, **numbers: Any) -> None:
        """Appends a line to the log."""
        self._lines.append(numbers)

    def read_log(self) -> list[dict[str, Any]]:
        """Returns the lines of the log."""
        return self._lines

    def continue_after(self, epoch: int) -> None:
        """Does nothing: there was no earlier process."""

    def close(self) -> str:
        """Says that nothing is kept here."""
        self.wait()
        if jax.process_index() > 0:
            return "process 0 says what is kept"
        return "nothing was saved, because no folder was named"
