"""Opens a data set of the registry."""

import importlib
import logging
from typing import TYPE_CHECKING

from jaxens.data.progress import Progress, no_progress
from jaxens.data.registry import SOURCES
from jaxens.data.settings import Data
from jaxens.files import with_home

if TYPE_CHECKING:
    from tensorflow_datasets.core import DatasetBuilder

    from jaxens.data.source import DataSet

log = logging.getLogger(__name__)


def open_data(settings: Data, progress: Progress = no_progress) -> "DataSet":
    """Opens a data set; prepares it the first time.

    Args:
        settings: Which data set, and how its images are made.
        progress: Called after each image that is prepared.

    Raises:
        UserError: For files that are missing or malformed, or a task that does not exist.
    """
    source = SOURCES[settings.source]
    module = importlib.import_module(source.module)
    if source.needs_folder:
        folder, layout = with_home(settings.data_dir), {}
        if source.has_layout:
            layout = {"layout": with_home(settings.layout) if settings.layout else None}
        builder = module.prepare(folder, settings.cache, progress, **layout)
    else:
        builder = module.prepare_from(settings, progress)
    return open_prepared(builder, settings)


def open_prepared(builder: "DatasetBuilder", settings: Data) -> "DataSet":
    """Opens records that are prepared, and logs what was found when they were.

    Args:
        builder: As returned by `prepare_builder`.
        settings: How images are made.

    Raises:
        UserError: For a task that does not exist.
    """
    from jaxens.data.preparing import fingerprint, notices
    from jaxens.data.source import DataSet, Source

    train, val, test = (
        Source(builder, split, settings.image_size, settings.crop)
        for split in ("train", "val", "test")
    )
    train.info.choose_tasks(settings.tasks)  # raises for an unknown name
    for notice in notices(builder):
        log.warning(notice)
    return DataSet(train.info, train, val, test, fingerprint(builder))
