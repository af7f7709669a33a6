"""The images that a command explains: a user's photos, or some of the run's data set."""

import logging
from collections.abc import Sequence
from pathlib import Path

from jaxens.data.photos import Photos, from_files, from_split, rows_of
from jaxens.data.source import DataSet, evenly_spaced
from jaxens.errors import UserError, check_number
from jaxens.runs.run import Run

log = logging.getLogger(__name__)
IMAGES = 8  # of a split, unless the user says how many


def check_choice(
    photos: Sequence[Path], split: str | None, images: int | None, ids: Sequence[str] | None
) -> None:
    """Checks that images are chosen in one way; see `choose_photos`.

    Raises:
        UserError: If they are not.
    """
    if photos and (split or ids or images):
        raise UserError("`split`, `ids` and `images` choose from the data set: name no photos")
    if ids and images:
        raise UserError("`ids` and `images` both choose: give one of them")
    if images is not None:
        check_number("images", images, least=1)


def choose_photos(
    run: Run,
    data: DataSet | None,
    photos: Sequence[Path],
    split: str | None,
    images: int | None,
    ids: Sequence[str] | None,
) -> Photos:
    """Returns images at the size of the run's model.

    Args:
        run: The run.
        data: Its data set; None if there are photos.
        photos: Files, and folders of files.
        split: Without photos: a split of the data set (default: test).
        images: How many images of the split, evenly spaced (default: 8).
        ids: Images of the split, by name.

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
    source = getattr(data, split or "test")
    return from_split(
        source, rows_of(source, ids) if ids else evenly_spaced(images or IMAGES, len(source))
    )
