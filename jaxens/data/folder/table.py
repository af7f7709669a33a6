"""A table of texts, and its columns as numbers and flags; an error names the row."""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, NoReturn, TypeVar

from jaxens.errors import UserError, remedy
from jaxens.names import as_text, shorten

EMPTY = ("", "na", "n/a", "nan", "null", "none")  # in any case
_YES, _NO = ("1", "1.0", "true", "yes"), ("0", "0.0", "false", "no")
_COMMA = re.compile(r"[-+]?[0-9]+,[0-9]+([eE][-+]?[0-9]+)?", re.ASCII)
_NUMBER = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?", re.ASCII)
T = TypeVar("T")


class Place(NamedTuple):
    """The place of a row.

    Attributes:
        path: The file.
        file: Its path below the folder.
        line: The number of the row in the file.
    """

    path: Path
    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.path}, row {self.line}"

    @property
    def name(self) -> str:
        """Returns the place as messages about a photo name it."""
        return f"{self.file}, row {self.line}"


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        name: The name of the column.
        values: Texts without space at their ends.
        places: The place of each row.
    """

    name: str
    values: Sequence[str]
    places: Sequence[Place]

    def wrong(self, row: int, what: str) -> NoReturn:
        """Raises an error that names the file, the line and the column."""
        where = f"{self.places[row]}, {shorten(self.name)}"
        raise UserError(f"{where}: {shorten(what, 400)}; correct the row")

    def at(self, rows: Sequence[int]) -> "Column":
        """Returns some rows, in that order."""
        return Column(
            self.name, [self.values[row] for row in rows], [self.places[row] for row in rows]
        )

    def numbers(self) -> list[float]:
        """Returns the values as numbers; NaN where there is none."""
        return self._each(self._number)

    def flags(self) -> list[int]:
        """Returns the values as 0 or 1; -1 where there is none."""
        return self._each(self._flag)

    def is_empty(self, row: int) -> bool:
        """Returns whether the cell of a row is empty."""
        return self.values[row].lower() in EMPTY

    def _each(self, parse: Callable[[int], T]) -> list[T]:
        return [parse(row) for row in range(len(self.values))]

    def _number(self, row: int) -> float:
        text = self.values[row]
        if self.is_empty(row):
            return math.nan
        if _COMMA.fullmatch(text):
            text = text.replace(",", ".")
        if not is_number(text) or not math.isfinite(float(text)):
            self.wrong(row, f"it should be a number, not {shorten(repr(self.values[row]))}")
        return float(text)

    def _flag(self, row: int) -> int:
        text = self.values[row].lower()
        if text in _YES or text in _NO:
            return int(text in _YES)
        if not self.is_empty(row):
            self.wrong(row, f"it should be 0 or 1, not {shorten(repr(self.values[row]))}")
        return -1


class WrongRow(NamedTuple):
    """A row that has more or fewer fields than there are columns.

    Attributes:
        place: Its place.
        fields: Its fields.
        reason: What is wrong: "it has 3 fields, ...".
    """

    place: Place
    fields: Sequence[str]
    reason: str


@dataclass(frozen=True)
class Table:
    """A table of texts.

    Attributes:
        path: The file; the first one of a table that was joined.
        names: The names of its columns.
        rows: As they are in the file: bytes that are not UTF-8 are surrogates, so that the name
            of a file still names its file.
        places: The place of each row.
        wrong_rows: Those that are not among `rows`, since their fields fit no columns.
    """

    path: Path
    names: tuple[str, ...]
    rows: Sequence[Sequence[str]]
    places: Sequence[Place]
    wrong_rows: Sequence[WrongRow] = ()

    def __len__(self) -> int:
        return len(self.rows)

    def column(self, name: str) -> Column:
        """Returns a column.

        Raises:
            UserError: As `place` does.
        """
        place = self.place(name)
        return Column(name, [as_text(row[place]) for row in self.rows], self.places)

    def place(self, name: str) -> int:
        """Returns the place of a column in each row.

        Raises:
            UserError: If there is none of this name, or there are several.
        """
        if self.names.count(name) != 1:
            what = "two columns" if name in self.names else "no column"
            advice = "rename one" if name in self.names else remedy(name, self.names)
            raise UserError(f"{self.path} has {what} {shorten(repr(name))}: {shorten(advice, 200)}")
        return self.names.index(name)


def join_tables(tables: Sequence[Table], names: Sequence[str]) -> Table:
    """Returns the rows of all tables as one table with these columns, in this order.

    Args:
        tables: At least one.
        names: Columns that each table has, each once.

    Raises:
        UserError: If a table has no column of one of these names, or has several.
    """
    rows: list[Sequence[str]] = []
    wrong: list[WrongRow] = []
    for table in tables:
        columns = [table.place(name) for name in names]
        rows += [[row[column] for column in columns] for row in table.rows]
        for row in table.wrong_rows:
            fields = [row.fields[column] if column < len(row.fields) else "" for column in columns]
            wrong.append(row._replace(fields=fields))
    places = [place for table in tables for place in table.places]
    return Table(tables[0].path, tuple(names), rows, places, wrong)


def is_number(text: str) -> bool:
    """Returns whether a text is a number in decimals, such as 1, 1.0 or 2e-3."""
    return bool(_NUMBER.fullmatch(text))
