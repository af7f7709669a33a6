"""Results in order, worked on ahead of time by threads or by processes."""

import atexit
import signal
import traceback
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing import current_process, get_context, resource_tracker
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any, Generic, Self, TypeVar

import grain

from jaxens.errors import UserError

# Signals that stop a process; Windows has no SIGHUP.
STOPS = {getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)}

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_order(
    function: Callable[[Item], Result], items: Sequence[Item], threads: int, waiting: int
) -> Iterator[Result]:
    """Yields `function(item)` of each item, in the order of the items.

    Args:
        function: Called in several threads at once.
        items: What it is called with.
        threads: How many work at a time.
        waiting: The most results, finished or not, that are worked on ahead.
    """
    options = grain.ReadOptions(num_threads=threads, prefetch_buffer_size=waiting)
    yield from grain.MapDataset.source(items).map(function).to_iter_dataset(options)


def as_they_come(
    function: Callable[[Item], Result], items: Iterable[Item], threads: int, waiting: int
) -> Generator[Result]:
    """Yields `function(item)` of each item, in the order of the items, as `in_order` does.

    The calling thread makes the items. While it makes one, others work on those before.

    Args:
        function: Called in several threads at once.
        items: What it is called with, made one after the other.
        threads: How many work at a time.
        waiting: The most results, finished or not, that wait while an item is made.
    """
    pool, results = ThreadPoolExecutor(threads), deque[Future[Result]]()
    try:
        for item in items:
            results.append(pool.submit(function, item))
            while len(results) > waiting:
                yield results.popleft().result()
        while results:
            yield results.popleft().result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


class Workers(Generic[Item, Result]):
    """Processes that all compute one function; each call waits for one that is idle.

    They ignore signals that stop a process, which this process handles, because it may want to
    finish its work first. They end with this process, however it ends.
    (grain's own processes print a traceback for Ctrl-C while they start, stay behind if this
    process is killed, and leave it waiting for ever if one of them is killed.)
    Scripts that start them need `if __name__ == "__main__":`.

        with Workers(function, 4, "decodes images") as workers:
            for result in in_order(workers, items, 4, 8): ...
    """

    def __init__(self, function: Callable[[Item], Result], count: int, purpose: str) -> None:
        """Prepares the processes; `with` starts and ends them.

        Args:
            function: A picklable function.
            count: The number of processes.
            purpose: For error messages: a process that ...
        """
        self._function, self._count, self._purpose = function, count, purpose
        self._idle: SimpleQueue[Connection] = SimpleQueue()
        self._processes: list[Any] = []
        self._answered = False

    def __call__(self, item: Item) -> Result:
        """Computes the function of an item in a process; several threads may call it.

        Raises:
            UserError: If the process died.
            Exception: What the function raised.
        """
        pipe = self._idle.get()
        try:
            pipe.send(item)
            result, error = pipe.recv()
            self._answered = True
        except (EOFError, OSError):
            remedy = "free some memory, or use fewer `workers`"
            if not self._answered:  # a script without the guard starts itself again and again
                remedy += ', or start your script below `if __name__ == "__main__":`'
            raise UserError(f"a process that {self._purpose} died: {remedy}") from None
        finally:
            self._idle.put(pipe)
        if error is not None:
            raise error
        return result

    def __enter__(self) -> Self:
        context = get_context("spawn")
        # At exit, `multiprocessing` sends SIGTERM, which the processes ignore, and waits for them.
        # So this ends them before.
        atexit.register(self.__exit__)
        with _signals_blocked():
            for _ in range(self._count):
                here, there = context.Pipe()
                process = context.Process(target=_serve, args=(there, self._function), daemon=True)
                process.start()
                there.close()  # the worker's copy is the last: its death is the end of the file
                self._processes.append(process)
                self._idle.put(here)
        return self

    def __exit__(self, *exception: object) -> None:
        atexit.unregister(self.__exit__)
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.join()


def leave_if_imported_by_worker() -> None:
    """Ends this process if it is a worker that runs its own script again.

    That happens if a script lacks `if __name__ == "__main__":`. The worker would wait for a lock
    of the script, and the script for the worker. Call this before a lock.
    """
    if getattr(current_process(), "_inheriting", False):  # as `multiprocessing` itself asks
        raise SystemExit(1)  # the script says what to do


def _serve(pipe: Connection, function: Callable[[Any], Any]) -> None:
    """Answers until the other end of the pipe is closed, at the latest by the parent's end."""
    for number in STOPS:
        signal.signal(number, signal.SIG_IGN)
    try:
        while True:
            item = pipe.recv()
            try:
                answer: tuple[Any, Exception | None] = function(item), None
            except Exception as error:
                error.add_note(traceback.format_exc())  # where in this process
                answer = None, error
            pipe.send(answer)
    except (EOFError, OSError):
        pass


class _signals_blocked:
    """Blocks signals that stop a process in this thread; a process that it starts gets none."""

    def __enter__(self) -> None:
        if hasattr(signal, "pthread_sigmask"):
            resource_tracker.ensure_running()  # its start would let the signals through again
            self._before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)

    def __exit__(self, *exception: object) -> None:
        if hasattr(signal, "pthread_sigmask"):
            signal.pthread_sigmask(signal.SIG_SETMASK, self._before)
