"""Writes a builder's records once; an interrupted run leaves no incomplete folder in use."""

import contextlib
import errno
import io
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds

from jaxens.data.integrity import damage_of, seal
from jaxens.data.prefetch import leave_if_imported_by_worker
from jaxens.data.progress import Progress, no_progress
from jaxens.data.records import info_of, new_fingerprint, to_record, update_fingerprint
from jaxens.data.schema import Example
from jaxens.data.writing import write_split
from jaxens.errors import UserError
from jaxens.files import open_lock

log = logging.getLogger(__name__)

LOOK_AGAIN = 1.0  # seconds between looks at what process 0 prepares
PROBLEMS = "problems.csv"  # lists photos that something is wrong with

try:
    import fcntl
except ImportError:  # Windows, where a run is one process
    fcntl = None  # type: ignore[assignment]


class ExampleBuilder(tfds.core.GeneratorBasedBuilder):
    """The base class of all sources.

    `_generate_examples` calls `self.advance()` for each image that it has read, and yields
    `self.record(example)`. Warnings about images (some left out, for example) go, one sentence
    each, into `self.info.metadata["notices"]`.

    Attributes:
        images: The number of images of all splits, for the progress bar.
    """

    images: int

    def advance(self) -> None:
        """Counts an image for the progress bar. `prepare_builder` replaces it."""

    def clean_up(self) -> None:
        """Removes what an interrupted preparation would need. It is called after a whole one."""

    def record(self, split: str, example: Example) -> dict[str, Any]:
        """Returns an example as a TFDS record.

        It also updates the fingerprint of the data set: a hash of the tasks and parts, and of
        the content of all examples in the order in which they are written.
        """
        self._digest.update(f"{split} ".encode())
        update_fingerprint(self._digest, example)
        # TFDS writes the metadata after the last record, and no hook runs in between.
        self.info.metadata["fingerprint"] = self._digest.hexdigest()[:16]
        return to_record(example)

    def _download_and_prepare(self, dl_manager: Any, download_config: Any) -> None:
        """Writes all splits. TFDS calls it, with a temporary folder as `data_dir`."""
        splits = [
            write_split(self.info, Path(self.data_dir), name, records)
            for name, records in self._split_generators(dl_manager).items()
        ]
        self.info.set_splits(tfds.core.SplitDict(splits))

    @cached_property
    def _digest(self) -> Any:
        return new_fingerprint(info_of(self))


def prepare_builder(
    kind: type[ExampleBuilder],
    data_dir: Path,
    make: Callable[[], ExampleBuilder],
    description: str,
    progress: Progress = no_progress,
) -> tfds.core.DatasetBuilder:
    """Writes a builder's ArrayRecord files unless they exist, and opens them.

    Existing files are opened without writing anything, so that a cache may be read-only. Damaged
    ones are written anew, with a warning. TFDS writes into a temporary folder and renames it.
    Temporary folders of killed runs are removed. Processes that prepare the same records wait
    for each other. Without file locks, only the processes of one job wait.

    Args:
        kind: The class of the source.
        data_dir: The cache of these records; they are in `<name>/<version>` below it.
        make: Returns the source, whose `data_dir` is the same. It is not called if the records
            exist.
        description: For the progress bar.
        progress: Called after each image.

    Returns:
        A builder that reads this folder alone; the source is no longer needed.

    Raises:
        UserError: If the cache can't be written.
        OSError: With `errno.ENOSPC`, when the disk is full.
    """
    folder = data_dir / kind.name / str(kind.VERSION)
    if damage_of(folder):
        leave_if_imported_by_worker()
        with _lock(folder.parent) as locked:
            if not locked:
                _wait_for_process_0(folder)
            if damage := damage_of(folder):  # nobody else has written it meanwhile
                _remove_remains(folder, damage)
                _write(make(), folder, description, progress)
    return tfds.builder_from_directory(folder)


def _remove_remains(folder: Path, damage: str) -> None:
    if folder.exists():
        log.warning(f"{folder} is incomplete or damaged ({damage}): it is written anew")
        shutil.rmtree(folder)
    for leftover in folder.parent.glob(f"incomplete.*_{folder.name}"):
        shutil.rmtree(leftover)


def _write(builder: ExampleBuilder, folder: Path, description: str, progress: Progress) -> None:
    with _no_tfds_output(), _disk_full_as_oserror(folder):
        builder.advance = _counter(progress, description, builder.images)  # type: ignore[method-assign]
        builder.download_and_prepare(
            file_format="array_record",
            download_config=tfds.download.DownloadConfig(try_download_gcs=False),
        )
    seal(folder)
    builder.clean_up()


def notices(builder: tfds.core.DatasetBuilder) -> list[str]:
    """Returns the warnings of a source about its images."""
    metadata = builder.info.metadata or {}
    result = list(metadata.get("notices", ()))
    if metadata.get("problems"):
        result.append(f"{Path(builder.data_dir).parents[1] / PROBLEMS} lists all of these photos")
    return result


def fingerprint(builder: tfds.core.DatasetBuilder) -> str:
    """Returns the fingerprint of prepared data (16 hexadecimal digits), see `ExampleBuilder`."""
    return builder.info.metadata["fingerprint"]


def cores() -> int:
    """Returns the number of cores that this process may use."""
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


def _wait_for_process_0(folder: Path) -> None:
    """Waits until process 0 of this job has prepared the folder.

    A file system without locks is usually one that the hosts of a cluster share, so process 0
    prepares the data for all. If it fails, the whole job ends.
    """
    import jax

    if jax.process_index() > 0:
        while damage_of(folder):
            time.sleep(LOOK_AGAIN)


@contextlib.contextmanager
def _lock(folder: Path) -> Iterator[bool]:
    """Locks the folder, so that no process removes what another still writes.

    It yields False if the file system has no locks.
    """
    locked = True
    with contextlib.ExitStack() as stack:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if fcntl is not None:
                lock = stack.enter_context(open_lock(folder))
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise UserError(
                f"{folder} can't be written ({error.strerror}): choose another `cache_dir`"
            ) from None
        if fcntl is not None:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX)
            except OSError:  # some cluster file systems have no locks
                locked = False
        yield locked
