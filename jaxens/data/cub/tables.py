"""Tables in the layout of CUB-200-2011 (Wah et al. 2011), read and checked.

Tasks: `species`; `family`, the last word of a species' name ("Albatross"), which groups similar
species and is not a taxonomy; and each group of attributes with one value per photo
(`bill_shape`, `wing_pattern`, `size`, ...: all but the colors, of which a bird may have
several). The classes of a group are the values that occur, in the order of the table. A group
with fewer than two is left out.

The label of an attribute is the value with the highest certainty (the first of several). "Not
visible" and no value are `MISSING`. Without the table of single photos, all photos of a species
get the value that most annotators gave for the species.

Points are the parts of the table (CUB's 15), and "wing", the mean of the visible wings, if parts
are wings. The mask "object" exists if there is a folder `segmentations`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float64, Int, Int32, Shaped

from jaxens.data.cub.attributes import ATTRIBUTES, BY_CLASS, BY_PHOTO, attribute_file, read_answers
from jaxens.data.cub.naming import ARCHIVE, name_of_data, remedy_of_missing
from jaxens.data.cub.rows import Numbers, places, read_names, read_numbers, read_printable
from jaxens.data.reading import PhotoError, check_inside
from jaxens.data.schema import Info, Task
from jaxens.errors import UserError

IMAGES, CLASSES, SPECIES = "images.txt", "classes.txt", "image_class_labels.txt"
SPLIT, BOXES = "train_test_split.txt", "bounding_boxes.txt"
PARTS, PART_LOCS = "parts/parts.txt", "parts/part_locs.txt"
OBJECT = "object"  # the part that the segmentations show


@dataclass(frozen=True)
class Tables:
    """The content of CUB's tables. Coordinates are in pixels; NaN if a part is not visible."""

    root: Path
    segmentations: Path | None
    info: Info
    names: list[
        str
    ]  # paths of photos: "001.Black_footed_Albatross/Black_Footed_Albatross_0046_18.jpg"
    train: Bool[np.ndarray, "photos"]
    boxes: Float64[np.ndarray, "photos 4"]  # left, top, width, height
    points: Float64[np.ndarray, "photos points 2"]  # x, y
    labels: dict[str, Int32[np.ndarray, "photos"]]
    notices: list[str]


def read(folder: Path) -> Tables:
    """Reads every table, but no photo.

    Args:
        folder: The one with `images.txt`, or the parent of `CUB_200_2011`.

    Raises:
        UserError: Names the table, the row and the field that is wrong.
    """
    root = find_root(folder)
    photos = photo_names(root)
    ids = np.asarray(list(photos))
    classes = read_printable(root / CLASSES, "class name")
    species = _species(root, ids, list(classes))
    masks = find_segmentations(root)
    whole = (OBJECT,) if masks else ()

    labels = {"species": species}
    tasks = [Task.multiclass("species", _readable(list(classes.values())), whole)]
    families = [name.split()[-1] for name in tasks[0].classes]
    if 1 < len(set(families)) < len(families):
        classes_of_family, family = np.unique(families, return_inverse=True)
        tasks.append(Task.multiclass("family", tuple(classes_of_family.tolist()), whole))
        labels["family"] = family[species].astype(np.int32)

    point_names, points = _points(root, ids)
    answers, notices = read_answers(root, ids, species, len(classes))
    for group, (occurring, values) in answers.items():
        tasks.append(Task.multiclass(group, occurring, _parts(group, point_names, whole)))
        labels[group] = values
    return Tables(
        root=root,
        segmentations=masks,
        info=Info(name_of_data(root), tuple(tasks), point_names, whole),
        names=list(photos.values()),
        train=_train(root, ids),
        boxes=_boxes(root, ids),
        points=points,
        labels=labels,
        notices=notices,
    )


def find_root(folder: Path) -> Path:
    """Returns the folder that holds `images.txt`: `folder`, or `CUB_200_2011` in it.

    Raises:
        UserError: If there is none, or one of its tables is a link that leads elsewhere.
    """
    for root in (folder, folder / ARCHIVE):
        if (root / IMAGES).is_file():
            if not (root / "images").is_dir():
                raise UserError(
                    f"{root / 'images'} is missing: {remedy_of_missing(root / 'images')}"
                )
            for table in table_files(root):
                try:
                    check_inside(table, root if table.is_relative_to(root) else root.parent)
                except PhotoError as error:
                    raise UserError(f"{table} {error}") from None
            return root
    raise UserError(
        f"{folder} holds no CUB-200-2011 (no {IMAGES}): give the folder {ARCHIVE} that its "
        "archive unpacks to"
    )


def find_segmentations(root: Path) -> Path | None:
    """Returns the folder of segmentations: in the folder of the data set, or next to it."""
    folders = (root / "segmentations", root.parent / "segmentations")
    return next((path for path in folders if path.is_dir()), None)


def table_files(root: Path) -> list[Path]:
    """Returns the paths of the tables that `read` reads and that exist."""
    fixed = (IMAGES, CLASSES, SPECIES, SPLIT, BOXES, PARTS, PART_LOCS)
    paths = [root / name for name in fixed if (root / name).is_file()]
    attributes = (attribute_file(root, name) for name in (ATTRIBUTES, BY_PHOTO, BY_CLASS))
    return paths + [path for path in attributes if path]


def photo_names(root: Path) -> dict[int, str]:
    """Returns the path of each photo below `images`, by its id."""
    seen: set[str] = set()

    def problem(name: str) -> str | None:
        if "\0" in name:
            return "has a null character"
        path = Path(name)
        if path.is_absolute() or ".." in path.parts:
            return "leads out of the folder of images"
        if not path.name:
            return "names no file"
        if name in seen:
            return "occurs twice"
        seen.add(name)
        return None

    return read_names(root / IMAGES, "image name", problem)


def _readable(names: Sequence[str]) -> tuple[str, ...]:
    """`001.Black_footed_Albatross` or `Black_footed_Albatross` -> `Black footed Albatross`.

    Where two classes would have the same name, all keep those of the table.
    """
    readable = [re.sub(r"^\d+\.(?=\D)", "", name).replace("_", " ").strip() for name in names]
    clear = all(readable) and len(set(readable)) == len(names)
    return tuple(readable if clear else names)


def _species(
    root: Path, ids: Int[np.ndarray, "photos"], classes: Sequence[int]
) -> Int32[np.ndarray, "photos"]:
    table = read_numbers(root / SPECIES, ("image", "class"), ())
    labels = places(table.ids[:, 1], classes)
    for row in np.flatnonzero(labels < 0)[:1]:
        table.wrong(row, f"there is no class {table.ids[row, 1]} in {CLASSES}")
    return _per_photo(table, labels, ids).astype(np.int32)


def _train(root: Path, ids: Int[np.ndarray, "photos"]) -> Bool[np.ndarray, "photos"]:
    table = read_numbers(root / SPLIT, ("image",), ("train",))
    table.check_flag(0, "train")
    return _per_photo(table, table.values[:, 0] == 1, ids)


def _boxes(root: Path, ids: Int[np.ndarray, "photos"]) -> Float64[np.ndarray, "photos 4"]:
    table = read_numbers(root / BOXES, ("image",), ("x", "y", "width", "height"))
    for row in np.flatnonzero((table.values[:, 2:] <= 0).any(axis=1))[:1]:
        table.wrong(row, "width and height should be above 0")
    return _per_photo(table, table.values, ids)


def _points(
    root: Path, ids: Int[np.ndarray, "photos"]
) -> tuple[tuple[str, ...], Float64[np.ndarray, "photos points 2"]]:
    """Names and positions of the key points."""
    parts = read_printable(root / PARTS, "part name")
    table = read_numbers(root / PART_LOCS, ("image", "part"), ("x", "y", "visible"))
    photo, part = places(table.ids[:, 0], ids), places(table.ids[:, 1], list(parts))
    for row in np.flatnonzero(part < 0)[:1]:
        table.wrong(row, f"there is no part {table.ids[row, 1]} in {PARTS}")
    table.check_flag(2, "visible")
    seen = table.values * table.values[:, 2:]  # 0, 0, 0 if not visible
    keys = np.where(photo < 0, -1, photo * len(parts) + part)
    rows = table.last_rows(keys, len(ids) * len(parts), seen)
    x_y_visible = np.where((rows >= 0)[:, None], seen[rows], 0.0)
    points = np.where(x_y_visible[:, 2:] == 1, x_y_visible[:, :2], np.nan)
    points = points.reshape(len(ids), len(parts), 2)

    part_names = tuple(parts.values())
    sides = [i for i, name in enumerate(part_names) if name.endswith(" wing")]
    if not sides or "wing" in part_names:
        return part_names, points
    wings = points[:, sides]
    visible = (~np.isnan(wings)).sum(axis=1)
    wing = np.full((len(ids), 2), np.nan)
    np.divide(np.nansum(wings, axis=1), visible, out=wing, where=visible > 0)
    return (*part_names, "wing"), np.concatenate([points, wing[:, None]], axis=1)


def _parts(group: str, point_names: Sequence[str], whole: tuple[str, ...]) -> tuple[str, ...]:
    """`bill_shape` -> `beak`; `size` -> the whole bird; `head_pattern` -> none."""
    subject = group.rpartition("_")[0]
    if not subject:
        return whole
    part = "beak" if subject == "bill" else subject
    return (part,) if part in point_names else ()


def _per_photo(
    table: Numbers, values: Shaped[np.ndarray, "row ..."], ids: Int[np.ndarray, "photos"]
) -> Shaped[np.ndarray, "photos ..."]:
    """Returns the values of a table in the order of `images.txt`; ignores rows of other photos."""
    rows = table.last_rows(places(table.ids[:, 0], ids), len(ids), values)
    for i in np.flatnonzero(rows < 0)[:1]:
        raise UserError(f"{table.path}: there is no row for photo {ids[i]}: restore the file")
    return values[rows]
