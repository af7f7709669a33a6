"""Signals that stop a command: it ends with one line, and what was saved is kept.

This loads nothing else, so that it works while everything else is imported.
"""

import _thread
import atexit
import contextlib
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from types import FrameType
from typing import Any, ClassVar, NoReturn

SIGPIPE = 13  # Windows has none
PATIENCE = 15.0  # seconds for Python to run a handler, which compiled code may keep it from
# Seconds for a command to end after SIGTERM or SIGHUP, unless JAXENS_GRACE sets others. Clouds and
# schedulers kill it soon after. The scripts in launch/ pass JAXENS_GRACE on.
GRACE = 25.0
AGAIN = 1.0  # seconds after which a second Ctrl-C is another one, and not the same sent twice
LAST_WORDS = 2.0  # seconds to print the last line
AGAIN_AFTER = 0.05  # seconds after which a signal is handled again, if its exception was lost
_WORDS = {"SIGINT": "stopped", "SIGTERM": "stopped by SIGTERM", "SIGHUP": "stopped by SIGHUP"}


class Stopped(KeyboardInterrupt):
    """A signal asks the command to stop. The message says which; `code` is the exit code."""

    def __init__(self, message: str, number: int):
        super().__init__(message)
        self.code = 128 + number


class _Command:
    works = False  # whether its first imports have ended
    code = 0  # of its exit, once it was stopped
    handles = False  # whether signals are handled
    runs = False  # whether a command is running, or was stopped and is ending
    stopped = threading.Event()  # a handler has run
    signals: ClassVar[dict[int, float]] = {}  # when each signal came first


@contextlib.contextmanager
def handled() -> Iterator[None]:
    """Within the block, a signal that stops a process ends the command; see `handle`.

    After the block, signals are left to the program again, unless one has stopped the command.
    """
    handle()
    _Command.runs = True
    try:
        yield
    finally:
        _Command.runs = _Command.code != 0  # until the process has ended


def handle() -> None:
    """Turns signals that stop a process into `Stopped`. Those that are ignored stay so (nohup)."""
    usual = (signal.SIG_DFL, signal.default_int_handler)
    for number in _numbers():
        if signal.getsignal(number) in usual:
            signal.signal(number, _stop)
    if not _Command.handles:
        _Command.handles = True
        sys.unraisablehook = partial(_handle_again, sys.unraisablehook)
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        threading.Thread(target=_watch, args=(reader,), daemon=True).start()


def work_begins() -> None:
    """Says that a command has finished its first imports. From now on, files may be open.

    Each command calls it after its imports. A later import, of JAX or Orbax for example, is
    interrupted like other work.
    """
    _Command.works = True
    atexit.register(_leave)


def leave(code: int) -> NoReturn:
    """Ends a command that a signal has stopped, with this exit code."""
    _Command.code = code
    raise SystemExit(code) from None


def _leave() -> None:
    """Ends the process of a stopped command before Python frees its objects.

    If XLA is compiling, it goes on in a thread. It would use a client that JAX has freed, which is
    a segmentation fault (jaxlib 0.10). JAX registers its own function when it is imported, so this
    one, registered later, is called before.
    """
    if _Command.code:
        end_process(_Command.code)


def stop(number: int) -> None:
    """Stops this command as a signal from outside does, unless one has stopped it already."""
    if not _Command.signals:
        signal.pthread_kill(threading.main_thread().ident or 0, number)


def is_stopping() -> bool:
    """Returns whether a signal has stopped the command, so that it only saves and ends."""
    return _Command.stopped.is_set()


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


def ignore() -> None:
    """Ignores further signals that stop a process, because it is ending already."""
    for number in _numbers():
        signal.signal(number, signal.SIG_IGN)


def _watch(reader: int) -> None:
    """Ends the process after a signal if its main thread does not.

    Args:
        reader: The end of a pipe from which the number of each signal is read.
    """
    first = _Command.signals
    while number := os.read(reader, 1)[0]:
        if number not in _numbers() or not _Command.runs:
            continue
        if number not in first:
            first[number] = time.monotonic()
            threading.Thread(target=_end_in_time, args=(number,), daemon=True).start()
        elif number == signal.SIGINT and time.monotonic() - first[number] > AGAIN:
            end_now(number, " again: what was saved is kept")


def _end_in_time(number: int) -> None:
    """Ends the process if it has not ended in time after its first signal.

    JAX 0.12 compiles in the main thread, for minutes, and no handler runs before the end of it.
    Where a signal is only noted, as within an epoch, the state is saved first. That may wait for a
    disk that is gone. After Ctrl-C there is no limit, because the user can press it again.
    """
    begun = time.monotonic()
    grace = math.inf if number == signal.SIGINT else _grace()
    time.sleep(min(PATIENCE, grace))
    if signal.getsignal(number) is _stop and not _Command.stopped.is_set():
        end_now(number, "")
    if number != signal.SIGINT:
        time.sleep(max(0, begun + grace - time.monotonic()))
        end_now(number, f", but was not done after {grace:g} s: what was saved is kept")


def _grace() -> float:
    try:
        return max(0.0, float(os.environ.get("JAXENS_GRACE", GRACE)))
    except ValueError:
        return GRACE


def end_now(number: int, what: str) -> None:
    """Ends the process of a command as stopped by a signal, with one line."""
    if _Command.runs:
        _end_with(f"jaxens: {message_of(number)}{what}", 128 + number)


def give_up(message: str) -> None:
    """Ends the process of a command that hangs, where no exception would reach it."""
    if _Command.runs:
        _end_with(f"jaxens: error: {message}", 2)


def _end_with(line: str, code: int) -> NoReturn:
    """Ends the process at once, also if the output goes to a disk that hangs."""
    last = threading.Thread(target=_say, args=(line,), daemon=True)
    last.start()
    last.join(LAST_WORDS)
    os._exit(code)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()


def _handle_again(usual: Any, lost: Any) -> None:
    """Handles a signal again whose exception Python has dropped.

    Python drops what is raised in callbacks of its garbage collector, and JAX has such a callback.
    """
    if not isinstance(lost.exc_value, Stopped):
        usual(lost)
        return
    _Command.stopped.clear()
    number = lost.exc_value.code - 128
    threading.Timer(AGAIN_AFTER, _thread.interrupt_main, (number,)).start()


def _numbers() -> list[int]:
    """Returns the signals that stop a command. Windows has no SIGHUP."""
    return [getattr(signal, name) for name in _WORDS if hasattr(signal, name)]


def message_of(number: int) -> str:
    """Returns the message of a command that this signal has stopped."""
    return _WORDS[signal.Signals(number).name]


def _stop(number: int, frame: FrameType | None) -> None:
    if _Command.stopped.is_set():  # a launcher may send a signal to a process and to its group
        return
    _Command.stopped.set()
    message = message_of(number)
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
