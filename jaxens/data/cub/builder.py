"""CUB-200-2011 (Wah et al. 2011), 11,788 photos of 200 species, as a builder.

What is asked of the pictures, and how labels are made of the tables: see `cub_tables`.
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
from jaxens.data.preparing import PictureBuilder, prepare_quietly
from jaxens.data.schema import Example, dataset_info, to_record
from jaxens.errors import UserError

__all__ = ["Cub", "prepare", "read"]

VAL_EVERY = 10  # one in ten of a species' training pictures is for val
MAX_UNREADABLE = 0.05  # of all pictures; three are always forgiven

# What Pillow raises for a damaged file, by format and by damage.
_DAMAGED = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)


def prepare(folder: Path, cache_dir: Path) -> tfds.core.DatasetBuilder:
    """Writes CUB's records below `cache_dir`, unless they are there, and opens them.

    Args:
        folder: `CUB_200_2011` as its archive unpacks it, or the folder that it lies in.
        cache_dir: the same tables and photos are written once; a folder of other content
            gets records of its own.

    Raises:
        UserError: if a table is missing or malformed (file, row and field are named), or if
            more than 5 % of the photos cannot be read.
    """
    root = find_root(folder)
    cache = cache_dir / f"cub-{_key(root)}"
    prepared = cache / Cub.name / str(Cub.VERSION)
    if prepared.exists():
        return tfds.builder_from_directory(prepared)
    builder = Cub(folder=root, data_dir=cache)
    return prepare_quietly(builder, "CUB-200-2011", len(builder.tables.names))


class Cub(PictureBuilder):
    """CUB-200-2011 out of the user's own folder.

    `test` is the official split; every tenth training picture of a species is `val`. Photos
    are stored as they are. Those that cannot be read are left out: the metadata's `notices`
    counts them, its `excluded` names them.
    """

    VERSION = tfds.core.Version("1.0.0")

    def __init__(self, *, folder: Path, **arguments: Any) -> None:
        self.tables = read(folder)
        self._unreadable: list[str] = []
        self._unsegmented: list[str] = []
        super().__init__(**arguments)

    def _info(self) -> tfds.core.DatasetInfo:
        return dataset_info(self, self.tables.info)

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator[tuple[int, Any]]]:
        return {
            name: self._generate_examples(name, pictures)
            for name, pictures in _splits(self.tables).items()
        }

    def _generate_examples(
        self, split: str, pictures: Int[np.ndarray, "pictures"]
    ) -> Iterator[tuple[int, Any]]:
        written = 0
        for i in pictures:
            example = self._example(i)
            self.advance()
            if example is not None:
                written += 1
                yield int(i), to_record(example)
        if not written:
            raise UserError(f"{self.tables.root / SPLIT}: no picture for the split {split!r}")
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
        """Bit 0 where at least half of the annotators saw the bird."""
        mask = Image.new("L", size)
        try:
            path = (self.tables.segmentations or Path()) / name
            grey = Image.open(path.with_suffix(".png")).convert("L")
            if grey.size != size:
                raise ValueError(f"{path} is of another size than its photo")
            mask = grey.point([0] * 128 + [1] * 128)
        except _DAMAGED:
            self._unsegmented.append(name)
        encoded = io.BytesIO()
        mask.save(encoded, "PNG")
        return encoded.getvalue()

    def _stop_if_too_many(self) -> None:
        count, total = len(self._unreadable), len(self.tables.names)
        if count > max(3, MAX_UNREADABLE * total):
            raise UserError(
                f"{self.tables.root / 'images'}: more than {MAX_UNREADABLE:.0%} of the {total} "
                f"pictures are missing or damaged ({_some(self._unreadable)}): unpack the "
                "archive again"
            )

    def _notices(self) -> list[str]:
        said = list(self.tables.notices)
        total = len(self.tables.names)
        if lost := self._unreadable:
            said.append(
                f"CUB-200-2011: {len(lost)} of {total} pictures are missing or damaged and left "
                f"out: {_some(lost)}"
            )
        if lost := self._unsegmented:
            said.append(
                f"CUB-200-2011: {len(lost)} of {total} pictures have no usable segmentation, so "
                f"their masks are empty: {_some(lost)}"
            )
        return said


def _splits(tables: Tables) -> dict[str, Int[np.ndarray, "pictures"]]:
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
    """Width and height of a picture that can be decoded to its end.

    A JPEG is decoded at an eighth of its size, which reads all of its data all the same.
    """
    photo = Image.open(io.BytesIO(image))
    size = photo.size
    photo.draft("RGB", (1, 1))
    photo.load()
    return size


def _key(root: Path) -> str:
    """Tells folders apart by their tables and by the sizes of their pictures' files."""
    digest = hashlib.sha256()
    for path in table_files(root):
        with path.open("rb") as table:
            digest.update(path.name.encode() + hashlib.file_digest(table, "sha256").digest())
    pictures = [Path(name) for name in names(root / IMAGES, "image name").values()]
    files = [root / "images" / picture for picture in pictures]
    if segmentations := find_segmentations(root):
        files += [segmentations / picture.with_suffix(".png") for picture in pictures]
    for file in files:
        digest.update(f"{file.stat().st_size if file.exists() else None},".encode())
    return digest.hexdigest()[:16]


def _some(pictures: list[str]) -> str:
    return ", ".join(pictures[:5]) + (", ..." if len(pictures) > 5 else "")
