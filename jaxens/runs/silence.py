"""Notices that the disk of a run directory does not answer: a network share that is gone."""

import contextlib
import logging
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

LOOK = 10.0  # seconds between an answer of the disk and the next question
TOLD = 30.0  # seconds of silence after which a warning is logged, and each later call of `silent`
GONE = 300.0  # seconds of silence after which commands end; a file server may restart meanwhile

log = logging.getLogger(__name__)


@contextlib.contextmanager
def asked(folder: Path | None, silent: Callable[[Path, float], None]) -> Iterator[None]:
    """Within it, a thread writes an empty file again and again, and tells if this takes long.

    What a program reads or writes on a share that is gone may never return, and no exception can
    end it.

    Args:
        folder: A folder on the disk; it need not exist. None: nothing is asked.
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
        answered, began = threading.Event(), time.monotonic()
        threading.Thread(target=_ask, args=(folder, answered), daemon=True).start()
        waited = 0.0
        while not answered.wait(TOLD) and not done.is_set():
            if not waited:
                log.warning(f"{folder}: the disk does not answer: waiting for it")
            waited = time.monotonic() - began
            silent(folder, waited)
        if waited and answered.is_set():
            log.warning(f"{folder}: the disk answers again, after {time.monotonic() - began:.0f} s")


def _ask(folder: Path, answered: threading.Event) -> None:
    with contextlib.suppress(OSError):  # whoever saves raises it
        tempfile.TemporaryFile(dir=folder).close()
    answered.set()
