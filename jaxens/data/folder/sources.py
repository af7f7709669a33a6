"""What a folder holds: photos, the rows of its table, and the entries of its COCO files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jaxens.data.findings import Findings, Kind, Problem, RefusedError, left_out
from jaxens.data.folder.cells import Cells
from jaxens.data.folder.coco import Coco, CocoImage, read_coco
from jaxens.data.folder.layout import Layout
from jaxens.data.folder.listing import Finder, Listing
from jaxens.data.folder.photo_files import photos_of
from jaxens.data.folder.split_names import split_of_path
from jaxens.data.folder.table import Table, join_tables
from jaxens.data.folder.table_files import read_table
from jaxens.data.reading import name_of, printable
from jaxens.errors import UserError
from jaxens.names import shorten


@dataclass(frozen=True)
class Sources:
    """A folder whose tables are read, but no photo.

    Attributes:
        layout: What is where.
        listing: All files.
        photos: Paths below the root; those that a table lacks are left out.
        rows: The rows of the table of each photo; empty without a table.
        table: The columns that are used, of all tables.
        cocos: The COCO files.
        entries: The entries of a photo in the COCO files.
        problems: What can't be used. Columns add to it what is wrong in them when they are read.
    """

    layout: Layout
    listing: Listing
    photos: Sequence[str]
    rows: Mapping[str, Sequence[int]]
    table: Table | None
    cocos: Sequence[Coco]
    entries: Mapping[str, list[tuple[Coco, CocoImage]]]
    problems: list[Problem]

    @property
    def root(self) -> Path:
        """Returns the folder."""
        return self.listing.root

    def files_of(self, photo: str) -> list[str]:
        """Returns the tables that have rows of a photo; without tables, its COCO files."""
        if self.table is not None:
            return [self.table.places[row].file for row in self.rows[photo]]
        return [name_of(coco.path, self.root) for coco, _ in self.entries[photo]]

    def column(self, name: str) -> Cells:
        """Returns a column of the table, with a row for each photo."""
        return self._cells(name, {photo: self.rows[photo][:1] for photo in self.photos})

    def box_column(self, name: str) -> Cells:
        """Returns a column of boxes, with all rows of the first photo, then of the next."""
        return self._cells(name, {photo: self.rows[photo] for photo in self.photos})

    def _cells(self, name: str, rows: Mapping[str, Sequence[int]]) -> Cells:
        assert self.table is not None  # a layout with columns has a table
        column = self.table.column(name).at([row for each in rows.values() for row in each])
        photos = [photo for photo, each in rows.items() for _ in each]
        return Cells(column, photos, self.problems)

    def check(self) -> None:
        """Checks that there are not too many problems, before any photo is read.

        Raises:
            RefusedError: If there are too many.
        """
        problems = list(dict.fromkeys(self.problems))
        total = len({*map(printable, self.photos), *left_out(problems)})
        findings = Findings(self.layout.name, total, problems)
        if findings.refusal():
            raise RefusedError(findings, f"correct them, or {self.layout.path.name}")


def read_sources(layout: Layout, listing: Listing) -> Sources:
    """Reads the tables of a folder.

    Raises:
        UserError: For a table that can't be used, or too many rows or entries that can't be; or no
            photo is in a folder that its labels are from.
    """
    reader = _Reader(layout, listing)
    rows, entries = reader.rows(), reader.entries()
    photos = reader.photos
    if reader.table is not None:
        photos = [photo for photo in photos if photo in rows]
    elif layout.split.files:
        photos = reader.of_one_split(photos, entries)
    sources = Sources(
        layout, listing, photos, rows, reader.table, reader.cocos, entries, reader.problems
    )
    sources.check()
    return sources


class _Reader:
    def __init__(self, layout: Layout, listing: Listing) -> None:
        self.layout, self.listing, root = layout, listing, listing.root
        photos = photos_of(layout, listing)
        self.finder = Finder(photos, layout.images)
        self.table = _table(layout, root)
        self.cocos = [read_coco(root / name, root) for name in layout.coco]
        self.problems = [
            self._of_photo(problem) for coco in self.cocos for problem in coco.problems
        ]
        self.photos = self._in_class_folders(photos)

    def _in_class_folders(self, photos: Sequence[str]) -> list[str]:
        """Returns the photos without those that have no label, since folders give all labels."""
        layout = self.layout
        if not all(task.kind == "folders" for task in layout.tasks):
            return list(photos)
        levels = {task.level for task in layout.tasks}
        kept = [p for p in photos if any(layout.class_folder(p, level) for level in levels)]
        if not kept:
            raise UserError(
                f"{layout.path}, [tasks], folders: no photo is in a folder of this level, such as "
                f"{printable(photos[0])}: correct it, or use other labels"
            )
        self.problems += [
            Problem(printable(p), "stray", printable(p), "is in no folder of a class")
            for p in sorted({*photos} - {*kept})
        ]
        return kept

    def rows(self) -> dict[str, list[int]]:
        """Returns the rows of the table of each photo: several may have a box each.

        A photo has none if its rows contradict each other, or if a row has too many or too few
        fields.
        """
        table, rows = self.table, dict[str, list[int]]()
        if table is None:
            return {}
        for row, (fields, place) in enumerate(zip(table.rows, table.places, strict=True)):
            if photo := self._photo(fields[0], place.file, place.name):
                rows.setdefault(photo, []).append(row)
        if not rows:
            raise UserError(
                f"{table.path}, {table.names[0]}: no row names a photo, such as "
                f"{printable(self.photos[0])}: set file in {self.layout.path.name} to the column "
                "with the names of photos"
            )
        unusable = self._wrong(table) | self._contradictory(table, rows)
        tables = " or ".join(self.layout.tables)
        self.problems += [
            Problem(printable(p), "unnamed", printable(p), f"has no row in {shorten(tables)}")
            for p in self.photos
            if p not in rows and p not in unusable
        ]
        return {photo: of_photo for photo, of_photo in rows.items() if photo not in unusable}

    def _wrong(self, table: Table) -> set[str]:
        """Returns the photos of rows with too many or too few fields."""
        photos = set()
        for row in table.wrong_rows:
            matches = self.finder.find(row.fields[0], row.place.file)
            photo = next(iter(matches)) if len(matches) == 1 else row.place.name
            self.problems.append(
                Problem(printable(photo), "unusable", f"{row.place.name}:", row.reason)
            )
            photos.add(photo)
        return photos

    def _contradictory(self, table: Table, rows: Mapping[str, Sequence[int]]) -> set[str]:
        """Returns the photos whose rows differ in a column that is used, but for those of boxes.

        If files split the photos, those with rows in files of two splits contradict, too.
        """
        columns = [table.column(name) for name in self.layout.columns_of_photos()]
        photos = set()
        for photo, (first, *others) in rows.items():
            there = table.places[first]
            for row in others:
                here = table.places[row]
                if self._differ(there.file, here.file):
                    what = f"the photo is in {there.name}, too: keep it in one split"
                    where = f"{here.name}:"
                    self.problems.append(Problem(printable(photo), "unusable", where, what))
                    photos.add(photo)
                same = there.file == here.file
                number = f"row {there.line}" if same else there.name
                what = f"it contradicts {number}, on the same photo"
                for column in columns:
                    if column.values[row] != column.values[first]:
                        cells = Cells(column.at([row]), [photo], self.problems)
                        cells.wrong(0, "unusable", what)
                        photos.add(photo)
        return photos

    def _differ(self, file: str, other: str) -> bool:
        """Returns whether two files are of different splits."""
        return self.layout.split.files and split_of_path(file) != split_of_path(other)

    def of_one_split(
        self, photos: Sequence[str], entries: Mapping[str, list[tuple[Coco, CocoImage]]]
    ) -> list[str]:
        """Returns the photos in COCO files of one split; the others are problems.

        Args:
            photos: All photos.
            entries: As `entries` returns them.
        """
        kept = []
        for photo in photos:
            files = [name_of(coco.path, self.listing.root) for coco, _ in entries.get(photo, ())]
            other = [file for file in files if self._differ(file, files[0])]
            kind: Kind = "unusable" if other else "unnamed"
            what = f"is in no file of {shorten(' or '.join(self.layout.coco))}"
            if other:
                what = f"is in {files[0]} and in {other[0]}: keep it in one split"
            if other or not files:
                self.problems.append(Problem(printable(photo), kind, printable(photo), what))
            else:
                kept.append(photo)
        return kept

    def _of_photo(self, problem: Problem) -> Problem:
        """Returns a problem of a COCO file with the id of its photo, if there is one."""
        matches = self.finder.find(problem.photo)
        return problem._replace(photo=printable(*matches)) if len(matches) == 1 else problem

    def _photo(self, name: str, file: str, where: str) -> str | None:
        """Returns the photo that a name means. If there is none, or several, a problem is added.

        Args:
            name: The name.
            file: The file that has it.
            where: The place in it, for messages.
        """
        matches = self.finder.find(name, file)
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
                file = name_of(coco.path, self.listing.root)
                if photo := self._photo(image.file, file, coco.path.name):
                    images.setdefault(photo, []).append((coco, image))
                    found += 1
            if not found:
                raise UserError(
                    f"{coco.path}, images: none of {len(coco.images)} is a photo, such as "
                    f"{printable(self.photos[0])}: correct their file_name, or coco in "
                    f"{self.layout.path.name}"
                )
        return images


def _table(layout: Layout, root: Path) -> Table | None:
    """Returns the columns of all tables that are used; the first one names photos."""
    tables = [read_table(root / file, root) for file in layout.tables]
    if not tables:
        return None
    names = [layout.file or tables[0].names[0], *layout.columns_of_photos()]
    return join_tables(tables, list(dict.fromkeys([*names, *layout.columns_of_boxes()])))
