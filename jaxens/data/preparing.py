"""Writes a builder's records once, quietly, whole or not at all."""

import contextlib
import errno
import io
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import tensorflow_datasets as tfds
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

try:
    import fcntl
except ImportError:  # Windows, where a run is one process
    fcntl = None  # type: ignore[assignment]

Advance = Callable[[], None]


class PictureBuilder(tfds.core.GeneratorBasedBuilder):
    """A builder whose `_generate_examples` calls `self.advance()` once per picture.

    What it has to say of its pictures (some left out, say) it puts, a sentence each, into
    `self.info.metadata["notices"]`, before its last example at the latest.
    """

    advance: Advance = staticmethod(lambda: None)


def prepare_quietly(
    builder: PictureBuilder, description: str, total: int
) -> tfds.core.DatasetBuilder:
    """Writes `builder`'s ArrayRecord files unless they are there, and opens them.

    TFDS writes into a folder beside and renames it, so what is found is whole; folders that
    a killed run left behind are removed. Processes that prepare the same records take turns.

    Args:
        builder: the source; its `data_dir` names the folder `<name>/<config>/<version>`.
        description: what the progress bar says.
        total: pictures of all splits, for the bar.

    Returns:
        A builder that reads the folder alone and no longer needs the source.

    Raises:
        OSError: with `errno.ENOSPC`, when the disk is full.
    """
    folder = Path(builder.data_dir)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _alone(folder.parent):
        if not folder.exists():
            for leftover in folder.parent.glob(f"incomplete.*_{folder.name}"):
                shutil.rmtree(leftover)
            with progress(description, total) as advance, _silence(), _full_disk(folder):
                builder.advance = advance
                builder.download_and_prepare(
                    file_format="array_record",
                    download_config=tfds.download.DownloadConfig(try_download_gcs=False),
                )
    return tfds.builder_from_directory(folder)


def cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def notices(builder: tfds.core.DatasetBuilder) -> list[str]:
    """What the source said of its pictures while they were written."""
    return list((builder.info.metadata or {}).get("notices", ()))


@contextlib.contextmanager
def progress(description: str, total: int) -> Iterator[Advance]:
    """One progress bar on standard error, if the work takes more than a second.

    It yields what moves the bar on by one picture.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    bar = Progress(*columns, console=Console(stderr=True), redirect_stdout=False)
    task = bar.add_task(description, total=total)
    begun = time.monotonic()

    def advance() -> None:
        bar.advance(task)
        if not bar.live.is_started and time.monotonic() - begun > 1:
            bar.start()

    try:
        yield advance
    finally:
        if bar.live.is_started:
            bar.stop()


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Keeps TFDS's own bars and bold lines from the terminal."""
    tfds.disable_progress_bar()
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        tfds.enable_progress_bar()


@contextlib.contextmanager
def _full_disk(folder: Path) -> Iterator[None]:
    """ArrayRecord tells of a full disk as a RuntimeError; Python's own word is OSError."""
    try:
        yield
    except RuntimeError as error:
        if "No space left" not in str(error):
            raise
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder)) from error


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Holds the folder's lock, so that nobody removes what another is still writing."""
    if fcntl is None:
        yield
        return
    with (folder / ".lock").open("w") as lock:
        with contextlib.suppress(OSError):  # some cluster file systems have no locks
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
