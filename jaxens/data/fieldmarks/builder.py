"""FieldMarks: the embedded data set, drawn on demand, so that it needs no download.

It shows invented birds of similar species, which differ in their field marks: the length of
the bill, the pattern of the wing, and the marks that are present. Each image has labels for
species, family and attributes, a mask and a key point per part, and a box.

With independent attributes, birds have no species, and no attribute can be inferred from another.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds

from jaxens.data.fieldmarks.draw import Drawing, encoded, encoded_images, render
from jaxens.data.fieldmarks.species import (
    BILL_LENGTHS,
    FAMILIES,
    MARKS,
    PARTS,
    SPECIES,
    WING_PATTERNS,
)
from jaxens.data.prefetch import Workers, in_order
from jaxens.data.preparing import ExampleBuilder, cores, prepare_builder
from jaxens.data.progress import Progress, no_progress
from jaxens.data.records import dataset_info
from jaxens.data.schema import Example, Info, Task
from jaxens.data.settings import Data
from jaxens.errors import UserError

__all__ = ["COUNTS", "INFO", "Drawing", "FieldMarks", "prepare", "render"]

INFO = Info(
    name="FieldMarks",
    tasks=(
        Task.multiclass("species", tuple(species.name for species in SPECIES)),
        Task.multiclass("family", FAMILIES),
        Task.multiclass("bill_length", BILL_LENGTHS, parts=("bill",)),
        Task.multiclass("wing_pattern", WING_PATTERNS, parts=("wing",)),
        Task.multilabel("marks", {mark: (mark,) for mark in MARKS}),
    ),
    points=PARTS,
    masks=PARTS,
)
INDEPENDENT = replace(
    INFO, name="FieldMarks with independent attributes", tasks=INFO.tasks[1:]
)  # no species

COUNTS = {"train": 3200, "val": 300, "test": 500}

# The first index of each split in the series of images. They are far apart, so that the test
# images do not depend on the number of training images.
_BLOCK = 1_000_000
STARTS = {"train": 0, "val": _BLOCK, "test": 2 * _BLOCK}

_CHUNK = 16  # images that a process draws at a time


class FieldMarks(ExampleBuilder):
    """The TFDS builder. The name of its folder holds size, seed, counts and version."""

    VERSION = tfds.core.Version("2.0.0")  # of the records

    def __init__(
        self,
        *,
        size: int,
        seed: int,
        counts: Mapping[str, int],
        data_dir: Path,
        independent: bool = False,
    ) -> None:
        """Checks the values.

        Args:
            size: The side of an image, in pixels.
            seed: The seed of the series of images.
            counts: Number of images of `"train"`, `"val"` and `"test"`.
            data_dir: The cache; the builder writes into a folder below.
            independent: Whether attributes are independent.

        Raises:
            UserError: If a value is out of range.
        """
        _check(size, seed, counts)
        self.size, self.seed, self.counts, self.independent = size, seed, counts, independent
        self.images = sum(counts.values())
        self.draw: Callable[[range], Iterable[dict[str, Any]]] = partial(
            map, partial(encoded, seed, size=size, independent=independent)
        )
        super().__init__(
            data_dir=_data_dir(data_dir, size, seed, counts, independent),
            file_format="array_record",
        )

    def _info(self) -> tfds.core.DatasetInfo:
        return dataset_info(self, INDEPENDENT if self.independent else INFO)

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator[tuple[int, dict[str, Any]]]]:
        return {split: self._generate_examples(split) for split in STARTS}

    def _generate_examples(self, split: str) -> Iterator[tuple[int, dict[str, Any]]]:
        start = STARTS[split]
        for i, fields in enumerate(self.draw(range(start, start + self.counts[split]))):
            self.advance()
            yield i, self.record(split, Example(id=f"{split}-{i:06d}", **fields))


def prepare_from(settings: Data, progress: Progress) -> tfds.core.DatasetBuilder:
    """Draws the images that the settings describe, see `prepare`."""
    counts = {split: getattr(settings, f"{split}_images") for split in STARTS}
    return prepare(
        settings.cache,
        settings.image_size,
        settings.data_seed,
        counts,
        progress,
        independent=settings.attributes == "independent",
    )


def prepare(
    cache_dir: Path,
    size: int = 64,
    seed: int = 0,
    counts: Mapping[str, int] = COUNTS,
    progress: Progress = no_progress,
    independent: bool = False,
) -> tfds.core.DatasetBuilder:
    """Opens the prepared images. Draws them first, on all cores, if they do not exist.

    Scripts that call this need `if __name__ == "__main__":`, as with every process pool.

    Args:
        cache_dir: The cache; each combination of the other values has a folder below.
        size: The side of an image, in pixels.
        seed: The seed of the series of images.
        counts: Number of images of `"train"`, `"val"` and `"test"`.
        progress: Called after each image.
        independent: Whether attributes are independent of each other and of the family. There
            is not a task "species" then.

    Returns:
        A prepared builder with these splits.

    Raises:
        UserError: If a value is out of range, or the drawing processes die.
    """
    _check(size, seed, counts)
    workers = min(cores(), sum(counts.values()) // _CHUNK)
    with ExitStack() as stack:

        def make() -> FieldMarks:
            builder = FieldMarks(
                size=size, seed=seed, counts=counts, data_dir=cache_dir, independent=independent
            )
            if workers > 1:
                draw = partial(encoded_images, seed, size, independent)
                pool = stack.enter_context(Workers(draw, workers, "draws FieldMarks"))
                builder.draw = partial(_draw_in_chunks, pool, workers)
            return builder

        folder = _data_dir(cache_dir, size, seed, counts, independent)
        return prepare_builder(FieldMarks, folder, make, "drawing FieldMarks", progress)


def _draw_in_chunks(
    pool: Workers[range, list[dict[str, Any]]], workers: int, indices: range
) -> Iterator[dict[str, Any]]:
    chunks = [indices[i : i + _CHUNK] for i in range(0, len(indices), _CHUNK)]
    return chain.from_iterable(in_order(pool, chunks, workers, 4 * workers))


def _data_dir(
    cache: Path, size: int, seed: int, counts: Mapping[str, int], independent: bool
) -> Path:
    values = [f"size{size}", f"seed{seed}", *(f"{name}{counts[name]}" for name in STARTS)]
    return cache / "-".join(values + ["independent"] * independent)


def _check(size: int, seed: int, counts: Mapping[str, int]) -> None:
    if not 16 <= size <= 1024:
        raise UserError(f"FieldMarks: size {size} is not between 16 and 1024 pixels")
    if seed < 0:
        raise UserError(f"FieldMarks: seed {seed} is negative: choose 0 or more")
    if set(counts) != set(STARTS):
        raise UserError(f"FieldMarks: counts must be for {', '.join(STARTS)}, not {list(counts)}")
    for split, count in counts.items():
        if not 1 <= count <= _BLOCK:
            raise UserError(f"FieldMarks: {split} has {count} images: choose 1 to {_BLOCK}")
