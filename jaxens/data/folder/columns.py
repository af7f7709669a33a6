"""Guesses what the columns of a user's table mean."""

import contextlib
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from jaxens.data.findings import MOST
from jaxens.data.folder.split_names import NAMES
from jaxens.data.folder.table import EMPTY, Table
from jaxens.data.folder.units import are_fractions
from jaxens.errors import UserError

_FLAGS = {"0", "1", "true", "false", "yes", "no"}
# First in English, then in German, Dutch, French, Spanish, Portuguese and Italian.
_SIDES = {
    "left": ("left", "xmin", "x_min", "minx", "min_x", "x0", "x1", "x_1", "x",
             "links", "gauche", "izquierda", "esquerda", "sinistra"),
    "top": ("top", "ymin", "y_min", "miny", "min_y", "y0", "y1", "y_1", "y",
            "oben", "boven", "haut", "arriba", "topo", "cima"),
    "right": ("right", "xmax", "x_max", "maxx", "max_x", "x2", "x_2", "x1",
              "rechts", "droite", "derecha", "direita", "destra"),
    "bottom": ("bottom", "ymax", "y_max", "maxy", "max_y", "y2", "y_2", "y1",
               "unten", "onder", "bas", "abajo", "baixo", "basso"),
    "width": ("width", "w", "breite", "b", "breedte", "largeur", "ancho", "anchura", "largura",
              "larghezza"),
    "height": ("height", "h", "höhe", "hoehe", "hohe", "hoogte", "hauteur", "alto", "altura",
               "altezza"),
}  # fmt: skip
_VISIBLE = ("visible", "vis", "v", "sichtbar", "zichtbaar", "visivel", "visível", "visibile")
_NUMERIC = 0.9  # of the values of a column of numbers
_GAPS = "_-. "
_POINT = re.compile(r"(.+[_\-. ])x|x([_\-. ].+)")  # beak_x, or x_beak
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

    def used(self) -> list[str]:
        """Returns the names of the columns that mean something."""
        points = [column for columns in self.points.values() for column in columns]
        sides = [column for box in self.boxes.values() for column in box.values()]
        split = [self.split] if self.split else []
        return list(dict.fromkeys([*self.classes, *self.flags, *points, *sides, *split]))


def inspect_table(table: Table, file: str, photos: Sequence[str]) -> Columns:
    """Guesses what the columns of a table mean.

    Args:
        table: The table.
        file: The column that names photos.
        photos: The photo of each row. Where a photo has several rows, with a box each, a column
            that differs between most of them says nothing of the photo.
    """
    result = Columns()
    left = {name: _plain(name) for name in table.names if name != file and name}
    left = {name: lower for name, lower in left.items() if table.names.count(name) == 1}
    by_lower = {lower: name for name, lower in left.items()}
    for prefix in sorted(_prefixes(by_lower)):
        for sides in _BOXES:
            box_columns = {side: _column(by_lower, prefix, side) for side in sides}
            columns = {*box_columns.values()} - {""}
            if len(columns) == len(sides) and _are_numbers(table, list(columns)):
                result.boxes[prefix.strip(_GAPS) or "box"] = box_columns
                by_lower = {k: v for k, v in by_lower.items() if v not in columns}
                break
    for lower, name in list(by_lower.items()):
        if match := _POINT.fullmatch(lower):
            of_point = {each: by_lower.get(_beside(match, each), "") for each in ("y", *_VISIBLE)}
            if of_point["y"] and _are_numbers(table, [name, of_point["y"]]):
                visible = [of_point[each] for each in _VISIBLE if of_point[each]]
                point = name[:-1] if match[1] else name[1:]
                result.points[point.strip(_GAPS)] = [name, of_point["y"], *visible[:1]]
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


def _plain(name: str) -> str:
    """Returns a name in lower case, with umlauts in one form."""
    return unicodedata.normalize("NFC", name).lower()


def _prefixes(names: Iterable[str]) -> set[str]:
    """Returns the beginnings of names that end with a word for left: of `beak_left`, `beak_`."""
    pairs = ((name, word) for name in names for word in _SIDES["left"])
    return {name.removesuffix(word) for name, word in pairs if name.endswith(word)}


def _beside(match: re.Match[str], word: str) -> str:
    """Returns the name of a column of the same point: for `beak_x` and "y", it is `beak_y`."""
    return f"{match[1]}{word}" if match[1] else f"{word}{match[2]}"


def _column(by_lower: dict[str, str], prefix: str, side: str) -> str:
    return next((by_lower[prefix + e] for e in _SIDES[side] if prefix + e in by_lower), "")


def _agrees(table: Table, name: str, photos: Sequence[str]) -> bool:
    """Returns whether a column describes photos, of which each may have several rows.

    In at most half of the photos with several rows, or 5 % of all photos, may the rows differ.
    Such photos are left out later.
    """
    values: dict[str, list[str]] = {}
    for photo, value in zip(photos, table.column(name).values, strict=True):
        values.setdefault(photo, []).append(value)
    several = [each for each in values.values() if len(each) > 1]
    differing = sum(len(set(each)) > 1 for each in several)
    return differing <= max(len(several) / 2, MOST * len(values))


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
    ):  # decimals are measurements, not classes
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
    return numbers if len(numbers) >= _NUMERIC * len(known) else []
