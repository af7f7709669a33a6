"""FieldMarks: the embedded data set, drawn on demand. It makes every experiment runnable
without a download.

Invented birds, in look-alike species that differ in their field marks: how long the bill is,
how the wing is patterned, and which marks there are. Each picture comes with its species,
family and attributes, a mask and a key point per part, and a box.
"""

import signal
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds

from jaxens.data.fieldmarks.draw import Picture, encoded, render
from jaxens.data.fieldmarks.species import (
    BILL_LENGTHS,
    FAMILIES,
    MARKS,
    PARTS,
    SPECIES,
    WING_PATTERNS,
)
from jaxens.data.preparing import PictureBuilder, cores, prepare_quietly
from jaxens.data.schema import Example, Info, Task, dataset_info, to_record
from jaxens.errors import UserError

__all__ = ["COUNTS", "INFO", "FieldMarks", "Picture", "prepare", "render"]

INFO = Info(
    name="FieldMarks",
    tasks=(
        Task.multiclass("species", tuple(species.name for species in SPECIES)),
        Task.multiclass("family", FAMILIES),
        Task.multiclass("bill_length", BILL_LENGTHS, part="bill"),
        Task.multiclass("wing_pattern", WING_PATTERNS, part="wing"),
        Task.multilabel("marks", {mark: mark for mark in MARKS}),
    ),
    points=PARTS,
    masks=PARTS,
)

COUNTS = {"train": 3200, "val": 300, "test": 500}

# Where a split begins in the endless series of pictures. They are far apart, so that more
# training pictures leave the test pictures as they are.
_BLOCK = 1_000_000
_STARTS = {"train": 0, "val": _BLOCK, "test": 2 * _BLOCK}

_CHUNK = 16  # pictures that a process draws at a time


class FieldMarks(PictureBuilder):
    """The TFDS builder. The folder tells size, seed, counts and version, so none is mixed up."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "Eighteen species in three families, five marks."}  # noqa: RUF012

    def __init__(self, *, size: int, seed: int, counts: Mapping[str, int], data_dir: Path) -> None:
        """Args:
            size: the side of a picture, in pixels.
            seed: of the series of pictures.
            counts: how many pictures each of `"train"`, `"val"` and `"test"` has.
            data_dir: the cache, in which the builder has a folder of its own.

        Raises:
            UserError: if a value is impossible.
        """
        _check(size, seed, counts)
        self.size, self.seed, self.counts = size, seed, counts
        self.map: Callable[[Callable[[int], Any], Iterable[int]], Iterable[Any]] = map
        choice = (f"size{size}", f"seed{seed}", *(f"{name}{counts[name]}" for name in _STARTS))
        super().__init__(data_dir=data_dir / "-".join(choice), file_format="array_record")

    def _info(self) -> tfds.core.DatasetInfo:
        return dataset_info(self, INFO)

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator[tuple[int, dict[str, Any]]]]:
        return {split: self._generate_examples(split) for split in _STARTS}

    def _generate_examples(self, split: str) -> Iterator[tuple[int, dict[str, Any]]]:
        start, draw = _STARTS[split], partial(encoded, self.seed, size=self.size)
        for i, fields in enumerate(self.map(draw, range(start, start + self.counts[split]))):
            self.advance()
            yield i, to_record(Example(id=f"{split}-{i:06d}", **fields))


def prepare(
    cache_dir: Path, size: int = 64, seed: int = 0, counts: Mapping[str, int] = COUNTS
) -> tfds.core.DatasetBuilder:
    """Draws the pictures on all cores, once, and opens them.

    Scripts that call this need `if __name__ == "__main__":`, as with every process pool.

    Args:
        cache_dir: the folder that keeps the drawn pictures, one folder below for each
            choice of the rest.
        size: the side of a picture, in pixels.
        seed: of the series of pictures.
        counts: how many pictures each of `"train"`, `"val"` and `"test"` has.

    Returns:
        A prepared builder with these splits.

    Raises:
        UserError: if a value is impossible, or the drawing processes die.
    """
    builder = FieldMarks(size=size, seed=seed, counts=counts, data_dir=cache_dir)
    total = sum(counts.values())
    workers = min(cores(), total // _CHUNK)
    if workers <= 1:
        return prepare_quietly(builder, "drawing FieldMarks", total)
    pool = ProcessPoolExecutor(workers, get_context("spawn"), _leave_interrupts_to_parent)
    builder.map = partial(pool.map, chunksize=_CHUNK)
    try:
        return prepare_quietly(builder, "drawing FieldMarks", total)
    except BrokenProcessPool:
        raise UserError(
            "a process that draws FieldMarks died: there is too little memory, or a script "
            'calls `prepare` outside `if __name__ == "__main__":`'
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def _leave_interrupts_to_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _check(size: int, seed: int, counts: Mapping[str, int]) -> None:
    if not 16 <= size <= 1024:
        raise UserError(f"FieldMarks: size {size} is not between 16 and 1024 pixels")
    if seed < 0:
        raise UserError(f"FieldMarks: seed {seed} is negative: choose 0 or more")
    if set(counts) != set(_STARTS):
        raise UserError(f"FieldMarks: counts are for {', '.join(_STARTS)}, not {list(counts)}")
    for split, count in counts.items():
        if not 1 <= count <= _BLOCK:
            raise UserError(f"FieldMarks: {split} of {count} pictures: choose 1 to {_BLOCK}")
