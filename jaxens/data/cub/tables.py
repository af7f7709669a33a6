"""The tables of CUB-200-2011 (Wah et al. 2011), read and checked.

Tasks: `species`; `family`, the last word of a species' name ("Albatross"), which groups similar
species and is not a taxonomy; and each group of attributes with one value per photo
(`bill_shape`, `wing_pattern`, `size`, ...: all but the colors, of which a bird may have
several). The classes of a group are the values that occur, in the order of the table. A group
with fewer than two is left out.

The label of an attribute is the value with the highest certainty (the first of several). "Not
visible" and no value are `MISSING`. Without the table of single photos, all photos of a species
get the value that most annotators gave for the species.

Points are the 15 parts and "wing", the mean of the visible wings. The mask "bird"
exists if there is a folder `segmentations`.
"""

import itertools
import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np
from jaxtyping import Bool, Float64, Int, Int32

from jaxens.data.schema import MISSING, Info, Task
from jaxens.errors import UserError

IMAGES, CLASSES, SPECIES = "images.txt", "classes.txt", "image_class_labels.txt"
SPLIT, BOXES = "train_test_split.txt", "bounding_boxes.txt"
PARTS, PART_LOCS = "parts/parts.txt", "parts/part_locs.txt"
ATTRIBUTES, BY_PHOTO = "attributes.txt", "image_attribute_labels.txt"
BY_CLASS = "class_attribute_labels_continuous.txt"

NOT_VISIBLE = 1  # the lowest certainty


@dataclass(frozen=True)
class Tables:
    """The content of CUB's tables. Coordinates are in pixels; NaN if a part is not visible."""

    root: Path
    segmentations: Path | None
    info: Info
    names: list[str]  # "001.Black_footed_Albatross/Black_Footed_Albatross_0046_18.jpg"
    train: Bool[np.ndarray, "photos"]
    boxes: Float64[np.ndarray, "photos 4"]  # left, top, width, height
    points: Float64[np.ndarray, "photos points 2"]  # x, y
    labels: dict[str, Int32[np.ndarray, "photos"]]
    notices: list[str]


def read(folder: Path) -> Tables:
    """Reads every table, but no photo.

    Args:
        folder: `CUB_200_2011`, or its parent.

    Raises:
        UserError: names the table, the row and the field that is wrong.
    """
    root = find_root(folder)
    photos = names(root / IMAGES, "image name")
    ids = np.asarray(list(photos))
    classes = names(root / CLASSES, "class name")
    species = _species(root, ids, list(classes))
    masks = find_segmentations(root)
    whole = ("bird",) if masks else ()

    labels = {"species": species}
    tasks = [Task.multiclass("species", tuple(map(_readable, classes.values())), whole)]
    families = [name.split()[-1] for name in tasks[0].classes]
    if 1 < len(set(families)) < len(families):
        classes_of_family, family = np.unique(families, return_inverse=True)
        tasks.append(Task.multiclass("family", tuple(classes_of_family.tolist()), whole))
        labels["family"] = family[species].astype(np.int32)

    point_names, points = _points(root, ids)
    answers, notices = _answers(root, ids, species, len(classes))
    for group, (occurring, values) in answers.items():
        tasks.append(Task.multiclass(group, occurring, _parts(group, point_names, whole)))
        labels[group] = values
    return Tables(
        root=root,
        segmentations=masks,
        info=Info("cub", tuple(tasks), point_names, ("bird",) if masks else ()),
        names=list(photos.values()),
        train=_train(root, ids),
        boxes=_boxes(root, ids),
        points=points,
        labels=labels,
        notices=notices,
    )


def find_root(folder: Path) -> Path:
    """The folder that holds `images.txt`: `folder`, or `CUB_200_2011` in it."""
    for root in (folder, folder / "CUB_200_2011"):
        if (root / IMAGES).is_file():
            if not (root / "images").is_dir():
                raise UserError(f"{root / 'images'} is missing: unpack the whole archive")
            return root
    raise UserError(
        f"{folder} holds no CUB-200-2011 (no {IMAGES}): give the folder CUB_200_2011 that its "
        "archive unpacks to"
    )


def find_segmentations(root: Path) -> Path | None:
    """The folder of the separate archive: in the folder of the data set, or next to it."""
    places = (root / "segmentations", root.parent / "segmentations")
    return next((path for path in places if path.is_dir()), None)


def table_files(root: Path) -> list[Path]:
    """The existing tables that `read` reads."""
    fixed = (IMAGES, CLASSES, SPECIES, SPLIT, BOXES, PARTS, PART_LOCS)
    paths = [root / name for name in fixed if (root / name).is_file()]
    attributes = (_attribute_file(root, name) for name in (ATTRIBUTES, BY_PHOTO, BY_CLASS))
    return paths + [path for path in attributes if path]


def names(path: Path, field: str) -> dict[int, str]:
    """A table of `id name`; names may hold spaces."""
    result: dict[int, str] = {}
    for row, line in enumerate(_lines(path), 1):
        words = line.split(maxsplit=1)
        if not words:
            continue
        if not words[0].isdigit():
            _wrong(path, row, f"the id should be a whole number, not {words[0]!r}")
        if len(words) < 2:
            _wrong(path, row, f"the {field} is missing")
        if int(words[0]) in result:
            _wrong(path, row, f"the id {words[0]} occurs twice")
        result[int(words[0])] = words[1].strip()
    if not result:
        _wrong(path, 1, "the table is empty")
    return result


def _readable(name: str) -> str:
    """`001.Black_footed_Albatross` -> `Black footed Albatross`."""
    return name.partition(".")[2].replace("_", " ") or name


def _species(
    root: Path, ids: Int[np.ndarray, "photos"], classes: Sequence[int]
) -> Int32[np.ndarray, "photos"]:
    path = root / SPECIES
    table = _numbers(path, ("image", "class"))
    places = _places(table[:, 1], classes)
    for row in np.flatnonzero(places < 0)[:1]:
        _wrong(path, row + 1, f"there is no class {table[row, 1]:g} in {CLASSES}")
    return _per_photo(path, table[:, 0], places, ids).astype(np.int32)


def _train(root: Path, ids: Int[np.ndarray, "photos"]) -> Bool[np.ndarray, "photos"]:
    path = root / SPLIT
    table = _numbers(path, ("image", "train"))
    for row in np.flatnonzero(~np.isin(table[:, 1], (0, 1)))[:1]:
        _wrong(path, row + 1, f"train should be 0 or 1, not {table[row, 1]:g}")
    return _per_photo(path, table[:, 0], table[:, 1] == 1, ids)


def _boxes(root: Path, ids: Int[np.ndarray, "photos"]) -> Float64[np.ndarray, "photos 4"]:
    path = root / BOXES
    table = _numbers(path, ("image", "x", "y", "width", "height"))
    for row in np.flatnonzero((table[:, 3:] <= 0).any(axis=1))[:1]:
        _wrong(path, row + 1, "width and height should be above 0")
    return _per_photo(path, table[:, 0], table[:, 1:], ids)


def _points(
    root: Path, ids: Int[np.ndarray, "photos"]
) -> tuple[tuple[str, ...], Float64[np.ndarray, "photos points 2"]]:
    """Names and positions of the key points."""
    parts = names(root / PARTS, "part name")
    path = root / PART_LOCS
    table = _numbers(path, ("image", "part", "x", "y", "visible"))
    part, photo = _places(table[:, 1], list(parts)), _places(table[:, 0], ids)
    for row in np.flatnonzero(part < 0)[:1]:
        _wrong(path, row + 1, f"there is no part {table[row, 1]:g} in {PARTS}")
    points = np.full((len(ids), len(parts), 2), np.nan)
    seen = (table[:, 4] == 1) & (photo >= 0)
    points[photo[seen], part[seen]] = table[seen, 2:4]

    part_names = list(parts.values())
    wings = points[:, [i for i, name in enumerate(part_names) if name.endswith(" wing")]]
    visible = (~np.isnan(wings)).sum(axis=1)
    wing = np.full((len(ids), 2), np.nan)
    np.divide(np.nansum(wings, axis=1), visible, out=wing, where=visible > 0)
    return (*part_names, "wing"), np.concatenate([points, wing[:, None]], axis=1)


Answers = dict[str, tuple[tuple[str, ...], Int32[np.ndarray, "photos"]]]


def _answers(
    root: Path,
    ids: Int[np.ndarray, "photos"],
    species: Int32[np.ndarray, "photos"],
    classes: int,
) -> tuple[Answers, list[str]]:
    """Classes and labels of each group of attributes; and notices."""
    path = _attribute_file(root, ATTRIBUTES)
    if path is None:
        return {}, [f"CUB-200-2011: no {ATTRIBUTES}, so there are no attribute tasks"]
    attributes = names(path, "attribute")
    notices = []
    if by_photo := _attribute_file(root, BY_PHOTO):
        strength = _certainties(by_photo, ids, list(attributes))
    elif by_class := _attribute_file(root, BY_CLASS):
        table = _numbers(by_class, tuple(attributes.values()))
        if len(table) != classes:
            _wrong(by_class, len(table), f"there should be {classes} rows, as in {CLASSES}")
        strength = table[species]
        notices.append(
            f"CUB-200-2011: no {BY_PHOTO}, so every photo has the attributes of its species"
        )
    else:
        notices.append(f"CUB-200-2011: no {BY_PHOTO}, so there are no attribute tasks")
        return {}, notices

    result: Answers = {}
    columns = enumerate(name.partition("::") for name in attributes.values())
    for title, members in itertools.groupby(columns, key=lambda column: column[1][0]):
        group = title.removeprefix("has_")
        if group.endswith("_color"):
            continue
        where, value_names = zip(
            *((i, name[2].replace("_", " ")) for i, name in members), strict=True
        )
        answer = strength[:, where].argmax(axis=1)
        given = strength[:, where].max(axis=1) > 0
        occurring = np.unique(answer[given])
        if len(occurring) > 1:
            values = np.where(given, np.searchsorted(occurring, answer), MISSING)
            result[group] = tuple(value_names[i] for i in occurring), values.astype(np.int32)
    return result, notices


def _certainties(
    path: Path, ids: Int[np.ndarray, "photos"], attributes: Sequence[int]
) -> Int[np.ndarray, "photos attributes"]:
    """The certainty of each attribute of a photo; 0 if the attribute is not given.

    A few hundred rows have an extra field before the time, so only the first four are read.
    """
    table = _numbers(path, ("image", "attribute", "present", "certainty"))
    photo, attribute = _places(table[:, 0], ids), _places(table[:, 1], attributes)
    for row in np.flatnonzero(attribute < 0)[:1]:
        _wrong(path, row + 1, f"there is no attribute {table[row, 1]:g} in {ATTRIBUTES}")
    given = (table[:, 2] == 1) & (table[:, 3] > NOT_VISIBLE) & (photo >= 0)
    strength = np.zeros((len(ids), len(attributes)), np.int8)
    strength[photo[given], attribute[given]] = table[given, 3]
    return strength


def _parts(group: str, point_names: Sequence[str], whole: tuple[str, ...]) -> tuple[str, ...]:
    """`bill_shape` -> `beak`; `size` -> the whole bird; `head_pattern` -> none."""
    subject = group.rpartition("_")[0]
    if not subject:
        return whole
    part = "beak" if subject == "bill" else subject
    return (part,) if part in point_names else ()


def _attribute_file(root: Path, name: str) -> Path | None:
    """The archive has some of the attribute tables next to `CUB_200_2011`."""
    places = (root / "attributes", root.parent / "attributes", root.parent)
    return next((place / name for place in places if (place / name).is_file()), None)


def _places(
    values: Float64[np.ndarray, "rows"], ids: Sequence[int] | Int[np.ndarray, "ids"]
) -> Int[np.ndarray, "rows"]:
    """The index of each value in `ids`, or -1."""
    outside = int(max(ids)) + 1
    lookup = np.full(outside + 1, -1)
    lookup[np.asarray(ids)] = np.arange(len(ids))
    whole = np.where(values == np.floor(values), values, outside)
    return lookup[np.where((whole >= 0) & (whole <= outside), whole, outside).astype(int)]


def _per_photo(
    path: Path, photos: np.ndarray, values: np.ndarray, ids: Int[np.ndarray, "photos"]
) -> np.ndarray:
    """The values of a table in the order of `images.txt`; rows of other photos are ignored."""
    places = _places(photos, ids)
    rows = np.full(len(ids), -1)
    rows[places[places >= 0]] = np.flatnonzero(places >= 0)
    for i in np.flatnonzero(rows < 0)[:1]:
        raise UserError(f"{path}: there is no row for photo {ids[i]}: restore the file")
    return values[rows]


def _numbers(path: Path, fields: Sequence[str]) -> Float64[np.ndarray, "rows fields"]:
    """The first columns of a table of numbers; further columns are ignored."""
    try:
        with warnings.catch_warnings(action="ignore"):  # about an empty table
            table = np.loadtxt(
                path, usecols=range(len(fields)), ndmin=2, comments=None, encoding="utf-8"
            )
    except FileNotFoundError:
        _missing(path)
    except ValueError:
        _find_wrong(path, fields)
    if table.size == 0:
        _wrong(path, 1, "the table is empty")
    if not np.isfinite(table).all():
        _find_wrong(path, fields)
    return table


def _find_wrong(path: Path, fields: Sequence[str]) -> NoReturn:
    """Reads a table again, slowly, to name the row and field that is wrong."""
    for row, line in enumerate(_lines(path), 1):
        words = line.split()
        for k, field in enumerate(fields if words else ()):
            if k >= len(words):
                _wrong(path, row, f"the field {field!r} is missing")
            if not _is_number(words[k]):
                _wrong(path, row, f"{field} should be a number, not {words[k]!r}")
    raise UserError(f"{path} is not a table of numbers: restore the file from the archive")


def _is_number(word: str) -> bool:
    try:
        return math.isfinite(float(word))
    except ValueError:
        return False


def _lines(path: Path) -> Iterator[str]:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            yield from file
    except FileNotFoundError:
        _missing(path)


def _missing(path: Path) -> NoReturn:
    raise UserError(f"{path} is missing: unpack the whole archive of CUB-200-2011")


def _wrong(path: Path, row: int, what: str) -> NoReturn:
    raise UserError(f"{path}, row {row}: {what}; restore the file from the archive")
