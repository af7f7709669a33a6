"""The attributes in CUB's tables: a class per photo for each group of attributes."""

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Int, Int32

from jaxens.data.cub.naming import title_of_data
from jaxens.data.cub.rows import places, read_numbers, read_printable
from jaxens.data.schema import MISSING

ATTRIBUTES, BY_PHOTO = "attributes.txt", "image_attribute_labels.txt"
BY_CLASS = "class_attribute_labels_continuous.txt"
NOT_VISIBLE = 1  # the lowest certainty

Answers = dict[str, tuple[tuple[str, ...], Int32[np.ndarray, "photos"]]]


def read_answers(
    root: Path,
    ids: Int[np.ndarray, "photos"],
    species: Int32[np.ndarray, "photos"],
    classes: int,
) -> tuple[Answers, list[str]]:
    """Classes and labels of each group of attributes; and notices."""
    path, title = attribute_file(root, ATTRIBUTES), title_of_data(root)
    if path is None:
        return {}, [f"{title}: no {ATTRIBUTES}, so there are no attribute tasks"]
    attributes = read_printable(path, "attribute")
    notices = []
    if by_photo := attribute_file(root, BY_PHOTO):
        strength = _certainties(by_photo, ids, list(attributes))
    elif by_class := attribute_file(root, BY_CLASS):
        table = read_numbers(by_class, (), tuple(attributes.values()))
        if len(table.values) != classes:
            table.wrong(len(table.values) - 1, f"there should be {classes} rows, as in classes.txt")
        strength = table.values[species]
        notices.append(f"{title}: no {BY_PHOTO}, so every photo has the attributes of its species")
    else:
        notices.append(f"{title}: no {BY_PHOTO}, so there are no attribute tasks")
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
        known = strength[:, where].max(axis=1) > 0
        occurring = np.unique(answer[known])
        if len(occurring) > 1:
            values = np.where(known, np.searchsorted(occurring, answer), MISSING)
            result[group] = tuple(value_names[i] for i in occurring), values.astype(np.int32)
    return result, notices


def _certainties(
    path: Path, ids: Int[np.ndarray, "photos"], attributes: Sequence[int]
) -> Float32[np.ndarray, "photos attributes"]:
    """Returns the certainty of each attribute of a photo; 0 if the attribute is not given.

    A few hundred rows have an extra field before the time, so only the first four are read.
    """
    table = read_numbers(path, ("image", "attribute"), ("present", "certainty"))
    photo, attribute = places(table.ids[:, 0], ids), places(table.ids[:, 1], attributes)
    for row in np.flatnonzero(attribute < 0)[:1]:
        table.wrong(row, f"there is no attribute {table.ids[row, 1]} in {ATTRIBUTES}")
    table.check_flag(0, "present")
    present, certainty = table.values.T
    strength = np.where(certainty > NOT_VISIBLE, present * certainty, 0).astype(np.float32)
    keys = np.where(photo < 0, -1, photo * len(attributes) + attribute)
    rows = table.last_rows(keys, len(ids) * len(attributes), strength)
    return np.where(rows < 0, 0, strength[rows]).reshape(len(ids), len(attributes))


def attribute_file(root: Path, name: str) -> Path | None:
    """Returns the path of an attribute table, or None if there is none."""
    folders = (root / "attributes", root.parent / "attributes", root.parent)
    return next((path / name for path in folders if (path / name).is_file()), None)
