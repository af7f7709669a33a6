"""What a folder holds: photos, the rows of its table, and the entries of its COCO files."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from jaxtyping import Float

from jaxens.data.findings import LEFT_OUT, Findings, Kind, Problem
from jaxens.data.folder.coco import Coco, CocoImage, read_coco
from jaxens.data.folder.layout import Layout
from jaxens.data.folder.listing import Finder, Listing
from jaxens.data.folder.table import Column, Table, read_table
from jaxens.data.reading import printable
from jaxens.errors import UserError
from jaxens.names import shorten

T = TypeVar("T")


@dataclass(frozen=True)
class Sources:
    """A folder whose tables are read, but no photo.

    Attributes:
        layout: What is where.
        listing: All files.
        photos: Paths below the root; those that a table lacks are left out.
        rows: The row of the table of each photo; empty without a table.
        table: The table.
        cocos: The COCO files.
        entries: The entries of a photo in the COCO files.
        problems: What can't be used. The methods add to it what they find in the table, twice if a
            column is read twice.
    """

    layout: Layout
    listing: Listing
    photos: Sequence[str]
    rows: Mapping[str, int]
    table: Table | None
    cocos: Sequence[Coco]
    entries: Mapping[str, list[tuple[Coco, CocoImage]]]
    problems: list[Problem]

    @property
    def root(self) -> Path:
        """Returns the folder."""
        return self.listing.root

    def column(self, name: str) -> Column:
        """Returns a column of the table, with a row for each photo.

        Raises:
            UserError: If there is no such column.
        """
        assert self.table is not None  # a layout with columns has a table
        return self.table.column(name).at([self.rows[photo] for photo in self.photos])

    def numbers(self, name: str) -> Float[np.ndarray, "photo"]:
        """Returns a column of numbers; NaN where there is none, or it is wrong.

        Raises:
            UserError: If there is no such column.
        """
        return np.array(self._values(name, Column.numbers, np.nan))

    def flags(self, name: str) -> list[int]:
        """Returns a column of 0 and 1; -1 where there is none, or it is wrong.

        Raises:
            UserError: If there is no such column.
        """
        return self._values(name, Column.flags, -1)

    def wrong(self, photo: int, kind: Kind, column: Column, what: str) -> None:
        """Adds a problem with a row of the table.

        Args:
            photo: The number of the photo.
            kind: What becomes of it.
            column: The column, with a row for each photo.
            what: Follows file, row and column.
        """
        where = f"row {column.lines[photo]}, {shorten(column.name)}: {shorten(what, 200)}"
        self._add(photo, kind, f"{column.path.name},", where)

    def check(self) -> None:
        """Checks that there are not too many problems, before any photo is read.

        Raises:
            UserError: If there are too many.
        """
        left_out = {p.photo for p in self.problems if p.kind in LEFT_OUT}
        total = len({*map(printable, self.photos), *left_out})
        remedy = f"correct them, or {self.layout.path.name}"
        Findings(self.layout.name, total, remedy, self.problems).check()

    def _values(self, name: str, parse: Callable[[Column], list[T]], unknown: T) -> list[T]:
        """Returns the values of a column; each that is wrong is a problem, and unknown."""
        column = self.column(name)
        with contextlib.suppress(UserError):
            return parse(column)
        values: list[T] = []
        for i in range(len(self.photos)):
            try:
                values += parse(column.at([i]))
            except UserError as error:
                reason = str(error).removeprefix(f"{column.path}, ")
                self._add(i, "value", f"{column.path.name},", reason)
                values.append(unknown)
        return values

    def _add(self, photo: int, kind: Kind, name: str, reason: str) -> None:
        self.problems.append(Problem(printable(self.photos[photo]), kind, name, reason))


def read_sources(layout: Layout, listing: Listing) -> Sources:
    """Reads the tables of a folder.

    Raises:
        UserError: For a table that can't be used, or too many rows or entries that can't be.
    """
    reader = _Reader(layout, listing)
    rows, entries = reader.rows(), reader.entries()
    photos = [p for p in reader.photos if reader.table is None or p in rows]
    sources = Sources(
        layout, listing, photos, rows, reader.table, reader.cocos, entries, reader.problems
    )
    sources.check()
    return sources


class _Reader:
    def __init__(self, layout: Layout, listing: Listing) -> None:
        self.layout, self.listing, root = layout, listing, listing.root
        self.photos = _photos_of(layout, listing)
        self.finder = Finder(self.photos, layout.images)
        self.table = read_table(root / layout.table, root) if layout.table else None
        self.cocos = [read_coco(root / name, root) for name in layout.coco]
        self.problems = [
            self._of_photo(problem) for coco in self.cocos for problem in coco.problems
        ]

    def rows(self) -> dict[str, int]:
        """Returns the row of the table of each photo; none if two of its rows differ."""
        table, rows = self.table, dict[str, int]()
        if table is None:
            return {}
        column = table.column(self.layout.file or table.names[0])
        contradictory: set[str] = set()
        for row, name in enumerate(column.values):
            if not (photo := self._photo(name, f"{table.path.name}, row {table.lines[row]}")):
                continue
            first = rows.setdefault(photo, row)
            if table.rows[first] != table.rows[row]:
                contradictory.add(photo)
                where = f"{table.path.name}, row {table.lines[row]},"
                reason = f"contradicts row {table.lines[first]}, on the same photo"
                self.problems.append(Problem(printable(photo), "unusable", where, reason))
        if not rows:
            raise UserError(
                f"{table.path}, {column.name}: no row names a photo, such as "
                f"{printable(self.photos[0])}: set file in {self.layout.path.name} to the column "
                "with the names of photos"
            )
        self.problems += [
            Problem(printable(p), "unnamed", printable(p), f"has no row in {table.path.name}")
            for p in self.photos
            if p not in rows
        ]
        return {photo: row for photo, row in rows.items() if photo not in contradictory}

    def _of_photo(self, problem: Problem) -> Problem:
        """Returns a problem of a COCO file with the id of its photo, if there is one."""
        matches = self.finder.find(problem.photo)
        return problem._replace(photo=printable(*matches)) if len(matches) == 1 else problem

    def _photo(self, name: str, where: str) -> str | None:
        """Returns the photo that a name means, or notes that there is none."""
        matches = self.finder.find(name)
        if len(matches) == 1:
            return next(iter(matches))
        kind: Kind = "unusable" if matches else "absent"
        what = "there are several: give its folder too" if matches else "there is no such photo"
        reason = f"is named in {where}, and {what}"
        self.problems.append(Problem(printable(name), kind, printable(name), reason))
        return None

    def entries(self) -> dict[str, list[tuple[Coco, CocoImage]]]:
        """Returns the entries of each photo in the COCO files."""
        images: dict[str, list[tuple[Coco, CocoImage]]] = {}
        for coco in self.cocos:
            found = 0
            for image in coco.images:
                if photo := self._photo(image.file, coco.path.name):
                    images.setdefault(photo, []).append((coco, image))
                    found += 1
            if not found:
                raise UserError(
                    f"{coco.path}, images: none of {len(coco.images)} is a photo, such as "
                    f"{printable(self.photos[0])}: correct their file_name, or coco in "
                    f"{self.layout.path.name}"
                )
        return images


def used_files(layout: Layout, listing: Listing) -> list[str]:
    """Returns the files that a data set is made of, but for tables and COCO files: in order."""
    patterns = [_MaskNames(pattern) for part in layout.parts for pattern in part.paths]
    marks = [file for file in listing.files if any(each.fits(file) for each in patterns)]
    return sorted({*_photos_of(layout, listing), *marks})


def _photos_of(layout: Layout, listing: Listing) -> list[str]:
    """Returns the photos that labels and marks are for."""
    prefix = f"{layout.images}/" if layout.images else ""
    patterns = [path for part in layout.parts if part.kind == "masks" for path in part.paths]
    masks = [_MaskNames(pattern) for pattern in patterns]
    photos = [
        file
        for file in listing.images()
        if file.startswith(prefix) and not any(mask.fits(file) for mask in masks)
    ]
    if not photos:
        where = listing.root / layout.images
        raise UserError(
            f"{layout.path}, images: {where} holds no photo"
            f"{' that is not a mask' if masks else ''}: name the folder of the photos"
        )
    return photos


class _MaskNames:
    """Which files a pattern of masks or boxes may name, in any case."""

    def __init__(self, pattern: str) -> None:
        start, _, rest = pattern.partition("{")
        self.start = start.lower()
        self.end = rest.rpartition("}")[2].lower()
        self.whole = "{path}" in pattern

    def fits(self, file: str) -> bool:
        """Returns whether a file may be one of them."""
        if not file.lower().startswith(self.start) or not file.lower().endswith(self.end):
            return False
        return self.whole or "/" not in file[len(self.start) : len(file) - len(self.end)]
