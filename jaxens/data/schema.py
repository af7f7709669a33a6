"""What a data set says of its pictures: tasks, parts, and one record per picture.

Every source is written as a TFDS builder with the same features, so that everything after
the builder is one path.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Self

import numpy as np
import tensorflow_datasets as tfds
from jaxtyping import Float32, Int8, Int32, UInt8

MISSING = -1  # a label that nobody gave; the loss and the scores leave it out


@dataclass(frozen=True)
class Task:
    """One question about a picture.

    A multiclass task has one answer among `classes`; a multilabel task has a yes or no for
    each. `parts[k]` names the part that a person would point at for class `k`, or "" if
    there is none: it is the truth that explanations of class `k` are scored against.
    """

    name: str
    kind: Literal["multiclass", "multilabel"]
    classes: tuple[str, ...]
    parts: tuple[str, ...]

    @classmethod
    def multiclass(cls, name: str, classes: tuple[str, ...], part: str = "") -> Self:
        return cls(name, "multiclass", classes, (part,) * len(classes))

    @classmethod
    def multilabel(cls, name: str, parts: Mapping[str, str]) -> Self:
        """`parts` maps each label to the part that shows it."""
        return cls(name, "multilabel", tuple(parts), tuple(parts.values()))


@dataclass(frozen=True)
class Info:
    """What the pictures of a data set carry. `points` and `masks` name parts.

    Row `p` of an example's points is part `points[p]`; bit `p` of its mask is part
    `masks[p]` (at most eight).
    """

    name: str
    tasks: tuple[Task, ...]
    points: tuple[str, ...] = ()
    masks: tuple[str, ...] = ()

    def task(self, name: str) -> Task:
        return next(task for task in self.tasks if task.name == name)

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        raw = json.loads(text)
        tasks = tuple(
            Task(t["name"], t["kind"], tuple(t["classes"]), tuple(t["parts"])) for t in raw["tasks"]
        )
        return cls(raw["name"], tasks, tuple(raw["points"]), tuple(raw["masks"]))


@dataclass(frozen=True)
class Example:
    """One picture and what people said of it.

    Coordinates are fractions of width and height (0 left or top, 1 right or bottom), so
    they outlive a resize; an unseen part is NaN.
    """

    id: str
    image: bytes  # an encoded JPEG or PNG
    points: Float32[np.ndarray, "points 2"]  # x, y
    box: Float32[np.ndarray, "4"]  # left, top, right, bottom
    labels: Mapping[str, Int32[np.ndarray, ""] | Int8[np.ndarray, "classes"]] = field(
        default_factory=dict
    )
    mask: bytes | None = None  # an encoded 8-bit PNG of one channel, a bit per part


def dataset_info(builder: tfds.core.DatasetBuilder, info: Info) -> tfds.core.DatasetInfo:
    """TFDS's description of a source. Records keep their order; `Info` travels as metadata."""
    labels: dict[str, Any] = {
        t.name: tfds.features.Tensor(
            shape=() if t.kind == "multiclass" else (len(t.classes),),
            dtype=np.int32 if t.kind == "multiclass" else np.int8,
        )
        for t in info.tasks
    }
    features = {
        "id": tfds.features.Text(),
        "image": tfds.features.Image(shape=(None, None, 3)),
        "points": tfds.features.Tensor(shape=(len(info.points), 2), dtype=np.float32),
        "box": tfds.features.Tensor(shape=(4,), dtype=np.float32),
        "labels": labels,
    }
    if info.masks:
        features["mask"] = tfds.features.Image(shape=(None, None, 1), encoding_format="png")
    return tfds.core.DatasetInfo(
        builder=builder,
        features=tfds.features.FeaturesDict(features),
        disable_shuffling=True,
        metadata=tfds.core.MetadataDict(info=info.to_json()),
    )


def to_record(example: Example) -> dict[str, Any]:
    """An example as the features of `dataset_info`."""
    record = {
        "id": example.id,
        "image": example.image,
        "points": example.points,
        "box": example.box,
        "labels": dict(example.labels),
    }
    if example.mask is not None:
        record["mask"] = example.mask
    return record


def from_record(record: Mapping[str, Any]) -> Example:
    """A record read with `SkipDecoding` for its images, as an example."""
    return Example(
        id=record["id"].decode(),
        image=record["image"],
        points=record["points"],
        box=record["box"],
        labels={
            name: np.asarray(label, np.int8 if np.ndim(label) else np.int32)  # TFDS gives ints
            for name, label in record["labels"].items()
        },
        mask=record.get("mask"),
    )


def part_masks(
    bits: UInt8[np.ndarray, "*pictures height width"], info: Info, part: str
) -> np.ndarray:
    """The boolean mask of one part, out of a mask with a bit per part."""
    return (bits >> info.masks.index(part)) & 1 > 0
