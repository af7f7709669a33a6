"""Chooses the tables of a folder that a `dataset.toml` is proposed for."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from jaxens.data.folder.columns import inspect_table
from jaxens.data.folder.listing import Finder, Listing, path_stem
from jaxens.data.folder.split_names import split_of_path
from jaxens.data.folder.table import Table, join_tables
from jaxens.data.folder.table_files import read_table
from jaxens.errors import UserError
from jaxens.names import shorten

ENDINGS = (".csv", ".tsv", ".parquet")


@dataclass
class ChosenTables:
    """Tables that name photos.

    Attributes:
        files: Their paths; none if no table names photos.
        table: The columns that all of them have; the first one names photos.
        remarks: About the other tables.
    """

    files: list[str] = field(default_factory=list)
    table: Table | None = None
    remarks: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Candidate:
    """A table that names photos in a column."""

    file: str
    table: Table
    column: str
    photos: frozenset[str]

    @property
    def split(self) -> str:
        return split_of_path(self.file)

    def names_of(self, columns: Sequence[str]) -> list[str]:
        """Returns those columns that this table has once."""
        return [name for name in columns if self.table.names.count(name) == 1]


def choose_tables(listing: Listing, finder: Finder) -> ChosenTables:
    """Returns the tables of the splits, such as train.csv and test.csv, or the largest table.

    Args:
        listing: The files of the folder.
        finder: Finds its photos.
    """
    result = ChosenTables()
    candidates = []
    for file in listing.files:
        if file.lower().endswith(ENDINGS):
            try:
                table = read_table(listing.root / file, listing.root)
            except UserError as error:
                result.remarks.append(not_used(error, listing))
                continue
            candidates += _candidates(file, table, finder)
    if not candidates:
        return result
    chosen = _of_splits(candidates, finder, result.remarks)
    if not chosen:
        chosen = [max(candidates, key=lambda each: len(each.photos))]
    for each in chosen:
        for name, count in Counter(each.table.names).items():
            if count > 1 and name:
                result.remarks.append(
                    f"{each.file} has {count} columns {name!r}: rename all but one"
                )
        if len(finder.find(each.column, each.file)) == 1:
            result.remarks.append(
                f"{each.file}: the first row names a photo, {shorten(repr(each.column))}: write a "
                "row with the names of the columns above it"
            )
    columns = chosen[0].table.names
    for each in chosen:
        columns = tuple(each.names_of(columns))
    first = chosen[0].column
    result.files = [each.file for each in chosen]
    result.table = join_tables(
        [each.table for each in chosen], [first, *(name for name in columns if name != first)]
    )
    return result


def not_used(error: UserError, listing: Listing) -> str:
    """Returns the remark that a file is not used because of an error."""
    return f"not used: {error}".replace(f"{listing.root}/", "")


def photos_of_rows(table: Table, finder: Finder) -> list[str]:
    """Returns the photo that each row is about; the name that it gives, if there is none.

    Args:
        table: Its first column names photos.
        finder: Finds the photos.
    """
    matches = [
        (row[0], finder.find(row[0], place.file))
        for row, place in zip(table.rows, table.places, strict=True)
    ]
    return [next(iter(photos)) if len(photos) == 1 else name for name, photos in matches]


def _candidates(file: str, table: Table, finder: Finder) -> list[_Candidate]:
    """Returns a table with the column that names most photos; none if no column names many."""
    best, most = [], (False, 0)
    for place, name in enumerate(table.names):
        cells = [row[place] for row in table.rows]
        matches = [finder.find(cell, file) for cell in cells]
        named = [next(iter(photos)) for photos in matches if len(photos) == 1]
        # The numbers of rows may be names of photos, too, but without their ending.
        endings = sum(path_stem(cell) != cell for cell in cells) > len(cells) // 2
        enough = len(named) > len(cells) // 2 and table.names.count(name) == 1
        if name and enough and (endings, len(named)) > most:
            best, most = [_Candidate(file, table, name, frozenset(named))], (endings, len(named))
    return best


def _of_splits(
    candidates: Sequence[_Candidate], finder: Finder, remarks: list[str]
) -> list[_Candidate]:
    """Returns the tables whose names say their split, and that have the columns of the first.

    The first is the largest one of train. Those of a test without labels are not used. None is
    returned if another table has all of their photos, and more photos or columns.
    """
    named = [each for each in candidates if each.split]
    if len({each.split for each in named}) < 2:
        return []
    first = max(named, key=lambda each: (each.split == "train", len(each.photos)))
    others = [name for name in first.names_of(first.table.names) if name != first.column]
    table = join_tables([first.table], [first.column, *others])
    columns = inspect_table(table, first.column, photos_of_rows(table, finder))
    needed = [first.column, *columns.used()]
    kept, lacking = [first], []
    for each in named:
        if missing := [name for name in needed if name not in each.names_of(needed)]:
            lacks = ", ".join(shorten(repr(name)) for name in missing[:3])
            lacking.append(f"not used: {each.file} lacks columns of {first.file}: {lacks}")
        elif each is not first:
            kept.append(each)
    photos = frozenset[str]().union(*(each.photos for each in kept))
    for each in candidates:
        if not each.split and each.photos >= photos and (each.photos > photos or not needed[1:]):
            files = " and ".join(sorted(one.file for one in named))
            remarks.append(f"not used: {files}, since {each.file} has their photos")
            return []
    remarks += lacking
    return kept
