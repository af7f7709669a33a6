"""Progress bars for the callbacks of the library."""

import contextlib
import time
from collections.abc import Iterator

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from jaxens.data.progress import Progress as Callback
from jaxens.names import shorten

DELAY = 1.0  # seconds before a bar is shown
LETTERS = 100  # of a description


@contextlib.contextmanager
def bar(console: Console | None = None) -> Iterator[Callback]:
    """A progress bar that begins after a second; it yields the callback that moves it.

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

    def callback(description: str, done: int, total: int) -> None:
        progress.update(
            task, description=shorten(description, LETTERS), completed=done, total=total
        )
        if not progress.live.is_started and time.monotonic() - began > DELAY:
            progress.start()

    try:
        yield callback
    finally:
        if progress.live.is_started:
            progress.stop()
