"""Reads the rows of CUB's tables. An error message names the table, the row and the field."""

import codecs
import math
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np
from jaxtyping import Float64, Int, Int64, Shaped

from jaxens.data.cub.naming import remedy_of_missing
from jaxens.data.reading import printable
from jaxens.errors import UserError

_ID = re.compile(r"0*[0-9]{1,18}", re.ASCII)  # fits 64 bits
_NUMBER = re.compile(r"[-+.0-9eE]+", re.ASCII)
_BOM = codecs.BOM_UTF8.decode("latin-1")


@dataclass(frozen=True)
class Numbers:
    """A table of numbers.

    Attributes:
        path: The path of the table.
        ids: Its first columns, whole numbers.
        values: The columns after them.
    """

    path: Path
    ids: Int64[np.ndarray, "row id"]
    values: Float64[np.ndarray, "row value"]

    def wrong(self, index: int, what: str) -> NoReturn:
        """Raises an error that names the line of row `index`. Blank lines are not rows."""
        wrong(self.path, self.line(index), what)

    def line(self, index: int) -> int:
        """Returns the number of a row's line in the file, from 1."""
        rows = (line for line, text in enumerate(lines(self.path), 1) if text.strip())
        return next(line for k, line in enumerate(rows) if k == index)

    def check_flag(self, column: int, name: str) -> None:
        """Checks that all values of a column are 0 or 1."""
        flags = self.values[:, column]
        for index in np.flatnonzero(~np.isin(flags, (0, 1)))[:1]:
            self.wrong(index, f"{name} should be 0 or 1, not {flags[index]:g}")

    def last_rows(
        self, keys: Int[np.ndarray, "row"], count: int, values: Shaped[np.ndarray, "row ..."]
    ) -> Int[np.ndarray, "key"]:
        """Returns the index of the last row of each of `count` keys, or -1 for a key without one.

        Args:
            keys: The keys of each row, or -1 for rows to ignore.
            count: The number of keys.
            values: The values of each row.

        Raises:
            UserError: If rows with the same key have different values.
        """
        used = np.flatnonzero(keys >= 0)
        rows = np.full(count, -1)
        rows[keys[used]] = used
        last = rows[keys[used]]
        differ = (values[used] != values[last]).reshape(len(used), -1).any(axis=1)
        for k in np.flatnonzero(differ)[:1]:
            self.wrong(last[k], f"it contradicts row {self.line(used[k])}, on the same image")
        return rows


def read_numbers(path: Path, ids: Sequence[str], values: Sequence[str]) -> Numbers:
    """Reads a table of numbers; columns after the named ones are ignored.

    Args:
        path: The path of the table.
        ids: Names of its first columns, whole numbers.
        values: Names of the columns after them.

    Raises:
        UserError: If the table is missing or empty, or a field is not such a number.
    """
    _check_file(path)
    fields = len(ids) + len(values)
    kinds = [(str(k), np.int64 if k < len(ids) else np.float64) for k in range(fields)]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about an empty table
            warnings.simplefilter("error", DeprecationWarning)  # about 1.5 as a whole number
            # Not as UTF-8: NumPy reads memory that is not its own where a character above 255
            # stands in the place of a whole number.
            with path.open(encoding="latin-1") as file:
                if file.read(len(_BOM)) != _BOM:
                    file.seek(0)
                table = np.loadtxt(file, kinds, usecols=range(fields), ndmin=1, comments=None)
    except (ValueError, OverflowError, DeprecationWarning):
        _find_wrong(path, ids, values)
    if table.size == 0:
        wrong(path, 1, "the table is empty")
    columns = [table[name] for name, _ in kinds]
    numbers = Numbers(
        path,
        ids=np.stack(columns[: len(ids)], axis=1) if ids else np.empty((len(table), 0), np.int64),
        values=np.stack(columns[len(ids) :], axis=1) if values else np.empty((len(table), 0)),
    )
    if not np.isfinite(numbers.values).all():
        _find_wrong(path, ids, values)
    return numbers


def read_names(
    path: Path, field: str, problem: Callable[[str], str | None] = lambda name: None
) -> dict[int, str]:
    """Reads a table of `id name`; names may hold spaces.

    Bytes that are not UTF-8 become surrogates, so that a file name still names its file.

    Args:
        path: The path of the table.
        field: What the names are called in errors.
        problem: Says what is wrong with a name.

    Raises:
        UserError: If the table is missing or empty, or a row is wrong.
    """
    result: dict[int, str] = {}
    for row, line in enumerate(lines(path), 1):
        words = line.split(maxsplit=1)
        if not words:
            continue
        if not _ID.fullmatch(words[0]):
            wrong(path, row, f"the id should be a whole number, not {shown(words[0])}")
        if len(words) < 2:
            wrong(path, row, f"the {field} is missing")
        id, name = int(words[0]), words[1].strip()
        if id in result:
            wrong(path, row, f"the id {id} occurs twice")
        if reason := problem(name):
            wrong(path, row, f"the {field} {shown(name)} {reason}")
        result[id] = name
    if not result:
        wrong(path, 1, "the table is empty")
    return result


def read_printable(path: Path, field: str) -> dict[int, str]:
    """Returns the names of classes, parts or attributes; bytes that are no UTF-8 become `\\xff`."""
    return {id: printable(name) for id, name in read_names(path, field).items()}


def places(
    values: Int[np.ndarray, "row"], ids: Sequence[int] | Int[np.ndarray, "id"]
) -> Int[np.ndarray, "row"]:
    """Returns the index of each value in `ids`, or -1."""
    order = np.argsort(ids)
    ascending = np.asarray(ids)[order]
    nearest = np.searchsorted(ascending, values).clip(max=len(ascending) - 1)
    return np.where(ascending[nearest] == values, order[nearest], -1)


def lines(path: Path) -> Iterator[str]:
    """Yields the lines of a table, without a byte-order mark."""
    _check_file(path)
    with path.open(encoding="utf-8-sig", errors="surrogateescape") as file:
        yield from file


def wrong(path: Path, row: int, what: str) -> NoReturn:
    """Raises an error that names the table and the row."""
    raise UserError(f"{path}, row {row}: {what}; correct the row, or restore the file")


def shown(word: str) -> str:
    """Returns a word of a table in quotes, printable and not too long."""
    return repr(word if len(word) <= 60 else f"{word[:60]}...")


def _check_file(path: Path) -> None:
    if not path.exists():
        raise UserError(f"{path} is missing: {remedy_of_missing(path)}")
    if not path.is_file():  # but a pipe, for example, which may never end
        raise UserError(f"{path} is not a file: restore it")


def _find_wrong(path: Path, ids: Sequence[str], values: Sequence[str]) -> NoReturn:
    """Reads a table again, slowly, to name the row and field that is wrong."""
    for row, line in enumerate(lines(path), 1):
        words = line.split()
        for k, field in enumerate((*ids, *values) if words else ()):
            if k >= len(words):
                wrong(path, row, f"the field {field!r} is missing")
            if k < len(ids) and not _ID.fullmatch(words[k]):
                wrong(path, row, f"{field} should be a whole number, not {shown(words[k])}")
            if not _is_number(words[k]):
                wrong(path, row, f"{field} should be a number, not {shown(words[k])}")
    raise UserError(f"{path} is not a table of numbers: restore the file")


def _is_number(word: str) -> bool:
    try:
        return bool(_NUMBER.fullmatch(word)) and math.isfinite(float(word))
    except ValueError:
        return False
