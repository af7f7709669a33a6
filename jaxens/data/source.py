"""The splits of a prepared data set, as decoded images: one by one, or all in memory."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from jaxtyping import Bool, Float32, Int, Int8, Int32, UInt8

from jaxens.data import masks as part_masks
from jaxens.data.ahead import in_order
from jaxens.data.geometry import Crop, square
from jaxens.data.preparing import cores
from jaxens.data.progress import Progress, no_progress
from jaxens.data.records import from_record, info_of
from jaxens.data.sampling import stratified
from jaxens.data.schema import DecodedExample, Example, Info, ignored
from jaxens.errors import UserError

Rows = Int[np.ndarray, "image"] | slice


@dataclass(frozen=True)
class Split:
    """The images of a split in memory, with their labels and marks.

    Attributes:
        info: Tasks and parts.
        ids: One per image.
        images: RGB.
        masks: Packed as in `jaxens.data.masks`; None if the data set has no masks.
        points: x, y in fractions of width and height; NaN if not visible.
        boxes: Left, top, right, bottom in fractions; NaN if unknown.
        labels: Per task, a class or a 0 or 1 per class; `MISSING` if unknown.
        places: The rows of the images in the whole split; random numbers drawn for an image
            depend on this.
        sample: How the images were taken from the whole split; empty if all were.
    """

    info: Info
    ids: list[str]
    images: UInt8[np.ndarray, "image size size 3"]
    masks: UInt8[np.ndarray, "image size size byte"] | None
    points: Float32[np.ndarray, "image point 2"]
    boxes: Float32[np.ndarray, "image 4"]
    labels: dict[str, Int32[np.ndarray, "image"] | Int8[np.ndarray, "image class"]]
    places: Int[np.ndarray, "image"]
    sample: str = ""

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: Int[np.ndarray, "image"]) -> "Split":
        """Returns the images at `rows`, in that order."""
        return Split(
            info=self.info,
            ids=[self.ids[i] for i in rows],
            images=self.images[rows],
            masks=None if self.masks is None else self.masks[rows],
            points=self.points[rows],
            boxes=self.boxes[rows],
            labels={name: values[rows] for name, values in self.labels.items()},
            places=self.places[rows],
            sample=self.sample,
        )

    def mask(
        self, parts: Sequence[str], rows: Rows = slice(None)
    ) -> Bool[np.ndarray, "image size size"] | None:
        """Returns the union of the masks of some parts.

        Args:
            parts: Names of parts; those without a mask are ignored.
            rows: The images (default: all).

        Returns:
            One mask per image, or None if none of the parts has a mask in this data set.
        """
        if self.masks is None or not set(parts) & set(self.info.masks):
            return None
        return part_masks.union(self.masks[rows], self.info.masks, parts)

    def ignored(
        self, parts: Sequence[str], rows: Rows = slice(None)
    ) -> Bool[np.ndarray, "image size size"] | None:
        """Returns the pixels of which nobody knows whether they show one of some parts.

        Args:
            parts: Names of parts.
            rows: The images (default: all).

        Returns:
            One mask per image, or None if there are no such masks in this data set.
        """
        unknown = self.mask([ignored(part) for part in parts], rows)
        known = self.mask(parts, rows)
        return unknown if unknown is None or known is None else unknown & ~known

    def point(
        self, parts: Sequence[str], rows: Rows = slice(None)
    ) -> Float32[np.ndarray, "image 2"] | None:
        """Returns the mean of the visible key points of some parts.

        Args:
            parts: Names of parts; those without a key point are ignored.
            rows: The images (default: all).

        Returns:
            x, y per image in fractions, NaN if no part is visible; or None if none of the parts
            has a key point in this data set.
        """
        columns = [p for p, name in enumerate(self.info.points) if name in parts]
        if not columns:
            return None
        points = self.points[rows][:, columns]
        visible = ~np.isnan(points).any(axis=-1, keepdims=True)
        count = visible.sum(axis=1)
        total = np.where(visible, points, np.float32(0)).sum(axis=1)
        return np.where(count > 0, total / np.maximum(count, 1), np.nan).astype(np.float32)


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
        if split not in builder.info.splits:
            known = ", ".join(builder.info.splits)
            raise UserError(f"{builder.name} has no split {split!r}: choose one of {known}")
        self.folder = Path(builder.data_dir)
        self.split = split
        self.size = size
        self.crop = crop
        self.info = info_of(builder)

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


def concatenate(splits: Sequence[Split]) -> Split:
    """Returns the images of several splits of one data set, one after the other."""
    first, masks = splits[0], [split.masks for split in splits]
    return Split(
        info=first.info,
        ids=[id for split in splits for id in split.ids],
        images=np.concatenate([split.images for split in splits]),
        masks=None if first.masks is None else np.concatenate([m for m in masks if m is not None]),
        points=np.concatenate([split.points for split in splits]),
        boxes=np.concatenate([split.boxes for split in splits]),
        labels={
            task: np.concatenate([split.labels[task] for split in splits]) for task in first.labels
        },
        places=np.concatenate([split.places for split in splits]),
    )


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
