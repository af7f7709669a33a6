"""ISIC 2018, Tasks 1 and 2 (Codella et al. 2019): 2,594 photos of skin lesions to train on.

The task `attributes` has a label for each of five attributes, whose mask is its part. All masks
exist for every photo; an attribute is present where its mask is not empty. The part `lesion` is
that of Task 1, if its folders are there.
"""

import re
from pathlib import Path

import numpy as np
import tensorflow_datasets as tfds

from jaxens.data.cache_key import cache_key
from jaxens.data.collection import Collection, Item, prepare_collection
from jaxens.data.marks import Marks, MaskFile, Values
from jaxens.data.progress import Progress, no_progress
from jaxens.data.schema import Info, Task
from jaxens.data.splits import complete_splits
from jaxens.errors import UserError

TITLE = "ISIC 2018"
SPLITS = {"train": "Training", "val": "Validation", "test": "Test"}
ATTRIBUTES = ("globules", "milia_like_cyst", "negative_network", "pigment_network", "streaks")
LESION = "lesion"
# Superpixels, licenses and other files lie next to the photos.
_PHOTO = re.compile(r"(ISIC_\d+)\.(jpe?g|png)", re.ASCII | re.IGNORECASE)


def prepare(
    folder: Path, cache_dir: Path, progress: Progress = no_progress
) -> tfds.core.DatasetBuilder:
    """Writes the records below `cache_dir` unless they exist, and opens them.

    Args:
        folder: Holds the folders `ISIC2018_Task1-2_Training_Input`,
            `ISIC2018_Task2_Training_GroundTruth_v3` and so on, as the archives unpack.
        cache_dir: The cache.
        progress: Called after each photo.

    Raises:
        UserError: If a folder is missing, or too many photos or masks can't be used.
    """
    used = [path for split in SPLITS.values() for path in _files(folder, split)]
    names = "\n".join(path.relative_to(folder).as_posix() for path in used)
    key = cache_key((), used, folder, names)
    return prepare_collection(lambda: read(folder), cache_dir, f"isic2018-{key}", progress)


def read(folder: Path) -> Collection:
    """Lists the photos and masks, and decodes none of them.

    A val or test without photos or masks is drawn from train.

    Args:
        folder: As for `prepare`.

    Raises:
        UserError: If the photos to train on or their masks are missing.
    """
    official = {split: _items(folder, name) for split, name in SPLITS.items()}
    if not official["train"]:
        raise UserError(
            f"{folder} holds no {TITLE} (no ISIC2018_Task1-2_Training_Input with photos, or no "
            "ISIC2018_Task2_Training_GroundTruth_v3): give the folder to which its archives were "
            "unpacked"
        )
    splits, notices = complete_splits(official, TITLE, folder / "ISIC2018_Task1-2_Training_Input")
    lesions = any(
        len(item.marks) > len(ATTRIBUTES) for items in official.values() for item in items
    )
    return Collection(
        root=folder,
        title=TITLE,
        info=Info(
            TITLE,
            (Task.multilabel("attributes", {name: (name,) for name in ATTRIBUTES}),),
            masks=ATTRIBUTES + (LESION,) * lesions,
        ),
        splits=splits,
        splits_from=str(folder),
        notices=notices,
        box_of=LESION if lesions else "",
        remedy="unpack the archives again, or correct them",
        labels_of_masks=("attributes",),
    )


def _files(folder: Path, split: str) -> list[Path]:
    """Returns the photos of a split, and all files of its masks."""
    photos = [path for _, path in _photos(folder, split)]
    masks = (_truth(folder, task, split) for task in (1, 2))
    return photos + [path for truth in masks if truth for path in sorted(truth.glob("ISIC_*.png"))]


def _photos(folder: Path, split: str) -> list[tuple[str, Path]]:
    """Returns the ids and the files of the photos of a split."""
    photos = folder / f"ISIC2018_Task1-2_{split}_Input"
    paths = sorted(photos.iterdir()) if photos.is_dir() else []
    matches = ((_PHOTO.fullmatch(path.name), path) for path in paths)
    return [(match[1], path) for match, path in matches if match]


def _items(folder: Path, split: str) -> list[Item]:
    """Returns the photos of a split; none if its photos or its attributes are missing."""
    attributes, lesions = _truth(folder, 2, split), _truth(folder, 1, split)
    if attributes is None:
        return []
    items = []
    for id, path in _photos(folder, split):
        marks: list[Marks] = [
            MaskFile(attributes / f"{id}_attribute_{name}.png", folder, {name: Values()})
            for name in ATTRIBUTES
        ]
        if lesions is not None:
            lesion = lesions / f"{id}_segmentation.png"
            marks.append(MaskFile(lesion, folder, {LESION: Values()}))
        items.append(Item(id, path, {}, np.empty((0, 2)), np.full(4, np.nan), marks))
    return items


def _truth(folder: Path, task: int, split: str) -> Path | None:
    """Returns the folder of the masks; the last of several versions, such as `_v3`."""
    folders = folder.glob(f"ISIC2018_Task{task}_{split}_GroundTruth*")
    return max((path for path in folders if path.is_dir()), default=None)
