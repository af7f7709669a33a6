"""Signals that stop a command: it ends with one line, and what was saved is kept.

This loads nothing else, so that it works while everything else is imported.
"""

import atexit
import contextlib
import os
import signal
import sys
import threading
from types import FrameType
from typing import NoReturn

SIGPIPE = 13  # Windows has none
PATIENCE = 15.0  # seconds for Python to run a handler, which compiled code may keep it from
_WORDS = {"SIGINT": "stopped", "SIGTERM": "stopped by SIGTERM", "SIGHUP": "stopped by SIGHUP"}


class Stopped(KeyboardInterrupt):
    """A signal asks the command to stop. The message says which; `code` is the exit code."""

    def __init__(self, message: str, number: int):
        super().__init__(message)
        self.code = 128 + number


class _Command:
    works = False  # whether its first imports have ended
    code = 0  # of its exit, once it was stopped
    handles = False
    stopped = threading.Event()  # a handler has run


def handle() -> None:
    """Turns signals that stop a process into `Stopped`. Those that are ignored stay so (nohup)."""
    usual = (signal.SIG_DFL, signal.default_int_handler)
    for name in _WORDS:
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) in usual:
            signal.signal(number, _stop)
    if not _Command.handles:
        _Command.handles = True
        atexit.register(_leave)
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        threading.Thread(target=_end_if_stuck, args=(reader,), daemon=True).start()


def work_begins() -> None:
    """Says that a command has finished its first imports. From now on, files may be open.

    Each command calls it after its imports. A later import, of JAX or Orbax for example, is
    interrupted like other work.
    """
    _Command.works = True


def leave(code: int) -> NoReturn:
    """Ends a command that a signal has stopped, with this exit code."""
    _Command.code = code
    raise SystemExit(code) from None


def _leave() -> None:
    """Ends the process of a stopped command before Python frees its objects.

    If XLA is compiling, it goes on in a thread. It would use a client that Python has freed, which
    is a segmentation fault (jaxlib 0.10). This function is registered first, so it is called last.
    """
    if _Command.code:
        end_process(_Command.code)


def end_process(code: int) -> NoReturn:
    """Ends this process at once, after its output is written."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
    os._exit(code)


def drop_output() -> None:
    """Keeps Python from writing the rest to a pipe that nobody reads."""
    with contextlib.suppress(OSError, ValueError):  # no file, as in a notebook
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _end_if_stuck(reader: int) -> None:
    """Ends the process after a signal whose handler can't run, because compiled code goes on.

    JAX 0.12 compiles in the main thread, for minutes. Where a signal is only noted, as within an
    epoch, there is no hurry.
    """
    while number := os.read(reader, 1)[0]:
        if signal.getsignal(number) is not _stop or _Command.stopped.wait(PATIENCE):
            continue
        if signal.getsignal(number) is _stop:
            print(f"jaxens: {_message(number)}", file=sys.stderr, flush=True)
            end_process(128 + number)


def _message(number: int) -> str:
    return _WORDS[signal.Signals(number).name]


def _stop(number: int, frame: FrameType | None) -> None:
    _Command.stopped.set()
    message = _message(number)
    if not _Command.works and _is_importing(frame):
        # An exception in an import may come out as another one, or not at all. Nothing is open yet.
        print(f"jaxens: {message}", file=sys.stderr, flush=True)
        os._exit(128 + number)
    raise Stopped(message, number)


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False
