"""Writes a builder's records once; an interrupted run leaves no incomplete folder in use."""

import contextlib
import errno
import io
import os
import shutil
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds

from jaxens.data.progress import Progress, no_progress
from jaxens.data.records import info_of, new_fingerprint, to_record, update_fingerprint
from jaxens.data.schema import Example

try:
    import fcntl
except ImportError:  # Windows, where a run is one process
    fcntl = None  # type: ignore[assignment]


class ExampleBuilder(tfds.core.GeneratorBasedBuilder):
    """The base class of all sources.

    `_generate_examples` calls `self.advance()` for each image that it has read, and yields
    `self.record(example)`. Warnings about images (some left out, for example) go, one sentence
    each, into `self.info.metadata["notices"]`.
    """

    def advance(self) -> None:
        """Counts an image for the progress bar. `prepare_builder` replaces it."""

    def record(self, split: str, example: Example) -> dict[str, Any]:
        """An example as a TFDS record.

        It also updates the fingerprint of the data set: a hash of the tasks and parts, and of
        the content of all examples in the order in which they are written.
        """
        self._digest.update(f"{split} ".encode())
        update_fingerprint(self._digest, example)
        # TFDS writes the metadata after the last record, and no hook runs in between.
        self.info.metadata["fingerprint"] = self._digest.hexdigest()[:16]
        return to_record(example)

    @cached_property
    def _digest(self) -> Any:
        return new_fingerprint(info_of(self))


def prepare_builder(
    builder: ExampleBuilder, description: str, total: int, progress: Progress = no_progress
) -> tfds.core.DatasetBuilder:
    """Writes `builder`'s ArrayRecord files unless they exist, and opens them.

    TFDS writes into a temporary folder and renames it, so an existing folder is complete.
    Temporary folders of killed runs are removed. Processes that prepare the same records wait
    for each other.

    Args:
        builder: the source; its `data_dir` is the folder `<name>/<config>/<version>`.
        description: for the progress bar.
        total: number of images of all splits.
        progress: called after each image.

    Returns:
        A builder that reads this folder alone; the source is no longer needed.

    Raises:
        OSError: with `errno.ENOSPC`, when the disk is full.
    """
    folder = Path(builder.data_dir)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _lock(folder.parent):
        if not folder.exists():
            for leftover in folder.parent.glob(f"incomplete.*_{folder.name}"):
                shutil.rmtree(leftover)
            with _no_tfds_output(), _disk_full_as_oserror(folder):
                builder.advance = _counter(progress, description, total)  # type: ignore[method-assign]
                builder.download_and_prepare(
                    file_format="array_record",
                    download_config=tfds.download.DownloadConfig(try_download_gcs=False),
                )
    return tfds.builder_from_directory(folder)


def notices(builder: tfds.core.DatasetBuilder) -> list[str]:
    """The warnings of a source about its images."""
    return list((builder.info.metadata or {}).get("notices", ()))


def fingerprint(builder: tfds.core.DatasetBuilder) -> str:
    """The fingerprint of a prepared data set: 16 hexadecimal digits, see `ExampleBuilder`."""
    return builder.info.metadata["fingerprint"]


def cores() -> int:
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _counter(progress: Progress, description: str, total: int) -> Callable[[], None]:
    done = 0

    def advance() -> None:
        nonlocal done
        done += 1
        progress(description, done, total)

    return advance


@contextlib.contextmanager
def _no_tfds_output() -> Iterator[None]:
    """Suppresses TFDS's progress bars and messages."""
    tfds.disable_progress_bar()
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        tfds.enable_progress_bar()


@contextlib.contextmanager
def _disk_full_as_oserror(folder: Path) -> Iterator[None]:
    """ArrayRecord raises a RuntimeError when the disk is full."""
    try:
        yield
    except RuntimeError as error:
        if "No space left" not in str(error):
            raise
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder)) from error


@contextlib.contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """Locks the folder, so that no process removes what another still writes."""
    if fcntl is None:
        yield
        return
    with (folder / ".lock").open("w") as lock:
        with contextlib.suppress(OSError):  # some cluster file systems have no locks
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
