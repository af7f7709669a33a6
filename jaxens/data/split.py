"""The images of a split in memory, with their labels and marks."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float32, Int, Int8, Int32, UInt8

from jaxens.data import masks as part_masks
from jaxens.data.schema import Info, ignored

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
        return replace(
            self,
            ids=[self.ids[i] for i in rows],
            images=self.images[rows],
            masks=None if self.masks is None else self.masks[rows],
            points=self.points[rows],
            boxes=self.boxes[rows],
            labels={name: values[rows] for name, values in self.labels.items()},
            places=self.places[rows],
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
        """Returns the pixels that may or may not show one of some parts.

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
