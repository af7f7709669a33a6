"""Progress bars for the callbacks of the library."""

import contextlib
import time
from collections.abc import Iterator

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from jaxens.data.progress import Progress as Callback
from jaxens.names import shorten

DELAY = 1.0  # seconds before a bar is shown
LOG_EVERY = 30.0  # seconds between lines where no bar is shown
LETTERS = 100  # of a description


class LogLines:
    """Says now and then how far work has come where no bar is shown, as in the log of a job.

    Args:
        console: Where it prints. It prints nothing in a terminal, which has a bar.
    """

    def __init__(self, console: Console):
        self._console = console
        self._last = time.monotonic()

    def __call__(self, description: str, done: float, total: float) -> None:
        """Prints a line with the share of the work that is done, if the last one is old enough."""
        now = time.monotonic()
        if not self._console.is_terminal and now - self._last >= LOG_EVERY:
            self._last = now
            line = f"{description} ({done / max(total, 1):.0%})"
            self._console.print(line, markup=False, highlight=False, soft_wrap=True)


@contextlib.contextmanager
def bar(console: Console | None = None) -> Iterator[Callback]:
    """A progress bar that begins after a second; it yields the callback that moves it.

    Where there is no terminal, it is a line every half a minute.

    Args:
        console: Where it is drawn (default: standard error).
    """
    progress = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=30),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        console=console or Console(stderr=True),
        redirect_stdout=console is not None,
    )
    task = progress.add_task("", total=None)
    began = time.monotonic()
    log = LogLines(progress.console)

    def callback(description: str, done: int, total: int) -> None:
        shown = shorten(description, LETTERS)
        progress.update(task, description=shown, completed=done, total=total)
        log(shown, done, total)
        if not progress.live.is_started and time.monotonic() - began > DELAY:
            progress.start()

    try:
        yield callback
    finally:
        if progress.live.is_started:
            progress.stop()
