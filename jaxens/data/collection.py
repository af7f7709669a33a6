"""Builds a data set from photos on disk: one `Item` per photo says where it is and what it shows.

A source reads its tables into a `Collection`, and `prepare_collection` writes the records:

    prepare_collection(read, cache_dir, f"cub-{cache_key(tables, files, root)}", progress)
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import tensorflow_datasets as tfds
from jaxtyping import Float, Int8, Int32

from jaxens import files
from jaxens.data import masks
from jaxens.data.decoding import decode, is_dim, open_photo, orientation_of
from jaxens.data.findings import Findings, Kind, Problem, RefusedError, left_out
from jaxens.data.journal import Journal, Read, parse
from jaxens.data.marks import Marks
from jaxens.data.orientation import as_stored, upright_size
from jaxens.data.prefetch import in_order
from jaxens.data.preparing import PROBLEMS, ExampleBuilder, cores, prepare_builder
from jaxens.data.progress import Progress, no_progress
from jaxens.data.reading import OutsideError, PhotoError, printable, read_photo
from jaxens.data.records import dataset_info
from jaxens.data.schema import MISSING, Example, Info
from jaxens.data.uniting import unite
from jaxens.errors import UserError

Frame = Literal["stored", "upright"]


class TooManyError(UserError):
    """Too many photos or masks can't be used.

    Attributes:
        builder: Opens the records of the photos that can.
    """

    def __init__(self, message: str, builder: tfds.core.DatasetBuilder) -> None:
        super().__init__(message)
        self.builder = builder


@dataclass(frozen=True)
class Item:
    """A photo on disk, with its labels and marks.

    Attributes:
        id: The id of the image, unique in the data set.
        path: The file.
        labels: Per task, as in `Example`.
        points: x, y of every key point of `Info.points`; NaN if it is not visible.
        box: Left, top, right, bottom; NaN if unknown.
        marks: Where masks come from; a part that none of them gives has an empty mask.
        unit: Of points and box.
        frame: Which pixels points, box and marks are of, if the photo has an EXIF orientation:
            those that the file stores, or those of the upright photo.
    """

    id: str
    path: Path
    labels: Mapping[str, Int32[np.ndarray, ""] | Int8[np.ndarray, "class"]]
    points: Float[np.ndarray, "point 2"]
    box: Float[np.ndarray, "4"]
    marks: Sequence[Marks] = ()
    unit: Literal["pixels", "fractions"] = "pixels"
    frame: Frame = "stored"


@dataclass(frozen=True)
class Collection:
    """The photos of a data set.

    Attributes:
        root: The folder, which no path may lead out of.
        title: The name of the data set, for messages.
        info: Tasks and parts.
        splits: Photos of "train", "val" and "test".
        splits_from: The file or folder that says which photo is in which split.
        notices: Sentences about what was found so far.
        problems: What was found so far: of photos, and about photos that are no items.
        box_of: A part of `Info.masks`; its bounding box is the box of a photo that has none.
        remedy: The advice where too many photos can't be used.
        centers: Parts of `Info.masks` whose center of mass is a key point. They are the last names
            of `Info.points`, and items have no points for them.
        labels_of_masks: Multilabel tasks whose labels the masks give: 1 where a mask of the
            class's parts is not empty, and unknown where none of them can be used. Items have no
            labels of these tasks.
    """

    root: Path
    title: str
    info: Info
    splits: Mapping[str, Sequence[Item]]
    splits_from: str
    notices: Sequence[str] = ()
    problems: Sequence[Problem] = ()
    box_of: str = ""
    remedy: str = "correct or remove them"
    centers: Sequence[str] = ()
    labels_of_masks: Sequence[str] = ()


def prepare_collection(
    read: Callable[[], Collection],
    cache_dir: Path,
    folder: str,
    progress: Progress = no_progress,
    kind: type["CollectionBuilder"] | None = None,
) -> tfds.core.DatasetBuilder:
    """Writes the records of a collection below `cache_dir` unless they exist, and opens them.

    Args:
        read: Reads the collection. It is not called if the records exist.
        cache_dir: The cache.
        folder: The folder below it; its name should end with a `cache_key`.
        progress: Called after each photo.
        kind: The class of the builder, for its name and version.

    Raises:
        TooManyError: If too many photos can't be used. The records of the others are written.
        UserError: If a photo is outside of the folder, or a split is empty; and as `read` does. If
            that is a `RefusedError`, the problems are listed first.
    """
    kind = kind or CollectionBuilder
    data_dir = cache_dir / folder
    listed = data_dir / PROBLEMS

    def make() -> CollectionBuilder:
        try:
            return kind(collection=read(), data_dir=data_dir)
        except RefusedError as error:
            files.write_text(listed, error.findings.table().to_csv())
            raise UserError(f"{error.refusal}; {listed} lists them: {error.remedy}") from None

    description = f"preparing {folder.rpartition('-')[0] or folder}"
    builder = prepare_builder(kind, data_dir, make, description, progress)
    metadata = builder.info.metadata or {}
    if refusal := metadata.get("refusal"):
        raise TooManyError(f"{refusal}; {listed} lists them: {metadata['remedy']}", builder)
    return builder


class CollectionBuilder(ExampleBuilder):
    """Photos are stored unchanged; those that can't be used are left out, counted and listed.

    The metadata counts them in `notices` and names them in `excluded`. A file next to the records
    lists every photo that something is wrong with. A journal for each split, also next to them,
    lets an interrupted preparation go on; it is removed in the end.
    """

    name = "collection"
    VERSION = tfds.core.Version("1.1.0")

    def __init__(self, *, collection: Collection, data_dir: Path) -> None:
        self.collection = collection
        self.images = sum(map(len, collection.splits.values()))
        total = self.images + len(left_out(collection.problems))
        self._findings = Findings(collection.title, total, list(collection.problems))
        self._list = data_dir / PROBLEMS
        self._splits_left = len(collection.splits)
        self._journals = {
            split: Journal(data_dir / f"read-{split}-{self.VERSION}.jsonl")
            for split in collection.splits
        }
        super().__init__(data_dir=data_dir)

    def _info(self) -> tfds.core.DatasetInfo:
        return dataset_info(self, self.collection.info)

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator[tuple[int, Any]]]:
        splits = self.collection.splits
        return {name: self._generate_examples(name, items) for name, items in splits.items()}

    def _generate_examples(self, split: str, items: Sequence[Item]) -> Iterator[tuple[int, Any]]:
        written, findings = 0, self._findings
        for i, read in enumerate(self._read_all(split, items)):
            self.advance()
            findings.problems += read.problems
            findings.masks += read.masks
            if read.example is not None:
                written += 1
                yield i, self.record(split, read.example)
        self._splits_left -= 1
        if not self._splits_left or not written:
            self._finish()
        if not written:
            raise UserError(f"{self.collection.splits_from}: no photo for the split {split!r}")

    def clean_up(self) -> None:
        """Removes the journals."""
        for journal in self._journals.values():
            journal.remove()

    def _read_all(self, split: str, items: Sequence[Item]) -> Iterator[Read]:
        """Reads photos in their order; what the journal has of them is not done again."""
        journal, threads = self._journals[split], cores()
        lines = journal.lines([item.id for item in items])
        for item, line in zip(items, lines, strict=False):
            yield self._read_again(item, line)
        rest = items[len(lines) :]
        for item, read in zip(rest, in_order(self._read, rest, threads, 4 * threads), strict=True):
            journal.add(item.id, read)
            yield read

    def _read_again(self, item: Item, line: str) -> Read:
        try:
            return parse(line, lambda: read_photo(item.path, self.collection.root))
        except PhotoError:  # it has changed since the line was written
            return self._read(item)

    def _finish(self) -> None:
        """Writes the list, and whether there are too many."""
        findings, metadata = self._findings, self.info.metadata
        if findings.problems:
            files.write_text(self._list, findings.table().to_csv())
        if refusal := findings.refusal():
            metadata["refusal"], metadata["remedy"] = refusal, self.collection.remedy
        metadata["excluded"] = left_out(findings.problems)
        metadata["problems"] = len(findings.problems)
        metadata["notices"] = [*self.collection.notices, *findings.notices()]

    def _read(self, item: Item) -> Read:
        """Reads a photo and its marks. Several threads call this."""
        read, root = Read(), self.collection.root

        def add(kind: Kind, name: str, reason: str) -> None:
            read.problems.append(Problem(item.id, kind, name, reason))

        try:
            image = read_photo(item.path, root)
            photo = open_photo(image)
            stored = photo.size
            decode(photo, least=(1, 1))
            dim = is_dim(image)
        except OutsideError as error:
            raise UserError(f"{printable(item.path)} {error}") from None
        except PhotoError as error:
            add("unusable", item.id, str(error))
            return read
        orientation = orientation_of(photo)
        turned_back = item.frame == "upright" and orientation != 1
        if orientation != 1:
            add("upright" if turned_back else "turned", item.id, "has an EXIF orientation")
        size = upright_size(stored, orientation) if turned_back else stored
        if dim:
            add("dim", item.id, "has 16 bits and no value of 4096 or more")
        scale = size if item.unit == "pixels" else (1, 1)
        points, box = item.points / scale, item.box / (*scale, *scale)
        if ((points < 0) | (points > 1)).any() or max(*box[:2], *(1 - box[2:])) >= 1:
            add("outside", item.id, "has a key point or its box outside")
        names = self.collection.info.masks
        bits, known = unite(item.marks, size, names, add, read.masks)
        if self.collection.box_of and np.isnan(box).all():
            box = masks.outline(masks.union(bits, names, (self.collection.box_of,)))
        centers = [
            masks.center(masks.union(bits, names, (part,))) for part in self.collection.centers
        ]
        labels = {**item.labels, **self._labels_of_masks(bits, known)}
        points = np.concatenate([points, *centers])
        if turned_back:
            points, box, bits = as_stored(points, box, bits, orientation)
        read.example = Example(
            id=item.id,
            image=image,
            points=points.astype(np.float32),
            box=box.astype(np.float32),
            labels=labels,
            mask=masks.encode(bits) if names else None,
        )
        return read

    def _labels_of_masks(self, bits: np.ndarray, known: set[str]) -> dict[str, np.ndarray]:
        """Returns the labels of tasks that masks give; `known` has the parts that can be used."""
        info, labels = self.collection.info, {}
        for task in map(info.task, self.collection.labels_of_masks):
            present = [masks.union(bits, info.masks, parts).any() for parts in task.parts]
            used = [bool(known & set(parts)) for parts in task.parts]
            labels[task.name] = np.where(used, present, MISSING).astype(np.int8)
        return labels
