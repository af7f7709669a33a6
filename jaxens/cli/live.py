"""Shows a training in the terminal."""

import contextlib
import math
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from jaxens.cli.console import console, say
from jaxens.cli.progress import LogLines, bar
from jaxens.cli.signals import give_up
from jaxens.data.progress import Progress as Callback
from jaxens.ensemble.quality import Quality
from jaxens.names import shorten
from jaxens.runs.watch import Watch
from jaxens.training.layout import MeshLayout

# A command ends if for so many seconds its disk has not responded and it has made no progress. A
# file server that restarts may take some minutes.
GIVE_UP = 300.0


class Live(Watch):
    """A bar with loss (mean and spread over members), speed and time left; a line per epoch.

    Where there is no terminal, the bar is a line every half a minute.

    Another bar shows data that are prepared or read.
    """

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()
        self._data_bar: Callback | None = None
        self._progressed = time.monotonic()

    def progress(self, description: str, done: int, total: int) -> None:
        self._progressed = time.monotonic()
        if self._data_bar is None:
            self._data_bar = self._stack.enter_context(bar())
        self._data_bar(description, done, total)
        if done == total:
            self.close()

    def disk_hangs(self, folder: Path, seconds: float) -> None:
        """Ends the command if it makes no progress because its disk does not respond.

        Another thread calls this; see `jaxens.runs.watchdog`.

        Args:
            folder: The run directory.
            seconds: The time since the disk last responded.
        """
        if min(seconds, time.monotonic() - self._progressed) >= GIVE_UP:
            give_up(
                f"{folder}: the disk has not responded for {seconds:.0f} s: bring it back (is a "
                "network share missing?), and --resume continues the run"
            )

    def close(self) -> None:
        """Ends the bar of the data, if there is one."""
        self._stack.close()
        self._data_bar = None

    def begin(self, steps: int, done: int, epochs: int, layout: MeshLayout) -> None:
        if math.prod(layout) > 1:
            say(f"training on {math.prod(layout)} devices: {layout}")
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TaskProgressColumn(),
            TextColumn("{task.fields[numbers]}"),
            TimeRemainingColumn(),
            console=console,
        )
        self._task = self._bar.add_task("compiling", total=steps, completed=done, numbers="")
        self._log = LogLines(console)
        self._steps, self._done, self._epochs = steps, done, epochs
        self._bar.start()

    def step(self, epoch: int, losses: Float[np.ndarray, "member"], speed: float) -> None:
        self._progressed = time.monotonic()
        self._done += 1
        description, numbers = f"epoch {epoch}/{self._epochs}, this step:", _numbers(losses, speed)
        self._bar.update(self._task, completed=self._done, description=description, numbers=numbers)
        self._log(f"{description} {numbers}", self._done, self._steps)

    def epoch(
        self,
        epoch: int,
        losses: Float[np.ndarray, "member"],
        speed: float,
        validation: Sequence[Quality],
    ) -> None:
        tasks = "  ".join(f"{shorten(q.task)} {q.ensemble:.3f}" for q in validation)
        say(f"epoch {epoch}/{self._epochs}  {_numbers(losses, speed)}  validation: {tasks}")

    def end(self) -> None:
        self._bar.stop()


def _numbers(losses: np.ndarray, speed: float) -> str:
    known = losses[np.isfinite(losses)]
    spread = f" ± {np.std(known):.3f}" if len(losses) > 1 else ""
    lost = f" ({len(losses) - len(known)} diverged)" if len(known) < len(losses) else ""
    return f"loss {np.mean(known):.3f}{spread}{lost}  {speed:,.0f} member-images/s"
