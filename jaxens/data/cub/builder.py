"""CUB-200-2011 (Wah et al. 2011), 11,788 photos of 200 species, as a TFDS builder.

A user's own tables in the same layout are read alike, and named by their folder.

See `jaxens.data.cub.tables` for the tasks and labels.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from jaxtyping import Bool, Int
from scipy import ndimage

from jaxens.data.cache_key import cache_key
from jaxens.data.collection import (
    Collection,
    CollectionBuilder,
    Item,
    prepare_collection,
)
from jaxens.data.cub.naming import is_archive, name_of_data, title_of_data
from jaxens.data.cub.tables import (
    OBJECT,
    SPLIT,
    Tables,
    find_root,
    find_segmentations,
    photo_names,
    read,
    table_files,
)
from jaxens.data.decoding import decode_gray
from jaxens.data.marks import EmptyError, Size
from jaxens.data.progress import Progress, no_progress
from jaxens.data.reading import PhotoError, printable, read_photo
from jaxens.data.records import info_of, new_fingerprint

VAL_EVERY = 10  # every tenth training photo of a species is for val
BIRD = 128  # the least gray value of a mask's bird: half of the annotators
_FEW = 8  # other grays than levels; resizing leaves more
_MOST_FLAT = 0.05  # of other grays than levels may have neighbors of their own value only
_LEVEL = 51  # what one of five annotators adds to the gray value of a pixel


def prepare(
    folder: Path, cache_dir: Path, progress: Progress = no_progress
) -> tfds.core.DatasetBuilder:
    """Writes CUB's records below `cache_dir` unless they exist, and opens them.

    Args:
        folder: `CUB_200_2011` as its archive unpacks it, or its parent.
        cache_dir: The cache; the name of the folder below is a hash of the tables, of the
            name, and of the size and the modification time of each photo and segmentation.
        progress: Called after each photo.

    Raises:
        UserError: If a table is missing or malformed (it names file, row and field), a photo
            is outside of the folder, or more than 5 % of the photos can't be used.
    """
    root = find_root(folder)
    return prepare_collection(
        lambda: _collection(read(folder)), cache_dir, f"cub-{_key(root)}", progress, Cub
    )


class Cub(CollectionBuilder):
    """CUB-200-2011, or other tables in its layout, from the user's folder.

    `test` is the official split; every tenth training photo of a species is `val`.
    """

    VERSION = tfds.core.Version("2.2.0")

    @cached_property
    def _digest(self) -> Any:
        return new_fingerprint(replace(info_of(self), name="cub"))  # of any folder


def _collection(tables: Tables) -> Collection:
    correct = "unpack the archive again, or correct them"
    return Collection(
        root=tables.root,
        title=title_of_data(tables.root),
        info=tables.info,
        splits={
            name: [_item(tables, i) for i in photos] for name, photos in _splits(tables).items()
        },
        splits_from=str(tables.root / SPLIT),
        notices=tables.notices,
        remedy=correct if is_archive(tables.root) else "correct or remove them",
    )


def _item(tables: Tables, i: int) -> Item:
    name = tables.names[i]
    left, top, width, height = tables.boxes[i]
    segmentations = tables.segmentations
    return Item(
        id=printable(name),
        path=tables.root / "images" / name,
        labels={task: values[i] for task, values in tables.labels.items()},
        points=tables.points[i],
        box=np.asarray([left, top, left + width, top + height]),
        marks=() if segmentations is None else (_Segmentation(name, segmentations),),
    )


@dataclass(frozen=True)
class _Segmentation:
    """The pixels that at least half of the annotators assigned to the bird of a photo."""

    photo: str
    folder: Path

    @property
    def name(self) -> str:
        """Returns the path of the file, below the folder of the data set."""
        return printable(f"{self.folder.name}/{Path(self.photo).with_suffix('.png')}")

    def __call__(self, size: Size) -> Mapping[str, Bool[np.ndarray, "height width"]]:
        """Decodes the file."""
        path = (self.folder / self.photo).with_suffix(".png")
        if not path.exists() and not path.is_symlink():
            raise EmptyError("is missing")
        mask = _bird(read_photo(path, self.folder.parent), size)
        if not mask.any():
            raise EmptyError(f"has no pixel of {BIRD} or more")
        return {OBJECT: mask}


def _bird(content: bytes, size: tuple[int, int]) -> Bool[np.ndarray, "height width"]:
    """Decodes a mask.

    Raises:
        PhotoError: If it is damaged, has another size than its photo, or is a map of labels. If
            it is not, its values are multiples of 51 (how many of five annotators marked a
            pixel), or reach from black to white, with the grays that resizing leaves.
    """
    gray = decode_gray(content)
    if gray.shape != size[::-1]:
        raise PhotoError("has another size than its photo")
    values = np.unique(gray)
    labels = values[values % _LEVEL > 0]
    if len(labels) and not _is_resized(gray, values, labels):
        some = ", ".join(map(str, labels[:5])) + (", ..." if len(labels) > 5 else "")
        raise PhotoError(f"has values of labels ({some}): it should be 255 on the object, else 0")
    return gray >= BIRD


def _is_resized(gray: np.ndarray, values: np.ndarray, labels: np.ndarray) -> bool:
    """Returns whether grays that are no levels are the seams that resizing leaves.

    They are many, between black and white, and hardly any has neighbors of its own value only.
    """
    if (values[0], values[-1]) != (0, 255) or len(labels) <= _FEW:
        return False
    flat = ndimage.maximum_filter(gray, 3) == ndimage.minimum_filter(gray, 3)
    seams = np.isin(gray, labels)
    return (flat & seams).sum() <= _MOST_FLAT * seams.sum()


def _splits(tables: Tables) -> dict[str, Int[np.ndarray, "photo"]]:
    val = np.zeros_like(tables.train)
    species = tables.labels["species"]
    for k in range(species.max() + 1):
        of_class = np.flatnonzero(tables.train & (species == k))
        if len(of_class) > 1:
            val[of_class[::VAL_EVERY]] = True
    return {
        "train": np.flatnonzero(tables.train & ~val),
        "val": np.flatnonzero(val),
        "test": np.flatnonzero(~tables.train),
    }


def _key(root: Path) -> str:
    """Returns a hash of name and tables, and of the size and time of photos and segmentations."""
    photos = photo_names(root).values()
    files = [root / "images" / photo for photo in photos]
    if segmentations := find_segmentations(root):
        files += [(segmentations / photo).with_suffix(".png") for photo in photos]
    # The archive unpacks `attributes.txt` next to the folder of the data set.
    return cache_key(table_files(root), files, root.parent, name_of_data(root))
