"""Reads a file of a user as a table: CSV with any separator, TSV or Parquet."""

import csv
import io
import re
from pathlib import Path
from typing import Any

from jaxens.data.folder.table import Place, Table, WrongRow
from jaxens.data.reading import PhotoError, name_of, read_photo
from jaxens.errors import UserError
from jaxens.names import as_text, shorten

_SEPARATOR = re.compile(r'"?sep=([^\s\w"]|\t)"?\r?\n', re.IGNORECASE)
_COMMENTS = re.compile(r"(?:\s*#[^\t;,|\n]*\n)+")


def read_table(path: Path, root: Path) -> Table:
    """Reads a table whose first row names its columns.

    A text may begin with a byte-order mark, have lines that end with CRLF, and separate fields by
    commas, semicolons, tabs or bars, or by what a first line such as "sep=:" says, as Excel writes
    it. Lines before the first row are comments if they begin with "#" and have one field. The text
    is UTF-8, UTF-16 or Windows-1252.

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
    read = _parquet if path.suffix.lower() == ".parquet" else _csv
    table = read(path, name_of(path, root), content)
    if not table.rows:
        raise UserError(f"{path} has no rows: give a table with a row for each photo")
    return table


def _csv(path: Path, name: str, content: bytes) -> Table:
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text = content.decode("utf-16", "replace")
    elif 0 in content[:2]:  # UTF-16 without a mark
        text = content.decode("utf-16-be" if content[0] == 0 else "utf-16-le", "replace")
    else:
        text = content.decode("utf-8", "surrogateescape").removeprefix("\ufeff")
    whole = text
    stated = _SEPARATOR.match(text)
    text = _COMMENTS.sub("", text[stated.end() if stated else 0 :], count=1)
    before = whole.count("\n", 0, len(whole) - len(text))
    header = text.lstrip().split("\n", 1)[0]
    separator = stated[1] if stated else max("\t;,|", key=header.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    rows: list[list[str]] = []
    places: list[Place] = []
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
                wrong.append(WrongRow(Place(path, name, before + reader.line_num), stripped, what))
            else:
                rows.append(stripped)
                places.append(Place(path, name, before + reader.line_num))
    except csv.Error as error:
        raise UserError(
            f"{path}, row {before + reader.line_num}: {error}; correct the row"
        ) from None
    if len(wrong) > len(rows):
        raise UserError(f"{wrong[0].place}: {wrong[0].reason}; correct the row")
    return Table(path, names, rows, places, wrong)


def _parquet(path: Path, name: str, content: bytes) -> Table:
    import pyarrow
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.read_table(pyarrow.BufferReader(content))
        columns = [[_text(value) for value in column.to_pylist()] for column in table.columns]
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise UserError(f"{path} is no Parquet file, or is damaged ({_line(error)})") from None
    rows = list(zip(*columns, strict=True))
    places = [Place(path, name, row) for row in range(1, len(rows) + 1)]
    return Table(path, tuple(table.column_names), rows, places)


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
