"""What a person sees while an ensemble trains."""

from types import TracebackType
from typing import Self

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from jaxens.ensemble.quality import Quality

console = Console(highlight=False)


class Live:
    """A bar with loss (mean and spread over members), speed and time left; a line per epoch."""

    def __init__(self, steps: int, done: int, epochs: int):
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TaskProgressColumn(),
            TextColumn("{task.fields[numbers]}"),
            TimeRemainingColumn(),
            console=console,
        )
        self._task = self._progress.add_task("compiling", total=steps, completed=done, numbers="")
        self._epochs = epochs

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def step(self, epoch: int, losses: np.ndarray, speed: float) -> None:
        """Shows a finished step: the members' losses, member-images per second."""
        self._progress.update(
            self._task,
            advance=1,
            description=f"epoch {epoch}/{self._epochs}, this step:",
            numbers=_numbers(losses, speed),
        )

    def epoch(self, epoch: int, losses: np.ndarray, speed: float, val: list[Quality]) -> None:
        """Prints a line for a finished epoch; it stays when the bar is gone."""
        tasks = "  ".join(f"{q.task} {q.ensemble:.3f}" for q in val)
        console.print(
            f"epoch {epoch}/{self._epochs}  {_numbers(losses, speed)}  validation: {tasks}",
            soft_wrap=True,
        )


def _numbers(losses: np.ndarray, speed: float) -> str:
    return f"loss {np.mean(losses):.3f} ± {np.std(losses):.3f}  {speed:,.0f} member-images/s"
