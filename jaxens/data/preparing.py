"""Writes a builder's records once, quietly, whole or not at all."""

import contextlib
import io
import shutil
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


class PictureBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """A builder whose `_generate_examples` calls `self.advance()` once per picture."""

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
    """
    folder = Path(builder.data_dir)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _alone(folder.parent):
        if not folder.exists():
            for leftover in folder.parent.glob(f"incomplete.*_{folder.name}"):
                shutil.rmtree(leftover)
            with progress(description, total) as advance, _silence():
                builder.advance = advance
                builder.download_and_prepare(
                    file_format="array_record",
                    download_config=tfds.download.DownloadConfig(try_download_gcs=False),
                )
    return tfds.builder_from_directory(folder)


@contextlib.contextmanager
def progress(description: str, total: int) -> Iterator[Advance]:
    """One progress bar on standard error; it yields what moves it on by one picture."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), redirect_stdout=False) as bar:
        task = bar.add_task(description, total=total)
        yield lambda: bar.advance(task)


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
def _alone(folder: Path) -> Iterator[None]:
    """Holds the folder's lock, so that nobody removes what another is still writing."""
    if fcntl is None:
        yield
        return
    with (folder / ".lock").open("w") as lock:
        with contextlib.suppress(OSError):  # some cluster file systems have no locks
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
