"""Guesses what the columns of a user's table mean."""

import contextlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from jaxens.data.folder.splits import NAMES
from jaxens.data.folder.table import EMPTY, Table
from jaxens.data.folder.units import are_fractions
from jaxens.errors import UserError

_FLAGS = {"0", "1", "true", "false", "yes", "no"}
_SIDES = {
    "left": ("left", "xmin", "x_min", "x1", "x"),
    "top": ("top", "ymin", "y_min", "y1", "y"),
    "right": ("right", "xmax", "x_max", "x2"),
    "bottom": ("bottom", "ymax", "y_max", "y2"),
    "width": ("width", "w"),
    "height": ("height", "h"),
}
_NUMBERS = 0.9  # of the values of a column of numbers
_BOXES = (("left", "top", "right", "bottom"), ("left", "top", "width", "height"))


@dataclass
class Columns:
    """What columns mean.

    Attributes:
        classes: Columns that hold classes.
        flags: Columns that hold 0 and 1.
        points: Columns of x and y, and perhaps of whether it is visible, by key point.
        boxes: Columns by side, by part.
        split: The column that names splits; empty if there is none.
        fractions: Whether coordinates are fractions of width and height.
    """

    classes: list[str] = field(default_factory=list)
    flags: list[str] = field(default_factory=list)
    points: dict[str, list[str]] = field(default_factory=dict)
    boxes: dict[str, dict[str, str]] = field(default_factory=dict)
    split: str = ""
    fractions: bool = False


def inspect_table(table: Table, file: str, photos: Sequence[str]) -> Columns:
    """Guesses what the columns of a table mean.

    Args:
        table: The table.
        file: The column that names photos.
        photos: The photo of each row. Where a photo has several rows, with a box each, a column
            that differs between most of them says nothing of the photo.
    """
    result = Columns()
    left = {name: name.lower() for name in table.names if name != file and name}
    left = {name: lower for name, lower in left.items() if table.names.count(name) == 1}
    by_lower = {lower: name for name, lower in left.items()}
    for prefix in sorted({re.sub(r"(left|x_?min|x1?)$", "", lower) for lower in by_lower}):
        for sides in _BOXES:
            box_columns = {side: _column(by_lower, prefix, side) for side in sides}
            if all(box_columns.values()) and _are_numbers(table, list(box_columns.values())):
                result.boxes[prefix.strip("_-. ") or "box"] = box_columns
                by_lower = {k: v for k, v in by_lower.items() if v not in box_columns.values()}
                break
    for lower, name in list(by_lower.items()):
        if match := re.fullmatch(r"(.+[_\-. ])x", lower):
            start = match.group(1)
            xy = [name, by_lower.get(f"{start}y", "")]
            if xy[1] and _are_numbers(table, xy):
                visible = [by_lower[e] for e in (f"{start}visible", f"{start}v") if e in by_lower]
                result.points[name[: len(start)].strip("_-. ")] = xy + visible[:1]
    result.points = {
        point: columns
        for point, columns in result.points.items()
        if all(_agrees(table, column, photos) for column in columns)
    }
    used = {c for columns in result.points.values() for c in columns}
    for name in by_lower.values():
        if name not in used and _agrees(table, name, photos):
            _classify(table, name, result)
    if len(result.flags) == 1:
        result.classes.append(result.flags.pop())
    numbers = [n for point in result.points.values() for c in point[:2] for n in _numbers(table, c)]
    corners = [c for box in result.boxes.values() for c in box.values()]
    numbers += [n for c in corners for n in _numbers(table, c)]
    result.fractions = are_fractions(numbers)
    return result


def _column(by_lower: dict[str, str], prefix: str, side: str) -> str:
    return next((by_lower[prefix + e] for e in _SIDES[side] if prefix + e in by_lower), "")


def _agrees(table: Table, name: str, photos: Sequence[str]) -> bool:
    """Returns whether a column says something of the photos: most of their rows say the same.

    The rows of a few photos may contradict each other.
    """
    values: dict[str, list[str]] = {}
    for photo, value in zip(photos, table.column(name).values, strict=True):
        values.setdefault(photo, []).append(value)
    several = [each for each in values.values() if len(each) > 1]
    return sum(len(set(each)) > 1 for each in several) <= len(several) / 2


def _classify(table: Table, name: str, result: Columns) -> None:
    values = [value.lower() for value in table.column(name).values]
    distinct = set(values) - set(EMPTY)
    if len(distinct) < 2:
        return
    if distinct <= set(NAMES) and not set(values) & set(EMPTY):
        result.split = result.split or name
    elif distinct <= _FLAGS:
        result.flags.append(name)
    elif len(distinct) <= max(2, len(values) / 2) and not any(
        re.fullmatch(r"[-+]?\d*[.,]\d+", value) for value in distinct
    ):
        result.classes.append(name)


def _are_numbers(table: Table, names: list[str]) -> bool:
    """Returns whether columns hold numbers, but for a few rows, which are named when it is read."""
    return all(_numbers(table, name) for name in names)


def _numbers(table: Table, name: str) -> list[float]:
    """Returns the numbers of a column; none if many values are something else."""
    column = table.column(name)
    known = [row for row in range(len(table)) if not column.is_empty(row)]
    numbers = []
    for row in known:
        with contextlib.suppress(UserError):
            numbers += column.at([row]).numbers()
    return numbers if len(numbers) >= _NUMBERS * len(known) else []
