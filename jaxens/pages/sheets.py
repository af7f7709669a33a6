"""Tables of a page: what is in a CSV file, with rounded numbers that keep their exact value."""

import csv
import io
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from jaxens.errors import UserError
from jaxens.names import shorten
from jaxens.untrusted import read_text

Row = Mapping[str, str]
REMEDY = "evaluate again into another `out`, or remove this folder"


class Cell(NamedTuple):
    """A cell: its text, and of a number the value, as the file has it; else the value is empty."""

    text: str
    value: str = ""
    strong: bool = False


@dataclass(frozen=True)
class Sheet:
    """A table of a page, which a reader can sort.

    Attributes:
        caption: What the table shows.
        columns: Headings.
        rows: Cells; the first of a row names it.
    """

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]

    @property
    def numeric(self) -> list[bool]:
        """Whether a column has numbers alone."""
        return [all(cell.value for cell in column) for column in zip(*self.rows, strict=True)]


def read_csv(path: Path, columns: Collection[str] = ()) -> list[dict[str, str]]:
    """Returns the rows of a CSV file, by column.

    Args:
        path: The file.
        columns: Those that the page needs.

    Raises:
        UserError: If the file can't be read or lacks one.
    """
    try:
        lines = list(csv.reader(io.StringIO(read_text(path), newline=""), strict=True))
    except OSError as error:
        raise UserError(f"{path} can't be read ({error.strerror}): {REMEDY}") from None
    except (ValueError, csv.Error) as error:
        raise UserError(f"{path} can't be read: {error}: {REMEDY}") from None
    header, *rows = lines or [[]]
    if missing := [name for name in columns if name not in header]:
        raise UserError(f"{path} lacks the column {missing[0]}: {REMEDY}")
    for number, row in enumerate(rows, start=2):
        if len(row) != len(header):
            raise UserError(
                f"{path}: row {number} has {len(row)} values, not {len(header)}: {REMEDY}"
            )
    return [dict(zip(header, row, strict=True)) for row in rows]


def cell(value: str) -> Cell:
    """Returns the cell of a value: a number is rounded, and a text has no invisible characters."""
    number = as_number(value)
    return Cell(shorten(value)) if number is None else Cell(rounded(value), value)


def as_number(value: str) -> float | None:
    """Parses a number; None if the text is not a number. 'nan' and 'inf' count as numbers."""
    try:
        return float(value)
    except ValueError:
        return None


def rounded(value: str) -> str:
    """Returns a number with three decimals; a whole one as it is, a tiny one by its power of 10."""
    number = float(value)
    if not math.isfinite(number):
        return "–" if math.isnan(number) else value
    if value.lstrip("+-").isdecimal():
        return value
    if 0 < abs(number) < 5e-4:
        return f"{number:.0e}"
    return f"{number:.1f}" if abs(number) >= 100 else f"{number:.3f}"


def sheet(caption: str, rows: Sequence[Row], columns: Mapping[str, str] | None = None) -> Sheet:
    """Returns rows of a file as a table.

    Args:
        caption: What the table shows.
        rows: From `read_csv`.
        columns: Headings by the columns that are shown (default: all, by their names).
    """
    headings = columns or {name: name for name in (rows[0] if rows else ())}
    cells = [[cell(row[name]) for name in headings] for row in rows]
    return Sheet(caption, list(headings.values()), cells)


def pivot(
    caption: str, rows: Iterable[Row], names: Mapping[str, str], over: str, value: str
) -> Sheet:
    """Returns a table whose columns are the values of a column of a file.

    Args:
        caption: What the table shows.
        rows: From `read_csv`.
        names: Headings of the columns that name a row.
        over: The column whose values become columns.
        value: The column of what stands in them.
    """
    lines: dict[tuple[str, ...], dict[str, str]] = {}
    for row in rows:
        lines.setdefault(tuple(row[name] for name in names), {})[row[over]] = row[value]
    across = list(dict.fromkeys(key for line in lines.values() for key in line))
    cells = [
        [*map(Cell, map(shorten, key)), *(cell(line.get(each, "nan")) for each in across)]
        for key, line in lines.items()
    ]
    return Sheet(caption, [*names.values(), *map(shorten, across)], cells)
