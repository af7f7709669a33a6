"""Signals that ask to stop. Where work must not be cut off, they are handled after it."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Self

# Windows has no SIGHUP.
_STOPS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]


class Stops:
    """Within a `with` block of the main thread, notes signals in place of calling their handlers.

    Signals that have no handler in Python keep their effect. What one block has noted, the next one
    of the same object still has.

    Attributes:
        number: The number of the first signal; 0 if there was none.
    """

    def __init__(self) -> None:
        self.number = 0

    def __enter__(self) -> Self:
        main = threading.current_thread() is threading.main_thread()
        known = {number: signal.getsignal(number) for number in _STOPS if main}
        self._handlers = {number: handler for number, handler in known.items() if callable(handler)}
        for number in self._handlers:
            signal.signal(number, self._note)
        return self

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.number = self.number or number

    def __exit__(self, *_: object) -> None:
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def obey(self) -> None:
        """Gives the handlers back, and calls that of the signal that was noted, if there is one."""
        self._restore()
        if self.number:
            signal.raise_signal(self.number)


@contextlib.contextmanager
def deferred() -> Iterator[None]:
    """Handles signals that ask to stop at the end of the block."""
    with Stops() as stops:
        yield
    stops.obey()
