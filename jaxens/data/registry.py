"""The data sets that jaxens knows, and how to open them."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jaxens.data.progress import Progress, no_progress

if TYPE_CHECKING:
    from jaxens.data.settings import Data
    from jaxens.data.source import DataSet

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DataSource:
    """One row of the registry.

    Attributes:
        title: one line about the data set.
        prepare: writes the records into a cache folder unless they exist, and returns a TFDS
            builder with the splits train, val and test.
        needs_folder: whether the user must give the folder of the data set.
    """

    title: str
    prepare: Callable[["Data", Path, Progress], Any]
    needs_folder: bool = False


def open_data(settings: "Data", progress: Progress = no_progress) -> "DataSet":
    """Opens a data set; prepares it the first time.

    Args:
        settings: which data set, and how its images are made.
        progress: called after each image that is prepared.

    Raises:
        UserError: for files that are missing or malformed, or a task that does not exist.
    """
    from jaxens.data.preparing import fingerprint, notices
    from jaxens.data.source import DataSet, Source

    builder = SOURCES[settings.source].prepare(settings, settings.cache, progress)
    train, val, test = (
        Source(builder, split, settings.image_size, settings.crop)
        for split in ("train", "val", "test")
    )
    train.info.choose_tasks(settings.tasks)  # raises for an unknown name
    for notice in notices(builder):
        log.warning(notice)
    return DataSet(train.info, train, val, test, fingerprint(builder))


def _fieldmarks(settings: "Data", cache: Path, progress: Progress) -> Any:
    from jaxens.data.fieldmarks.builder import prepare

    counts = {
        "train": settings.train_images,
        "val": settings.val_images,
        "test": settings.test_images,
    }
    return prepare(cache, settings.image_size, settings.data_seed, counts, progress)


def _cub(settings: "Data", cache: Path, progress: Progress) -> Any:
    from jaxens.data.cub.builder import prepare

    return prepare(Path(settings.data_dir).expanduser(), cache, progress)


SOURCES: dict[str, DataSource] = {
    "fieldmarks": DataSource("invented birds, drawn on demand (no download)", _fieldmarks),
    "cub": DataSource("CUB-200-2011, 11,788 photos of 200 bird species", _cub, needs_folder=True),
}
