"""What a folder holds: photos, the rows of its table, and the entries of its COCO files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jaxens.data.findings import Findings, Kind, Problem, RefusedError, left_out
from jaxens.data.folder.cells import Cells
from jaxens.data.folder.coco import Coco, CocoImage, read_coco
from jaxens.data.folder.layout import Layout
from jaxens.data.folder.listing import FilePattern, Finder, Listing
from jaxens.data.folder.table import Table, read_table
from jaxens.data.reading import printable
from jaxens.errors import UserError


@dataclass(frozen=True)
class Sources:
    """A folder whose tables are read, but no photo.

    Attributes:
        layout: What is where.
        listing: All files.
        photos: Paths below the root; those that a table lacks are left out.
        rows: The rows of the table of each photo; empty without a table.
        table: The table.
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

    def column(self, name: str) -> Cells:
        """Returns a column of the table, with a row for each photo.

        Raises:
            UserError: If there is no such column.
        """
        return self._cells(name, {photo: self.rows[photo][:1] for photo in self.photos})

    def box_column(self, name: str) -> Cells:
        """Returns a column of boxes, with all rows of the first photo, then of the next.

        Raises:
            UserError: If there is no such column.
        """
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
    photos = [p for p in reader.photos if reader.table is None or p in rows]
    sources = Sources(
        layout, listing, photos, rows, reader.table, reader.cocos, entries, reader.problems
    )
    sources.check()
    return sources


class _Reader:
    def __init__(self, layout: Layout, listing: Listing) -> None:
        self.layout, self.listing, root = layout, listing, listing.root
        photos = _photos_of(layout, listing)
        self.finder = Finder(photos, layout.images)
        self.table = read_table(root / layout.table, root) if layout.table else None
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
        column = table.column(self.layout.file or table.names[0])
        place = table.names.index(column.name)
        for row, fields in enumerate(table.rows):
            where = f"{table.path.name}, row {table.lines[row]}"
            if photo := self._photo(fields[place], where):
                rows.setdefault(photo, []).append(row)
        if not rows:
            raise UserError(
                f"{table.path}, {column.name}: no row names a photo, such as "
                f"{printable(self.photos[0])}: set file in {self.layout.path.name} to the column "
                "with the names of photos"
            )
        unusable = self._wrong(table, place) | self._contradictory(table, rows)
        self.problems += [
            Problem(printable(p), "unnamed", printable(p), f"has no row in {table.path.name}")
            for p in self.photos
            if p not in rows and p not in unusable
        ]
        return {photo: of_photo for photo, of_photo in rows.items() if photo not in unusable}

    def _wrong(self, table: Table, place: int) -> set[str]:
        """Returns the photos of rows with too many or too few fields.

        Args:
            table: The table.
            place: The field with the name of the photo.
        """
        photos = set()
        for row in table.wrong_rows:
            matches = self.finder.find(row.fields[place]) if place < len(row.fields) else ()
            photo = next(iter(matches)) if len(matches) == 1 else f"row {row.line}"
            reason = f"row {row.line}: {row.reason}"
            self.problems.append(
                Problem(printable(photo), "unusable", f"{table.path.name},", reason)
            )
            photos.add(photo)
        return photos

    def _contradictory(self, table: Table, rows: Mapping[str, Sequence[int]]) -> set[str]:
        """Returns the photos whose rows differ in a column that is used, but for those of boxes."""
        columns = [table.column(name) for name in self.layout.columns_of_photos()]
        photos = set()
        for photo, (first, *others) in rows.items():
            what = f"it contradicts row {table.lines[first]}, on the same photo"
            for row in others:
                for column in columns:
                    if column.values[row] != column.values[first]:
                        cells = Cells(column.at([row]), [photo], self.problems)
                        cells.wrong(0, "unusable", what)
                        photos.add(photo)
        return photos

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
    patterns = [FilePattern(pattern) for part in layout.parts for pattern in part.paths]
    marks = [file for file in listing.files if any(each.fits(file) for each in patterns)]
    return sorted({*_photos_of(layout, listing), *marks})


def _photos_of(layout: Layout, listing: Listing) -> list[str]:
    """Returns the photos that labels and marks are for."""
    prefix = f"{layout.images}/" if layout.images else ""
    patterns = [path for part in layout.parts if part.kind == "masks" for path in part.paths]
    masks = [FilePattern(pattern) for pattern in patterns]
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
