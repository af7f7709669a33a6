"""The images that a command explains: a user's photos, or some of the run's data set."""

import logging
from collections.abc import Sequence
from pathlib import Path

from jaxens.data.photos import Photos, from_files, from_split, rows_of
from jaxens.data.source import DataSet, evenly_spaced
from jaxens.runs.choice import Choice
from jaxens.runs.opened import Opened

log = logging.getLogger(__name__)
IMAGES = 8  # of a split, unless the user says how many


def choose_photos(
    opened: Opened, data: DataSet | None, photos: Sequence[Path], choice: Choice
) -> Photos:
    """Returns images at the size of the ensemble's training images.

    Args:
        opened: The ensemble.
        data: Its data set; None if there are photos.
        photos: Files, and folders of files.
        choice: Without photos: which images of the data set.

    Raises:
        UserError: If no photo can be read, or the split has no such image.
    """
    if photos:
        if opened.origin.data["crop"] == "box":
            log.warning(
                f"{opened.folder} was trained on squares around the bounding box; of a photo, the "
                "central square is taken: crop photos around the object first"
            )
        return from_files(photos, opened.origin.image_size)
    assert data is not None
    source = getattr(data, choice.split or "test")
    if choice.ids:
        return from_split(source, rows_of(source, choice.ids))
    return from_split(source, evenly_spaced(choice.images or IMAGES, len(source)))
