"""Lets all processes of a training write the shards of a checkpoint that their devices hold.

Process 0 makes the folder of the checkpoint and names it. Each other process writes its shards
into it, and says when they are on disk. Then process 0 gives the checkpoint its name. They tell
each other by the store that JAX keeps for the processes of a job, because a barrier would hang if
a process fails.
"""

import asyncio
import contextlib
import errno
import itertools
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import orbax.checkpoint as ocp

from jaxens.runs.contents import fields_of
from jaxens.runs.disk import disk_errors
from jaxens.runs.orbax_messages import hide_failed_writes
from jaxens.runs.store import heard, tell

SAY = 1.0  # seconds after which a process that writes says that it still does
LOST = 30.0  # seconds of silence after which it is lost; JAX itself takes 100
SETTLED = 5.0  # seconds of silence after which it does not write, for process 0 that fails
LOOK = 0.1  # seconds between two looks into the store
LOOK_AT_ONCE = 0.01  # those of a process that is kept from training
PATIENCE = 90.0  # seconds for files of another host to become visible: NFS takes up to 60

_numbers = itertools.count()  # of a save; all processes save the same states in the same order


class Others:
    """The other processes, for process 0: it waits for their shards once they have joined.

    Args:
        folder: That of the checkpoints.

    Attributes:
        joined: Whether they write shards. Otherwise process 0 writes all.
    """

    def __init__(self, folder: Path, joined: bool = False):
        self.joined = joined
        self._folder, self._key = folder, ""

    @contextlib.contextmanager
    def save(self) -> Iterator[None]:
        """Within it, process 0 saves a state. An error ends the other processes too."""
        if not self.joined:
            yield
            return
        self._key = _next_key()
        try:
            yield
        except BaseException as error:
            with contextlib.suppress(RuntimeError, ValueError):  # the first error counts
                tell(f"{self._key}/folder", {"error": _text(error)})
            raise

    def settle(self) -> None:
        """Waits until no other process writes, so that the folder can be removed."""
        until = time.monotonic() + SETTLED
        if self._key:
            for process in range(1, jax.process_count()):
                with contextlib.suppress(RuntimeError, ValueError):
                    _files_of(process, self._key, max(until - time.monotonic(), 2 * SAY))

    def write_into(self, folder: Path) -> list[ocp.future.Future]:
        """Asks them to write their shards into a folder.

        Returns:
            Futures that wait until they have done so.
        """
        if not self.joined:
            return []
        path = Path(folder).relative_to(self._folder.absolute()).as_posix()
        tell(f"{self._key}/folder", {"path": path})
        others = range(1, jax.process_count())
        return [_Written(self._key, process, Path(folder)) for process in others]


class _Written(ocp.future.Future):
    """A future of Orbax that is done when another process has written its shards."""

    def __init__(self, key: str, process: int, folder: Path):
        self._key, self._process, self._folder = key, process, folder

    def result(self, timeout: float | None = None) -> None:
        """Waits until the process has written its shards.

        The timeout is not used: Orbax would wait for 20 minutes. `_files_of` gives up much earlier
        if the process is gone.

        Raises:
            ValueError: If the process has failed.
            OSError: If its files can't be seen.
        """
        files = _files_of(self._process, self._key)
        until = time.monotonic() + PATIENCE
        while files.items() - _sizes(self._folder, self._process).items():
            if time.monotonic() > until:
                missing = f"files of process {self._process} are not in this folder"
                raise OSError(errno.ETIMEDOUT, missing, str(self._folder))
            time.sleep(LOOK)

    def cancel(self) -> None:
        """Does nothing: nobody cancels."""


class Shards:
    """Writes the shards of a process other than 0 into the checkpoints of process 0.

    Args:
        folder: That of the checkpoints, as this process sees it.
        handler: Writes them.
    """

    def __init__(self, folder: Path, handler: ocp.PyTreeCheckpointHandler):
        self._folder, self._handler = folder, handler
        self._thread: threading.Thread | None = None
        self._error: Exception | None = None
        self._key = ""

    def save(self, state: Any) -> None:
        """Starts to write the shards of a state, which process 0 saves in the same moment.

        Raises:
            OSError: If this disk, or that of process 0, is full or can't be written.
        """
        hide_failed_writes()
        self.wait()
        self._key = _next_key()
        report = _Report(f"{self._key}/{jax.process_index()}")
        try:
            folder = self._folder.absolute() / self._named(f"{self._key}/folder")
            save = self._handler.async_save(folder, args=ocp.args.PyTreeSave(fields_of(state)))
            with disk_errors(self._folder):
                futures = asyncio.run(save)
        except BaseException as error:
            report.end({"error": _text(error)})
            raise
        self._thread = threading.Thread(
            target=self._finish, args=(folder, futures or [], report), daemon=True
        )
        self._thread.start()

    def wait(self) -> None:
        """Waits until the shards are on disk, those of all processes.

        A process that leaves the job earlier, after a signal, would end those that still write.

        Raises:
            OSError: If the disk is full or can't be written.
        """
        if self._thread is None:
            return
        self._thread.join()
        self._thread = None
        with disk_errors(self._folder):
            if self._error is not None:
                raise self._error
            for process in range(1, jax.process_count()):
                _files_of(process, self._key)

    def _named(self, key: str) -> str:
        """Waits for the folder that process 0 names; says why it has none."""
        while (said := heard(key)) is None:
            time.sleep(LOOK_AT_ONCE)
        if "error" in said:
            with disk_errors(self._folder):
                raise _failed(0, said["error"])
        return str(said["path"])

    def _finish(self, folder: Path, futures: list[Any], report: "_Report") -> None:
        try:
            for each in futures:
                each.result()
            report.end({"files": _sizes(folder, jax.process_index())})
        except Exception as error:  # of many kinds; `wait` raises it
            self._error = error
            report.end({"error": _text(error)})


class _Report:
    """Tells process 0 again and again that this process still writes, and then how it ended."""

    def __init__(self, key: str):
        self._key, self._ended, self._result = key, threading.Event(), None
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def end(self, result: Any) -> None:
        self._result = result
        self._ended.set()
        self._thread.join()

    def _work(self) -> None:
        with contextlib.suppress(RuntimeError, ValueError):  # process 0 has gone
            for count in itertools.count():
                tell(self._key, {"still": count})
                if self._ended.wait(SAY):
                    break
            tell(self._key, self._result)


def _files_of(process: int, key: str, lost: float | None = None) -> dict[str, int]:
    """Waits until a process has written its shards of a save. Returns the sizes of its files.

    Args:
        process: The process.
        key: The key of the save.
        lost: Seconds of silence after which it is lost (None: `LOST`).

    Raises:
        ValueError: If it could not write them.
        RuntimeError: If it is lost.
    """
    before, since = None, time.monotonic()
    while "files" not in (said := heard(f"{key}/{process}") or {}):
        if "error" in said:
            raise _failed(process, said["error"])
        if said != before:
            before, since = said, time.monotonic()
        elif time.monotonic() - since > (lost or LOST):
            raise RuntimeError(f"UNAVAILABLE: process {process} does not go on writing")
        time.sleep(LOOK)
    return dict(said["files"])


def _sizes(folder: Path, process: int) -> dict[str, int]:
    """Returns the sizes of the files that a process has written, by their paths in the folder."""
    files = (path for path in folder.glob(f"ocdbt.process_{process}/**/*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in files}


def _failed(process: int, why: str) -> ValueError:
    """Returns the error of a process as one of this one. `disk_errors` knows those of a disk.

    From "ABORTED" or "UNAVAILABLE", words of JAX, commands know that another process has ended.
    """
    return ValueError(f"ABORTED: process {process} can't save: {why}")


def _next_key() -> str:
    return f"jaxens/save/{next(_numbers)}"


def _text(error: BaseException) -> str:
    return str(error) or type(error).__name__
