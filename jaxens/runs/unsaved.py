"""A training without a run directory: the log and the best state stay in memory."""

from typing import Any, Self

from jaxens.data.schema import Info
from jaxens.training.settings import Config


class UnsavedRun:
    """Takes the place of a `Run`, and of its checkpoints."""

    folder = None

    def __init__(self, config: Config, info: Info):
        self.config = config
        self.info = info
        self._lines: list[dict[str, Any]] = []
        self._best: tuple[int, Any] | None = None
        self._score = -float("inf")

    @property
    def checkpoints(self) -> Self:
        return self

    def latest(self, like: Any) -> None:
        """There is never an earlier state to continue from."""

    def best(self, like: Any) -> tuple[int, Any] | None:
        """The epoch and state of the highest score."""
        return self._best

    def save(self, epoch: int, state: Any, score: float) -> None:
        """Keeps the state if its score is the highest so far."""
        if self._best is None or score >= self._score:
            self._score, self._best = score, (epoch, state)

    def wait(self) -> None:
        """Nothing is being written."""

    def log(self, **numbers: Any) -> None:
        """Appends a line to the log."""
        self._lines.append(numbers)

    def read_log(self) -> list[dict[str, Any]]:
        """The lines of the log."""
        return self._lines

    def forget_after(self, epoch: int) -> None:
        """There are no lines of an earlier process."""

    def close(self) -> None:
        """There is nothing to close."""
