"""Synthetic photos: JPEGs with the size and the detail of real ones."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image

from jaxens.data.preparing import ExampleBuilder, prepare_builder
from jaxens.data.records import dataset_info
from jaxens.data.schema import Example, Info, Task

WIDTH, HEIGHT, QUALITY = 500, 375, 90
INFO = Info("Photos", (Task.multiclass("any", ("yes", "no")),))


def photo(number: int) -> bytes:
    """Returns a JPEG of about 90 KB. Noise at several scales imitates a photo's detail."""
    rng = np.random.default_rng(number)
    pixels = np.full((HEIGHT, WIDTH, 3), 128.0)
    for octave in range(1, 8):
        coarse = rng.normal(128, 45, (3 * 2**octave, 4 * 2**octave, 3)).clip(0, 255)
        layer = Image.fromarray(coarse.astype(np.uint8)).resize(
            (WIDTH, HEIGHT), Image.Resampling.BICUBIC
        )
        pixels += (np.asarray(layer) - 128.0) * 1.2 / octave
    encoded = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(encoded, "JPEG", quality=QUALITY)
    return encoded.getvalue()


class Photos(ExampleBuilder):
    """A builder like any other source's, of `count` photographs without parts."""

    VERSION = tfds.core.Version("2.0.0")

    def __init__(self, *, count: int, data_dir: Path):
        self.images = count
        super().__init__(data_dir=data_dir, file_format="array_record")

    def _info(self) -> tfds.core.DatasetInfo:
        return dataset_info(self, INFO)

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator[tuple[int, dict[str, Any]]]]:
        return {"train": self._generate_examples()}

    def _generate_examples(self) -> Iterator[tuple[int, dict[str, Any]]]:
        for i in range(self.images):
            self.advance()
            yield i, self.record("train", example(i))


def example(number: int) -> Example:
    """Returns a photo by its number, as an example with one label."""
    return Example(
        id=f"photo-{number:06d}",
        image=photo(number),
        points=np.empty((0, 2), np.float32),
        box=np.array([0, 0, 1, 1], np.float32),
        labels={"any": np.asarray(0, np.int32)},
    )


def prepare(folder: Path, count: int) -> tfds.core.DatasetBuilder:
    """Returns the photographs as records in a folder."""
    return prepare_builder(
        Photos, folder, lambda: Photos(count=count, data_dir=folder), "drawing photographs"
    )
