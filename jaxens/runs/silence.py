"""Notices that the disk of a run directory does not answer: a network share that is gone."""

import contextlib
import logging
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from jaxens.files import LOCK

LOOK = 10.0  # seconds between an answer of the disk and the next question
TOLD = 30.0  # seconds of silence after which a warning is logged, and between calls of `silent`

log = logging.getLogger(__name__)


@contextlib.contextmanager
def asked(folder: Path | None, silent: Callable[[Path, float], None]) -> Iterator[None]:
    """Within it, a thread opens a file of a run again and again, and tells if this takes long.

    What a program reads or writes on a share that is gone may never return, and no exception can
    end it.

    Args:
        folder: The run directory; it need not exist. None: nothing is asked.
        silent: Called with the folder and the seconds since the question, again and again until
            there is an answer. An error is an answer.
    """
    done = threading.Event()
    if folder is not None:
        threading.Thread(target=_ask_again, args=(folder, silent, done), daemon=True).start()
    try:
        yield
    finally:
        done.set()


def _ask_again(folder: Path, silent: Callable[[Path, float], None], done: threading.Event) -> None:
    while not done.wait(LOOK):
        answered = threading.Event()
        threading.Thread(target=_ask, args=(folder, answered), daemon=True).start()
        waits = 0  # counted, because a clock goes on while a process is stopped
        while not answered.wait(TOLD) and not done.is_set():
            waits += 1
            if waits == 1:
                _warn(f"{folder}: the disk does not answer")
            silent(folder, waits * TOLD)
        if waits and answered.is_set():
            _warn(f"{folder}: the disk answers again")


def _ask(folder: Path, answered: threading.Event) -> None:
    try:
        with contextlib.suppress(OSError):  # whoever saves raises it
            os.close(os.open(folder / LOCK, os.O_WRONLY))  # other names may be cached
    finally:
        answered.set()


def _warn(text: str) -> None:
    """Logs a warning. The log may be on the same disk, so nobody waits for it for long."""
    warning = threading.Thread(target=log.warning, args=(text,), daemon=True)
    warning.start()
    warning.join(1)
