"""A prepared builder's split, as decoded pictures: one by one, or all in memory."""

import hashlib
import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from jaxtyping import Float32, Int, Int8, Int32, UInt8
from PIL import Image

from jaxens.data.geometry import Crop, Picture, square
from jaxens.data.preparing import cores, progress
from jaxens.data.schema import Example, Info, from_record
from jaxens.errors import UserError


@dataclass(frozen=True)
class Split:
    """Pictures in memory, and what people said of them. Fractions and bits as in `Picture`."""

    info: Info
    ids: list[str]
    images: UInt8[np.ndarray, "pictures size size 3"]
    masks: UInt8[np.ndarray, "pictures size size"] | None
    points: Float32[np.ndarray, "pictures points 2"]
    boxes: Float32[np.ndarray, "pictures 4"]
    labels: dict[str, Int32[np.ndarray, "pictures"] | Int8[np.ndarray, "pictures classes"]]

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, indices: Int[np.ndarray, "taken"]) -> "Split":
        """The pictures at `indices`, in that order."""
        return Split(
            info=self.info,
            ids=[self.ids[i] for i in indices],
            images=self.images[indices],
            masks=None if self.masks is None else self.masks[indices],
            points=self.points[indices],
            boxes=self.boxes[indices],
            labels={name: values[indices] for name, values in self.labels.items()},
        )


class Source:
    """A split of a prepared builder: random access to pictures, decoded when asked for.

    It can be pickled (only the folder's path travels), and read from several threads.
    """

    def __init__(
        self, builder: tfds.core.DatasetBuilder, split: str, size: int, crop: Crop = "center"
    ) -> None:
        """Args:
            builder: as returned by `prepare`.
            split: `"train"`, `"val"` or `"test"`.
            size: the side of a picture, in pixels.
            crop: see `geometry.square`.

        Raises:
            UserError: if there is no such split.
        """
        if split not in builder.info.splits:
            found = ", ".join(builder.info.splits)
            raise UserError(f"{builder.name} has no split {split!r}: choose one of {found}")
        self.folder = Path(builder.data_dir)
        self.split = split
        self.size = size
        self.crop = crop
        self.info = info_of(builder)

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, index: int) -> Picture:
        return square(self.example(index), self.size, self.crop)

    def example(self, index: int) -> Example:
        """The record at `index`, its picture still encoded."""
        return from_record(self._records[index])

    @cached_property
    def _records(self) -> Sequence[dict[str, Any]]:
        builder = tfds.builder_from_directory(self.folder)
        names = ("image", "mask") if self.info.masks else ("image",)
        decoders = {name: tfds.decode.SkipDecoding() for name in names}
        return builder.as_data_source(self.split, decoders=decoders)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_records"}


def info_of(builder: tfds.core.DatasetBuilder) -> Info:
    """What the pictures of a prepared builder carry."""
    return Info.from_json(builder.info.metadata["info"])


def load(source: Source, description: str) -> Split:
    """Decodes a whole split into memory, on all cores.

    Args:
        source: the split.
        description: what the progress bar says, should there be need of one.
    """
    count, size, info = len(source), source.size, source.info
    ids: list[str] = []
    images = np.empty((count, size, size, 3), np.uint8)
    masks = np.empty((count, size, size), np.uint8) if info.masks else None
    points = np.empty((count, len(info.points), 2), np.float32)
    boxes = np.empty((count, 4), np.float32)
    labels = {
        task.name: np.empty(count, np.int32)
        if task.kind == "multiclass"
        else np.empty((count, len(task.classes)), np.int8)
        for task in info.tasks
    }
    with ThreadPoolExecutor(cores()) as pool, progress(description, count) as advance:
        for i, picture in enumerate(pool.map(source.__getitem__, range(count))):
            ids.append(picture.id)
            images[i] = picture.image
            if masks is not None and picture.mask is not None:
                masks[i] = picture.mask
            points[i] = picture.points
            boxes[i] = picture.box
            for name, values in labels.items():
                values[i] = picture.labels[name]
            advance()
    return Split(info, ids, images, masks, points, boxes, labels)


def fingerprint(builder: tfds.core.DatasetBuilder) -> str:
    """Tells prepared data sets apart by what they hold: their `Info` and every record.

    It reads every record, not the files, whose bytes differ from one preparation to the next:
    the fields of a record are written in no fixed order. PNGs count by their pixels, since
    versions of Pillow pack them differently.

    Returns:
        16 hexadecimal digits.
    """
    digest = hashlib.sha256(builder.info.metadata["info"].encode())
    for split in sorted(builder.info.splits):
        source = Source(builder, split, size=1)
        digest.update(f"{split} {len(source)}".encode())
        for i in range(len(source)):
            example = source.example(i)
            arrays = [example.points, example.box, *(v for _, v in sorted(example.labels.items()))]
            for part in (
                example.id.encode(),
                _content(example.image),
                _content(example.mask or b""),
                *(np.asarray(array).tobytes() for array in arrays),
            ):
                digest.update(len(part).to_bytes(8))
                digest.update(part)
    return digest.hexdigest()[:16]


def _content(encoded: bytes) -> bytes:
    """A PNG's pixels; anything else as it is."""
    if not encoded.startswith(b"\x89PNG"):
        return encoded
    with Image.open(io.BytesIO(encoded)) as picture:
        return np.asarray(picture).tobytes()
