"""Oxford-IIIT Pet (Parkhi et al. 2012): 7,349 photos of 37 breeds of cats and dogs.

Tasks: `breed` and `species`. Parts: the `animal`, from the trimaps, whose border belongs to
neither animal nor background, and the `head`, a box that about half of the photos have.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow_datasets as tfds

from jaxens.data.cache_key import cache_key
from jaxens.data.collection import Collection, Item, prepare_collection
from jaxens.data.cub.rows import lines, shown, wrong
from jaxens.data.folder.voc import VocFile
from jaxens.data.marks import Marks, MaskFile, Values
from jaxens.data.progress import Progress, no_progress
from jaxens.data.reading import printable
from jaxens.data.schema import Info, Task, ignored
from jaxens.data.splits import complete_splits
from jaxens.errors import UserError

TITLE = "Oxford-IIIT Pet"
LIST, TRIMAPS, BOXES = "annotations/list.txt", "annotations/trimaps", "annotations/xmls"
SPLITS = {"train": "annotations/trainval.txt", "test": "annotations/test.txt"}
SPECIES = ("cat", "dog")
ANIMAL, HEAD = "animal", "head"
PLANES = {ANIMAL: Values((1,)), ignored(ANIMAL): Values((3,))}


@dataclass(frozen=True)
class Row:
    """A photo in `list.txt`: its name without an ending, and the numbers of its classes."""

    name: str
    breed: int
    species: int


def prepare(
    folder: Path, cache_dir: Path, progress: Progress = no_progress
) -> tfds.core.DatasetBuilder:
    """Writes the records below `cache_dir` unless they exist, and opens them.

    Args:
        folder: Holds `images` and `annotations`.
        cache_dir: The cache.
        progress: Called after each photo.

    Raises:
        UserError: If a table is missing or malformed, or too many photos can't be used.
    """
    rows = _rows(folder)
    files = [
        folder / place
        for row in rows
        for place in (
            f"images/{row.name}.jpg", f"{TRIMAPS}/{row.name}.png", f"{BOXES}/{row.name}.xml"
        )
    ]  # fmt: skip
    tables = [folder / name for name in (LIST, *SPLITS.values()) if (folder / name).is_file()]
    key = cache_key(tables, files, folder)
    return prepare_collection(lambda: read(folder), cache_dir, f"pets-{key}", progress)


def read(folder: Path) -> Collection:
    """Reads the tables, but no photo, trimap or box.

    The official test photos are held out, and a tenth of the others is for val. Without the
    tables of the splits, all are drawn at random.

    Args:
        folder: Holds `images` and `annotations`.

    Raises:
        UserError: Names the table, the row and the field that is wrong.
    """
    rows = _rows(folder)
    breeds = _breeds(folder, rows)
    numbers = sorted(breeds)
    trimaps = (folder / TRIMAPS).is_dir()
    items = {
        row.name: Item(
            id=printable(row.name),
            path=folder / "images" / f"{row.name}.jpg",
            labels={
                "breed": np.array(numbers.index(row.breed), np.int32),
                "species": np.array(row.species - 1, np.int32),
            },
            points=np.empty((0, 2)),
            box=np.full(4, np.nan),
            marks=_marks(folder, row.name, trimaps),
        )
        for row in rows
    }
    heads = (folder / BOXES).is_dir()
    parts = (ANIMAL,) * trimaps + (HEAD,) * heads
    splits, notices = complete_splits(_official_splits(folder, items), TITLE, folder / LIST)
    return Collection(
        root=folder,
        title=TITLE,
        info=Info(
            TITLE,
            (
                Task.multiclass("breed", tuple(breeds[n] for n in numbers), parts, separate=True),
                Task.multiclass("species", SPECIES, parts, separate=True),
            ),
            masks=tuple(PLANES) * trimaps + (HEAD,) * heads,
        ),
        splits=splits,
        splits_from=str(folder / LIST),
        notices=notices,
        box_of=parts[0] if parts else "",
        remedy="unpack the archives again, or correct them",
    )


def _marks(folder: Path, name: str, trimaps: bool) -> list[Marks]:
    box = folder / BOXES / f"{name}.xml"
    marks: list[Marks] = [VocFile(box, folder, {HEAD: ()})] if box.is_file() else []
    if trimaps:
        marks.append(MaskFile(folder / TRIMAPS / f"{name}.png", folder, PLANES))
    return marks


def _rows(folder: Path) -> list[Row]:
    path = folder / LIST
    if not path.is_file() or not (folder / "images").is_dir():
        raise UserError(
            f"{folder} holds no {TITLE} (no {LIST}, or no images): give the folder to which its "
            "archives images.tar.gz and annotations.tar.gz were unpacked"
        )
    rows: dict[str, Row] = {}
    for number, words in _words(path, 4):
        name, *classes = words
        if name in rows:
            wrong(path, number, f"{shown(name)} occurs twice")
        for word, field in zip(classes, ("class", "species", "breed"), strict=True):
            if not (word.isascii() and word.isdecimal() and 1 <= int(word) <= 1000):
                wrong(path, number, f"the {field} should be a number from 1, not {shown(word)}")
        breed, species = int(classes[0]), int(classes[1])
        if species > len(SPECIES):
            wrong(path, number, f"the species should be 1 (cat) or 2 (dog), not {species}")
        rows[name] = Row(name, breed, species)
    return list(rows.values())


def _words(path: Path, count: int) -> Iterator[tuple[int, list[str]]]:
    """Yields the number and the first words of each row that is not a comment."""
    for number, line in enumerate(lines(path), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if len(words) < count:
            wrong(path, number, f"there should be {count} fields, not {len(words)}")
        yield number, words[:count]


def _breeds(folder: Path, rows: list[Row]) -> dict[int, str]:
    """Returns the names of the breeds: those of their photos, without the number at the end."""
    breeds: dict[int, str] = {}
    for row in rows:
        breed = row.name.rpartition("_")[0].replace("_", " ") or row.name
        if breeds.setdefault(row.breed, breed) != breed:
            raise UserError(
                f"{folder / LIST}: class {row.breed} is {breeds[row.breed]!r} and {breed!r}: "
                "correct the rows, or restore the file"
            )
    return breeds


def _official_splits(folder: Path, items: dict[str, Item]) -> dict[str, list[Item]]:
    """Returns the official splits; all photos are to train on if their tables are missing."""
    if not all((folder / name).is_file() for name in SPLITS.values()):
        return {"train": list(items.values())}
    official: dict[str, list[Item]] = {}
    split_of: dict[str, str] = {}
    for split, table in SPLITS.items():
        for number, (name,) in _words(folder / table, 1):
            if name not in items:
                wrong(folder / table, number, f"there is no photo {shown(name)} in {LIST}")
            if name in split_of:
                wrong(folder / table, number, f"{shown(name)} occurs twice, or in both tables")
            split_of[name] = split
            official.setdefault(split, []).append(items[name])
    return official
