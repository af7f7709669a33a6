"""Reads one table of a user: CSV with any separator, TSV or Parquet."""

import csv
import io
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, TypeVar

from jaxens.data.reading import PhotoError, read_photo
from jaxens.errors import UserError, remedy
from jaxens.names import as_text, shorten

EMPTY = ("", "na", "n/a", "nan", "null", "none")  # in any case
_YES, _NO = ("1", "1.0", "true", "yes"), ("0", "0.0", "false", "no")
_COMMA = re.compile(r"[-+]?[0-9]+,[0-9]+([eE][-+]?[0-9]+)?", re.ASCII)
_NUMBER = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?", re.ASCII)
_SEPARATOR = re.compile(r'"?sep=([^\s\w"]|\t)"?\r?\n', re.IGNORECASE)
T = TypeVar("T")


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        path: The file.
        name: The name of the column.
        values: Texts without space at their ends.
        lines: The number of each row in the file.
    """

    path: Path
    name: str
    values: Sequence[str]
    lines: Sequence[int]

    def wrong(self, row: int, what: str) -> NoReturn:
        """Raises an error that names the file, the line and the column."""
        where = f"{self.path}, row {self.lines[row]}, {shorten(self.name)}"
        raise UserError(f"{where}: {shorten(what, 400)}; correct the row")

    def at(self, rows: Sequence[int]) -> "Column":
        """Returns some rows, in that order."""
        values, lines = ([each[row] for row in rows] for each in (self.values, self.lines))
        return Column(self.path, self.name, values, lines)  # type: ignore[arg-type]

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
        line: Its number in the file.
        fields: Its fields.
        reason: What is wrong: "it has 3 fields, ...".
    """

    line: int
    fields: Sequence[str]
    reason: str


@dataclass(frozen=True)
class Table:
    """A table of texts.

    Attributes:
        path: The file.
        names: The names of its columns.
        rows: As they are in the file: bytes that are not UTF-8 are surrogates, so that the name
            of a file still names its file.
        lines: The number of each row in the file.
        wrong_rows: Those that are not among `rows`, since their fields fit no columns.
    """

    path: Path
    names: tuple[str, ...]
    rows: Sequence[Sequence[str]]
    lines: Sequence[int]
    wrong_rows: Sequence[WrongRow] = ()

    def __len__(self) -> int:
        return len(self.rows)

    def column(self, name: str) -> Column:
        """Returns a column.

        Raises:
            UserError: If there is none of this name, or there are several.
        """
        if self.names.count(name) != 1:
            what = "two columns" if name in self.names else "no column"
            advice = "rename one" if name in self.names else remedy(name, self.names)
            raise UserError(f"{self.path} has {what} {shorten(repr(name))}: {shorten(advice, 200)}")
        place = self.names.index(name)
        return Column(self.path, name, [as_text(row[place]) for row in self.rows], self.lines)


def read_table(path: Path, root: Path) -> Table:
    """Reads a table whose first row names its columns.

    A text may begin with a byte-order mark, have lines that end with CRLF, and separate fields by
    commas, semicolons or tabs, or by what a first line such as "sep=|" says, as Excel writes it.
    It is UTF-8, UTF-16 with a byte-order mark, or Windows-1252.

    Args:
        path: The file.
        root: The folder that it must be in.

    Raises:
        UserError: If it is missing, outside of the folder, empty or damaged, or most rows have
            more or fewer fields than there are columns.
    """
    try:
        content = read_photo(path, root)
    except PhotoError as error:
        raise UserError(f"{path} {error}") from None
    table = _parquet(path, content) if path.suffix.lower() == ".parquet" else _csv(path, content)
    if not table.rows:
        raise UserError(f"{path} has no rows: give a table with a row for each photo")
    return table


def is_number(text: str) -> bool:
    """Returns whether a text is a number in decimals, such as 1, 1.0 or 2e-3."""
    return bool(_NUMBER.fullmatch(text))


def _csv(path: Path, content: bytes) -> Table:
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text = content.decode("utf-16", "replace")
    else:
        text = content.decode("utf-8", "surrogateescape").removeprefix("\ufeff")
    stated = _SEPARATOR.match(text)
    text, before = (text[stated.end() :], 1) if stated else (text, 0)
    header = text.lstrip().split("\n", 1)[0]
    separator = stated[1] if stated else max("\t;,", key=header.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    rows: list[list[str]] = []
    lines: list[int] = []
    wrong: list[WrongRow] = []
    names: tuple[str, ...] = ()
    try:
        for fields in reader:
            stripped = [field.strip() for field in fields]
            if not any(stripped):
                continue
            if not names:
                names = tuple(map(as_text, stripped))
            elif len(fields) != len(names):
                what = f"it has {len(fields)} fields, and the first row names {len(names)} columns"
                wrong.append(WrongRow(before + reader.line_num, stripped, what))
            else:
                rows.append(stripped)
                lines.append(before + reader.line_num)
    except csv.Error as error:
        raise UserError(
            f"{path}, row {before + reader.line_num}: {error}; correct the row"
        ) from None
    if len(wrong) > len(rows):
        raise UserError(f"{path}, row {wrong[0].line}: {wrong[0].reason}; correct the row")
    return Table(path, names, rows, lines, wrong)


def _parquet(path: Path, content: bytes) -> Table:
    import pyarrow
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.read_table(pyarrow.BufferReader(content))
        columns = [[_text(value) for value in column.to_pylist()] for column in table.columns]
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise UserError(f"{path} is no Parquet file, or is damaged ({_line(error)})") from None
    rows = list(zip(*columns, strict=True))
    return Table(path, tuple(table.column_names), rows, range(1, len(rows) + 1))


def _text(value: Any) -> str:
    """Returns a value of a Parquet file as text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def _line(error: Exception) -> str:
    return shorten(" ".join(str(error).split()), 120)
