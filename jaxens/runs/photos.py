"""The images that a command explains: a user's photos, or some of the run's data set."""

import logging
from collections.abc import Sequence
from pathlib import Path

from jaxens.data.photos import Photos, from_files, from_split, rows_of
from jaxens.data.source import DataSet, evenly_spaced
from jaxens.runs.choice import Choice
from jaxens.runs.run import Run

log = logging.getLogger(__name__)
IMAGES = 8  # of a split, unless the user says how many


def choose_photos(run: Run, data: DataSet | None, photos: Sequence[Path], choice: Choice) -> Photos:
    """Returns images at the size of the run's model.

    Args:
        run: The run.
        data: Its data set; None if there are photos.
        photos: Files, and folders of files.
        choice: Without photos: which images of the data set.

    Raises:
        UserError: If no photo can be read, or the split has no such image.
    """
    if photos:
        if run.config.data.crop == "box":
            log.warning(
                f"{run.folder} was trained on squares around the bounding box; of a photo, the "
                "central square is taken: crop photos around the object first"
            )
        return from_files(photos, run.config.data.image_size)
    assert data is not None
    source = getattr(data, choice.split or "test")
    if choice.ids:
        return from_split(source, rows_of(source, choice.ids))
    return from_split(source, evenly_spaced(choice.images or IMAGES, len(source)))
