"""Guesses what the columns of a user's table mean."""

import re
from dataclasses import dataclass, field

import numpy as np

from jaxens.data.folder.splits import NAMES
from jaxens.data.folder.table import EMPTY, Table
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
        fractions: Whether all coordinates are at most 1.
    """

    classes: list[str] = field(default_factory=list)
    flags: list[str] = field(default_factory=list)
    points: dict[str, list[str]] = field(default_factory=dict)
    boxes: dict[str, dict[str, str]] = field(default_factory=dict)
    split: str = ""
    fractions: bool = False


def inspect_table(table: Table, file: str) -> Columns:
    """Guesses what the columns of a table mean.

    Args:
        table: The table.
        file: The column that names photos.
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
    used = {c for columns in result.points.values() for c in columns}
    for name in by_lower.values():
        if name not in used:
            _classify(table, name, result)
    if len(result.flags) == 1:
        result.classes.append(result.flags.pop())
    columns = [*used, *(c for box in result.boxes.values() for c in box.values())]
    numbers = [n for c in columns if _are_numbers(table, [c]) for n in table.column(c).numbers()]
    result.fractions = bool(numbers) and float(np.nanmax(numbers)) <= 1
    return result


def _column(by_lower: dict[str, str], prefix: str, side: str) -> str:
    return next((by_lower[prefix + e] for e in _SIDES[side] if prefix + e in by_lower), "")


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
    try:
        columns = [table.column(name).numbers() for name in names]
    except UserError:
        return False
    return bool(np.isfinite(columns).any(axis=1).all())
