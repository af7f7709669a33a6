"""What a folder holds: photos, the rows of its table, and the entries of its COCO files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jaxens.data.findings import Problem
from jaxens.data.folder.coco import Coco, CocoImage, read_coco
from jaxens.data.folder.layout import Layout
from jaxens.data.folder.listing import FilePattern, Finder, Listing
from jaxens.data.folder.table import Column, Table, read_table
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
        left_out: Photos that are named but absent, or present and not named, or in no class folder.
    """

    layout: Layout
    listing: Listing
    photos: Sequence[str]
    rows: Mapping[str, Sequence[int]]
    table: Table | None
    cocos: Sequence[Coco]
    entries: Mapping[str, list[tuple[Coco, CocoImage]]]
    left_out: Sequence[Problem]

    @property
    def root(self) -> Path:
        """Returns the folder."""
        return self.listing.root

    def column(self, name: str) -> Column:
        """Returns a column of the table, with a row for each photo.

        Raises:
            UserError: If there is no such column.
        """
        return self._column(name, [self.rows[photo][0] for photo in self.photos])

    def box_column(self, name: str) -> Column:
        """Returns a column of boxes, with all rows of the first photo, then of the next."""
        return self._column(name, [row for photo in self.photos for row in self.rows[photo]])

    def _column(self, name: str, rows: Sequence[int]) -> Column:
        assert self.table is not None  # a layout with columns has a table
        return self.table.column(name).at(rows)


def read_sources(layout: Layout, listing: Listing) -> Sources:
    """Reads the tables of a folder.

    Raises:
        UserError: Names the file, and the row or entry that is wrong; or no photo is in a folder
            that its labels are from.
    """
    reader = _Reader(layout, listing)
    rows, entries = reader.rows(), reader.entries()
    photos = [p for p in reader.photos if reader.table is None or p in rows]
    return Sources(
        layout, listing, photos, rows, reader.table, reader.cocos, entries, reader.left_out
    )


class _Reader:
    def __init__(self, layout: Layout, listing: Listing) -> None:
        self.layout, self.listing, root = layout, listing, listing.root
        self.left_out: list[Problem] = []
        self.photos = self._in_class_folders(_photos_of(layout, listing))
        self.finder = Finder(self.photos, layout.images)
        self.table = read_table(root / layout.table, root) if layout.table else None
        self.cocos = [read_coco(root / name, root) for name in layout.coco]

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
        strays = sorted({*photos} - {*kept})
        self.left_out += [
            Problem(printable(p), "stray", printable(p), "is in no folder of a class")
            for p in strays
        ]
        return kept

    def rows(self) -> dict[str, list[int]]:
        """Returns the rows of the table of each photo: several may have a box each."""
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
        self._check_rows(table, rows)
        self.left_out += [
            Problem(printable(p), "unnamed", printable(p), f"has no row in {table.path.name}")
            for p in self.photos
            if p not in rows
        ]
        return rows

    def _check_rows(self, table: Table, rows: Mapping[str, Sequence[int]]) -> None:
        """Checks that the rows of a photo agree in every column that is used, but for boxes."""
        columns = [table.column(name) for name in self.layout.columns_of_photos()]
        for first, *others in rows.values():
            for row in others:
                for column in columns:
                    if column.values[row] != column.values[first]:
                        what = f"it contradicts row {table.lines[first]}, on the same photo"
                        column.wrong(row, what)

    def _photo(self, name: str, where: str) -> str | None:
        """Returns the photo that a name means, or notes that there is none."""
        matches = self.finder.find(name)
        if len(matches) == 1:
            return next(iter(matches))
        reason = f"is named in {where}, and there are several: give its folder too"
        if not matches:
            reason = f"is named in {where}, and there is no such photo"
        self.left_out.append(Problem(printable(name), "unusable", printable(name), reason))
        return None

    def entries(self) -> dict[str, list[tuple[Coco, CocoImage]]]:
        """Returns the entries of each photo in the COCO files."""
        images: dict[str, list[tuple[Coco, CocoImage]]] = {}
        for coco in self.cocos:
            for image in coco.images:
                if photo := self._photo(image.file, coco.path.name):
                    images.setdefault(photo, []).append((coco, image))
        return images


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
