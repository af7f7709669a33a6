"""CUB-200-2011 (Wah et al. 2011), 11,788 photos of 200 species, as a TFDS builder.

See `jaxens.data.cub.tables` for the tasks and labels.
"""

import hashlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from jaxtyping import Int
from PIL import Image

from jaxens.data import masks
from jaxens.data.cub.tables import (
    IMAGES,
    SPLIT,
    Tables,
    find_root,
    find_segmentations,
    names,
    read,
    table_files,
)
from jaxens.data.preparing import ExampleBuilder, prepare_builder
from jaxens.data.progress import Progress, no_progress
from jaxens.data.records import dataset_info
from jaxens.data.schema import Example
from jaxens.errors import UserError

__all__ = ["Cub", "prepare", "read"]

VAL_EVERY = 10  # every tenth training photo of a species is for val
MAX_UNREADABLE = 0.05  # of all photos; three are always allowed

# What Pillow raises for a damaged file, by format and by damage.
_DAMAGED = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)


def prepare(
    folder: Path, cache_dir: Path, progress: Progress = no_progress
) -> tfds.core.DatasetBuilder:
    """Writes CUB's records below `cache_dir` unless they exist, and opens them.

    Args:
        folder: `CUB_200_2011` as its archive unpacks it, or its parent.
        cache_dir: the cache; the name of the folder below is a hash of the tables and of the
            sizes of the photos.
        progress: called after each photo.

    Raises:
        UserError: if a table is missing or malformed (it names file, row and field), or if more
            than 5 % of the photos can't be read.
    """
    root = find_root(folder)
    cache = cache_dir / f"cub-{_key(root)}"
    prepared = cache / Cub.name / str(Cub.VERSION)
    if prepared.exists():
        return tfds.builder_from_directory(prepared)
    builder = Cub(folder=root, data_dir=cache)
    return prepare_builder(builder, "preparing CUB-200-2011", len(builder.tables.names), progress)


class Cub(ExampleBuilder):
    """CUB-200-2011 from the user's folder.

    `test` is the official split; every tenth training photo of a species is `val`. Photos are
    stored unchanged. Those that can't be read are left out: the metadata counts them in
    `notices` and names them in `excluded`.
    """

    VERSION = tfds.core.Version("2.0.0")

    def __init__(self, *, folder: Path, **arguments: Any) -> None:
        self.tables = read(folder)
        self._unreadable: list[str] = []
        self._unsegmented: list[str] = []
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
        self.info.metadata["excluded"] = self._unreadable
        self.info.metadata["notices"] = self._notices()

    def _example(self, i: int) -> Example | None:
        tables = self.tables
        name = tables.names[i]
        try:
            image = (tables.root / "images" / name).read_bytes()
            size = _size(image)
        except _DAMAGED:
            self._unreadable.append(name)
            self._stop_if_too_many()
            return None
        left, top, width, height = tables.boxes[i]
        box = np.asarray([left, top, left + width, top + height]) / (*size, *size)
        return Example(
            id=name,
            image=image,
            points=(tables.points[i] / size).astype(np.float32),
            box=box.astype(np.float32),
            labels={task: values[i] for task, values in tables.labels.items()},
            mask=None if tables.segmentations is None else self._mask(name, size),
        )

    def _mask(self, name: str, size: tuple[int, int]) -> bytes:
        """The pixels that at least half of the annotators assigned to the bird."""
        mask = np.zeros((size[1], size[0], 1), bool)
        try:
            path = (self.tables.segmentations or Path()) / name
            gray = Image.open(path.with_suffix(".png")).convert("L")
            if gray.size != size:
                raise ValueError(f"{path} has another size than its photo")
            mask = np.asarray(gray)[..., None] >= 128
        except _DAMAGED:
            self._unsegmented.append(name)
        return masks.encode(masks.pack(mask))

    def _stop_if_too_many(self) -> None:
        count, total = len(self._unreadable), len(self.tables.names)
        if count > max(3, MAX_UNREADABLE * total):
            raise UserError(
                f"{self.tables.root / 'images'}: more than {MAX_UNREADABLE:.0%} of the {total} "
                f"photos are missing or damaged ({_some(self._unreadable)}): unpack the "
                "archive again"
            )

    def _notices(self) -> list[str]:
        notices = list(self.tables.notices)
        total = len(self.tables.names)
        if missing := self._unreadable:
            notices.append(
                f"CUB-200-2011: {len(missing)} of {total} photos are missing or damaged and left "
                f"out: {_some(missing)}"
            )
        if missing := self._unsegmented:
            notices.append(
                f"CUB-200-2011: {len(missing)} of {total} photos have no usable segmentation, so "
                f"their masks are empty: {_some(missing)}"
            )
        return notices


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


def _size(image: bytes) -> tuple[int, int]:
    """Width and height of a photo; raises if it can't be decoded completely.

    A JPEG is decoded at an eighth of its size, which still reads all of its data.
    """
    photo = Image.open(io.BytesIO(image))
    size = photo.size
    photo.draft("RGB", (1, 1))
    photo.load()
    return size


def _key(root: Path) -> str:
    """A hash of the tables, and of the sizes of photos and segmentations."""
    digest = hashlib.sha256()
    for path in table_files(root):
        with path.open("rb") as table:
            digest.update(path.name.encode() + hashlib.file_digest(table, "sha256").digest())
    photos = [Path(name) for name in names(root / IMAGES, "image name").values()]
    files = [root / "images" / photo for photo in photos]
    if segmentations := find_segmentations(root):
        files += [segmentations / photo.with_suffix(".png") for photo in photos]
    for file in files:
        digest.update(f"{file.stat().st_size if file.exists() else None},".encode())
    return digest.hexdigest()[:16]


def _some(photos: list[str]) -> str:
    return ", ".join(photos[:5]) + (", ..." if len(photos) > 5 else "")
