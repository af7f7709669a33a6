"""A column of a folder's table for its photos; what can't be used is unknown, and listed."""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from jaxtyping import Float

from jaxens.data.findings import Kind, Problem
from jaxens.data.folder.table import Column
from jaxens.data.reading import printable
from jaxens.errors import UserError
from jaxens.names import shorten

T = TypeVar("T")


@dataclass(frozen=True)
class Cells:
    """A column with a row for each photo, or with all rows of the first photo, then of the next.

    Attributes:
        column: The rows.
        photos: The photo of each row.
        problems: The methods add to it what they find, again if they are called again.
    """

    column: Column
    photos: Sequence[str]
    problems: list[Problem]

    @property
    def values(self) -> Sequence[str]:
        """Returns the texts."""
        return self.column.values

    def is_empty(self, row: int) -> bool:
        """Returns whether the cell of a row is empty."""
        return self.column.is_empty(row)

    def where(self, row: int) -> str:
        """Returns the file and the number of a row in it."""
        return f"{self.column.places[row].name},"

    def numbers(self) -> Float[np.ndarray, "row"]:
        """Returns the values as numbers; NaN where there is none, or it is wrong."""
        return np.array(self._values(Column.numbers, np.nan))

    def flags(self) -> list[int]:
        """Returns the values as 0 or 1; -1 where there is none, or it is wrong."""
        return self._values(Column.flags, -1)

    def wrong(self, row: int, kind: Kind, what: str) -> None:
        """Adds a problem.

        Args:
            row: The row.
            kind: What becomes of it.
            what: The end of the message. File, row and column are written before it.
        """
        self._add(row, kind, f"{shorten(self.column.name)}: {shorten(what, 200)}")

    def _values(self, parse: Callable[[Column], list[T]], unknown: T) -> list[T]:
        with contextlib.suppress(UserError):
            return parse(self.column)
        values: list[T] = []
        for row in range(len(self.photos)):
            try:
                values += parse(self.column.at([row]))
            except UserError as error:
                self._add(row, "value", str(error).removeprefix(f"{self.column.places[row]}, "))
                values.append(unknown)
        return values

    def _add(self, row: int, kind: Kind, reason: str) -> None:
        photo = printable(self.photos[row])
        self.problems.append(Problem(photo, kind, self.where(row), reason))
