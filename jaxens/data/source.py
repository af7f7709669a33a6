"""The splits of a prepared data set, as decoded images: one by one, or all in memory."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from jaxtyping import Int, Int8, Int32, UInt8

from jaxens.data.geometry import Crop, side_of_square, square
from jaxens.data.prefetch import in_order
from jaxens.data.preparing import cores
from jaxens.data.progress import Progress, no_progress
from jaxens.data.records import from_record, info_of
from jaxens.data.sampling import stratified
from jaxens.data.schema import DecodedExample, Example, Info
from jaxens.data.split import Split
from jaxens.errors import UserError, remedy


class Source:
    """A split of a prepared builder: random access to its images, decoded on access.

    It can be pickled (only the path of the folder is stored), and read from several threads.
    """

    def __init__(
        self, builder: tfds.core.DatasetBuilder, split: str, size: int, crop: Crop = "center"
    ) -> None:
        """Opens a split.

        Args:
            builder: As returned by `prepare_builder`.
            split: `"train"`, `"val"` or `"test"`.
            size: The side of an image, in pixels.
            crop: See `geometry.square`.

        Raises:
            UserError: If there is no such split.
        """
        self.info = info_of(builder)
        if split not in builder.info.splits:
            raise UserError(
                f"{self.info.name} has no split {split!r}: {remedy(split, builder.info.splits)}"
            )
        self.folder = Path(builder.data_dir)
        self.split = split
        self.size = size
        self.crop = crop

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, index: int) -> DecodedExample:
        return self.decoded(index)

    def decoded(self, index: int, masks: bool = True) -> DecodedExample:
        """Returns the example at `index`, decoded; its mask only if `masks`.

        Raises:
            UserError: If the prepared data is damaged.
        """
        example = self.example(index)
        with self._damage_as_user_error():
            return square(example, self.size, self.crop, len(self.info.masks) if masks else 0)

    def large(self, index: int, most: int) -> UInt8[np.ndarray, "side side 3"]:
        """Returns the image at `index`, cropped but not shrunk unless it has more pixels.

        Args:
            index: Its row.
            most: The longest side, in pixels.

        Raises:
            UserError: If the prepared data is damaged.
        """
        example = self.example(index)
        with self._damage_as_user_error():
            return square(example, min(side_of_square(example, self.crop), most), self.crop).image

    def example(self, index: int) -> Example:
        """Returns the example at `index`; its image stays encoded.

        Raises:
            UserError: If the prepared data is damaged.
        """
        index = range(len(self))[index]
        with self._damage_as_user_error():
            return from_record(self._records[index])

    def labels(self) -> dict[str, Int32[np.ndarray, "image"] | Int8[np.ndarray, "image class"]]:
        """Returns the labels of all images, per task. No image is decoded."""
        examples = [self.example(index).labels for index in range(len(self))]
        return {task.name: np.stack([e[task.name] for e in examples]) for task in self.info.tasks}

    @cached_property
    def _records(self) -> Sequence[dict[str, Any]]:
        names = ("image", "mask") if self.info.masks else ("image",)
        decoders = {name: tfds.decode.SkipDecoding() for name in names}
        with self._damage_as_user_error():
            builder = tfds.builder_from_directory(self.folder)
            return builder.as_data_source(self.split, decoders=decoders)

    @contextlib.contextmanager
    def _damage_as_user_error(self) -> Iterator[None]:
        """What was prepared could be read then, so any error of a parser is damage."""
        try:
            yield
        except (UserError, MemoryError):
            raise
        except Exception as error:
            reason = " ".join(str(error).split())[:200]
            raise UserError(
                f"{self.folder}: the {self.split} images are damaged ({reason}): delete this "
                "folder, and they are prepared again"
            ) from None

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_records"}


@dataclass(frozen=True)
class DataSet:
    """The splits of a data set; the fingerprint identifies its content."""

    info: Info
    train: Source
    val: Source
    test: Source
    fingerprint: str


def evenly_spaced(count: int, of: int) -> Int[np.ndarray, "image"]:
    """Rows from 0 to `of` - 1 in equal steps: `count` of them, or all if there are fewer."""
    return np.linspace(0, of - 1, min(count, of)).astype(int)


def load(
    source: Source,
    progress: Progress = no_progress,
    rows: Int[np.ndarray, "image"] | None = None,
    sample: str = "",
) -> Split:
    """Decodes images of a split into memory, on all cores.

    Args:
        source: The split.
        progress: Called after each image.
        rows: Which images (default: all).
        sample: How the rows were chosen, see `Split`.
    """
    size, info = source.size, source.info
    places = np.arange(len(source)) if rows is None else rows
    count = len(places)
    ids: list[str] = []
    images = np.empty((count, size, size, 3), np.uint8)
    planes = -(-len(info.masks) // 8)
    masks = np.empty((count, size, size, planes), np.uint8) if planes else None
    points = np.empty((count, len(info.points), 2), np.float32)
    boxes = np.empty((count, 4), np.float32)
    labels = {
        task.name: np.empty(count, np.int32)
        if task.kind == "multiclass"
        else np.empty((count, len(task.classes)), np.int8)
        for task in info.tasks
    }
    threads = cores()
    examples = in_order(source.__getitem__, places.tolist(), threads, waiting=4 * threads)
    for i, example in enumerate(examples):
        ids.append(example.id)
        images[i] = example.image
        if masks is not None and example.mask is not None:
            masks[i] = example.mask
        points[i] = example.points
        boxes[i] = example.box
        for name, values in labels.items():
            values[i] = example.labels[name]
        progress(f"reading the {source.split} images", i + 1, count)
    return Split(info, ids, images, masks, points, boxes, labels, places, sample)


def load_sample(
    source: Source,
    count: int,
    seed: int,
    tasks: Sequence[str] = (),
    progress: Progress = no_progress,
) -> Split:
    """Loads a sample of a split that has the proportions of its labels; see `stratified`.

    Args:
        source: The split.
        count: How many images; all if there are fewer.
        seed: The seed of the sample.
        tasks: Those whose labels count first.
        progress: Called after each image.
    """
    labels = source.labels()
    first = {name: labels[name] for name in tasks if name in labels}
    rows = stratified(first | labels, count, seed)
    if len(rows) == len(source):
        return load(source, progress)
    sample = (
        f"a sample of {len(rows)} of the {len(source)} {source.split} images, with the proportions "
        f"of their labels, seed {seed}"
    )
    return load(source, progress, rows, sample)
