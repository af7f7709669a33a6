"""A watchdog for the disk of a run directory, which may hang: a network share that is gone."""

import contextlib
import logging
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from jaxens.files import LOCK

CHECK = 10.0  # seconds between two checks of a disk that responds
WARN = 30.0  # seconds without a response before the warning, and between calls of `on_hang`

log = logging.getLogger(__name__)


@contextlib.contextmanager
def watchdog(folder: Path | None, on_hang: Callable[[Path, float], None]) -> Iterator[None]:
    """Checks in a thread, until the end of the block, whether the disk of a run responds.

    The thread opens the lock file of the run every few seconds. If this does not return, it logs a
    warning and calls `on_hang`. An exception could not end a program that hangs: a read or write
    on a network share that is gone may never return.

    Args:
        folder: The run directory, which may not exist yet. With None, nothing is checked.
        on_hang: A function of the folder and the seconds without a response. It is called every
            `WARN` seconds until the disk responds. An error, such as that of a full disk, is a
            response.
    """
    done = threading.Event()
    if folder is not None:
        threading.Thread(target=_check_again, args=(folder, on_hang, done), daemon=True).start()
    try:
        yield
    finally:
        done.set()


def _check_again(
    folder: Path, on_hang: Callable[[Path, float], None], done: threading.Event
) -> None:
    while not done.wait(CHECK):
        response = threading.Event()
        threading.Thread(target=_check, args=(folder, response), daemon=True).start()
        waits = 0  # counted, because a clock goes on while this process is suspended
        while not response.wait(WARN) and not done.is_set():
            waits += 1
            if waits == 1:
                _warn(f"{folder}: the disk does not respond")
            on_hang(folder, waits * WARN)
        if waits and response.is_set():
            _warn(f"{folder}: the disk responds again")


def _check(folder: Path, response: threading.Event) -> None:
    try:
        with contextlib.suppress(OSError):  # the next save raises it
            os.close(os.open(folder / LOCK, os.O_WRONLY))
    finally:
        response.set()


def _warn(text: str) -> None:
    """Logs a warning, in a thread: the log may be a file on the same disk."""
    warning = threading.Thread(target=log.warning, args=(text,), daemon=True)
    warning.start()
    warning.join(1)
