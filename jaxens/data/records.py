"""Examples as TFDS records. Every source writes the same features."""

import hashlib
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import tensorflow_datasets as tfds

from jaxens.data.decoding import open_photo
from jaxens.data.schema import Example, Info


class Hash(Protocol):
    """A hash of `hashlib`."""

    def update(self, content: bytes, /) -> None:
        """Adds content."""


def dataset_info(builder: tfds.core.DatasetBuilder, info: Info) -> tfds.core.DatasetInfo:
    """TFDS's description of a source. Records keep their order; metadata holds the `Info`."""
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


def info_of(builder: tfds.core.DatasetBuilder) -> Info:
    """Returns the `Info` of a prepared builder."""
    return Info.from_json(builder.info.metadata["info"])


def to_record(example: Example) -> dict[str, Any]:
    """Returns an example as the features of `dataset_info`."""
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
    """Returns a record as an example; its images were read with `SkipDecoding`."""
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


def update_fingerprint(digest: Hash, example: Example) -> None:
    """Adds the content of an example to a hash.

    The bytes of records can't be hashed: TFDS writes their fields in no fixed order. PNGs count
    by their pixels, since versions of Pillow compress them differently.
    """
    labels = (label for _, label in sorted(example.labels.items()))
    for content in (
        example.id.encode(),
        _content(example.image),
        _content(example.mask or b""),
        *(np.asarray(array).tobytes() for array in (example.points, example.box, *labels)),
    ):
        digest.update(len(content).to_bytes(8))
        digest.update(content)


def new_fingerprint(info: Info) -> Any:
    """Returns a hash that begins with the tasks and parts of a data set."""
    return hashlib.sha256(info.to_json().encode())


def _content(encoded: bytes) -> bytes:
    """Returns the pixels of a PNG such as FieldMarks writes; other images as they are.

    What a PNG shows may depend on more than its pixels: a palette, a transparent color, an
    orientation.
    """
    if not encoded.startswith(b"\x89PNG"):
        return encoded
    image = open_photo(encoded)
    if image.mode not in ("L", "RGB") or image.info:
        return encoded
    return np.asarray(image).tobytes()
