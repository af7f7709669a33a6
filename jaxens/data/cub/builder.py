"""CUB-200-2011 (Wah et al. 2011), 11,788 photos of 200 species, as a TFDS builder.

See `jaxens.data.cub.tables` for the tasks and labels.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from jaxtyping import Bool, Int

from jaxens.data import masks
from jaxens.data.cub.findings import Findings
from jaxens.data.cub.tables import (
    SPLIT,
    Tables,
    find_root,
    find_segmentations,
    photo_names,
    read,
    table_files,
)
from jaxens.data.decoding import decode, decode_gray, open_photo, orientation_of
from jaxens.data.preparing import ExampleBuilder, prepare_builder
from jaxens.data.progress import Progress, no_progress
from jaxens.data.reading import OutsideError, PhotoError, printable, read_photo
from jaxens.data.records import dataset_info
from jaxens.data.schema import Example
from jaxens.data.settings import Data
from jaxens.errors import UserError
from jaxens.files import with_home

__all__ = ["Cub", "prepare", "read"]

VAL_EVERY = 10  # every tenth training photo of a species is for val
BIRD = 128  # the least gray value of a mask's bird: half of the annotators
_MOST_CLASSES = 25  # a gray level of CUB is 51 or more


def prepare_from(settings: Data, progress: Progress) -> tfds.core.DatasetBuilder:
    """Reads the folder that the settings name, see `prepare`."""
    return prepare(with_home(settings.data_dir), settings.cache, progress)


def prepare(
    folder: Path, cache_dir: Path, progress: Progress = no_progress
) -> tfds.core.DatasetBuilder:
    """Writes CUB's records below `cache_dir` unless they exist, and opens them.

    Args:
        folder: `CUB_200_2011` as its archive unpacks it, or its parent.
        cache_dir: The cache; the name of the folder below is a hash of the tables, and of the
            size and the modification time of each photo and segmentation.
        progress: Called after each photo.

    Raises:
        UserError: If a table is missing or malformed (it names file, row and field), a photo
            is outside of the folder, or more than 5 % of the photos can't be used.
    """
    root = find_root(folder)
    data_dir = cache_dir / f"cub-{_key(root)}"
    return prepare_builder(
        Cub,
        data_dir,
        lambda: Cub(folder=root, data_dir=data_dir),
        "preparing CUB-200-2011",
        progress,
    )


class Cub(ExampleBuilder):
    """CUB-200-2011 from the user's folder.

    `test` is the official split; every tenth training photo of a species is `val`. Photos are
    stored unchanged. Those that can't be used are left out: the metadata counts them in
    `notices` and names them in `excluded`.
    """

    VERSION = tfds.core.Version("2.1.0")

    def __init__(self, *, folder: Path, **arguments: Any) -> None:
        self.tables = read(folder)
        self.images = len(self.tables.names)
        self._seen = Findings(self.tables.root, self.images)
        super().__init__(**arguments)

    def _info(self) -> tfds.core.DatasetInfo:
        return dataset_info(self, self.tables.info)

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator[tuple[int, Any]]]:
        return {
            name: self._generate_examples(name, photos)
            for name, photos in _splits(self.tables).items()
        }

    def _generate_examples(
        self, split: str, photos: Int[np.ndarray, "photo"]
    ) -> Iterator[tuple[int, Any]]:
        written = 0
        for i in photos:
            example = self._example(i)
            self.advance()
            if example is not None:
                written += 1
                yield int(i), self.record(split, example)
        if not written:
            raise UserError(f"{self.tables.root / SPLIT}: no photo for the split {split!r}")
        self.info.metadata["excluded"] = list(self._seen.unusable)
        self.info.metadata["notices"] = [*self.tables.notices, *self._seen.notices()]

    def _example(self, i: int) -> Example | None:
        tables, seen = self.tables, self._seen
        name, id = tables.names[i], printable(tables.names[i])
        try:
            image = read_photo(tables.root / "images" / name, tables.root)
            photo = open_photo(image)
            size = photo.size
            decode(photo, least=(1, 1))
        except OutsideError as error:
            raise UserError(f"{tables.root / 'images'}: {id} {error}") from None
        except PhotoError as error:
            seen.add_unusable(id, str(error))
            return None
        if orientation_of(photo) != 1:
            seen.turned.append(id)
        left, top, width, height = tables.boxes[i]
        box = np.asarray([left, top, left + width, top + height]) / (*size, *size)
        points = tables.points[i] / size
        if ((points < 0) | (points > 1)).any() or max(*box[:2], *(1 - box[2:])) >= 1:
            seen.outside.append(id)
        return Example(
            id=id,
            image=image,
            points=points.astype(np.float32),
            box=box.astype(np.float32),
            labels={task: values[i] for task, values in tables.labels.items()},
            mask=None if tables.segmentations is None else self._mask(name, size),
        )

    def _mask(self, name: str, size: tuple[int, int]) -> bytes:
        """Returns the pixels that at least half of the annotators assigned to the object."""
        folder = self.tables.segmentations or Path()
        path = (folder / name).with_suffix(".png")
        id = printable(path.relative_to(folder))
        mask = np.zeros((size[1], size[0]), bool)
        try:
            content = read_photo(path, folder.parent)
        except OutsideError as error:
            raise UserError(f"{folder}: {id} {error}") from None
        except PhotoError as error:
            self._seen.unsegmented[id] = str(error)
        else:
            try:
                mask = _bird(content, size)
                if not mask.any():
                    self._seen.unsegmented[id] = f"has no pixel of {BIRD} or more"
            except PhotoError as error:
                self._seen.add_foreign_mask(id, str(error))
        return masks.encode(masks.pack(mask[..., None]))


def _bird(content: bytes, size: tuple[int, int]) -> Bool[np.ndarray, "height width"]:
    """Decodes a mask.

    Raises:
        PhotoError: If it is damaged, has another size than its photo, or holds the numbers of
            classes. Those are small, and often 255 stands for "ignore", while gray levels lie in
            between, or are 0 and 255 alone.
    """
    gray = decode_gray(content)
    if gray.shape != size[::-1]:
        raise PhotoError("has another size than its photo")
    values = np.unique(gray)
    marks = values[(values > 0) & (values < 255)]
    if len(marks) and marks.max() <= _MOST_CLASSES:
        some = ", ".join(map(str, values[:5])) + (", ..." if len(values) > 5 else "")
        raise PhotoError(f"has the values {some}: it should be 255 on the object and 0 elsewhere")
    return gray >= BIRD


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
    """Returns a hash of the tables, and of the size and time of each photo and segmentation.

    The content of all photos would take too long to read each time the data set is opened.
    """
    digest = hashlib.sha256()
    for path in table_files(root):
        with path.open("rb") as table:
            digest.update(path.name.encode() + hashlib.file_digest(table, "sha256").digest())
    photos = photo_names(root).values()
    files = [root / "images" / photo for photo in photos]
    if segmentations := find_segmentations(root):
        files += [(segmentations / photo).with_suffix(".png") for photo in photos]
    for file in files:
        digest.update(f"{_size_and_time(file)},".encode())
    return digest.hexdigest()[:16]


def _size_and_time(file: Path) -> tuple[int, int] | None:
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns
