"""What `dataset.toml` says about a folder: where labels and marks are, and what they mean.

images = "images"

[tasks.breed]
pattern = '(.+)_\\d+'
parts = ["animal", "head"]
separate = true

[parts.animal]
masks = "annotations/trimaps/{stem}.png"
values = [1]
ignore = [3]

[parts.head]
voc = "annotations/xmls/{stem}.xml"
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from jaxens.data.collection import Frame
from jaxens.data.marks import Values

NAME = "dataset.toml"
LABELS = ("column", "columns", "folders", "pattern", "categories")
TRUTHS = ("masks", "box", "voc", "coco")


@dataclass(frozen=True)
class TaskLayout:
    """Where the labels of a task are.

    Attributes:
        name: The name of the task.
        kind: One of `LABELS`.
        columns: Of the table: one with classes, or several with 0 and 1.
        pattern: A regular expression for a whole file name without its ending; its first group is
            the class.
        level: Of the folders below the photos' folder, or below that of the split, the one whose
            name is the class: 1 for the first.
        parts: Of all classes, or by class.
        separate: As in `Task`.
    """

    name: str
    kind: str
    columns: tuple[str, ...]
    pattern: str | None
    parts: tuple[str, ...] | Mapping[str, tuple[str, ...]]
    separate: bool
    level: int = 1


@dataclass(frozen=True)
class PartLayout:
    """Where the truth about a part is.

    Attributes:
        name: The name of the part.
        kind: One of `TRUTHS`.
        paths: Patterns of files, of masks or VOC.
        values: The values of a mask that are the part.
        ignore: The values of pixels that may or may not show the part.
        colors: Whether these are colors.
        columns: Of the table, by side of a box.
        names: Of COCO's categories, or of VOC's objects (none: all).
    """

    name: str
    kind: str
    paths: tuple[str, ...] = ()
    values: Values = field(default_factory=Values)
    ignore: Values | None = None
    colors: bool = False
    columns: Mapping[str, str] | None = None
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class SplitLayout:
    """Where the split of a photo comes from. If no field is set, photos are split at random.

    Attributes:
        column: The column that names the split.
        folders: Whether the first folder of a photo names it.
        files: Whether the names of the tables do; without tables, those of the COCO files.
        lists: Texts whose names are those of splits, and whose lines name photos.
        val: Share of a val that is drawn.
        test: Share of a test that is drawn.
        seed: Of what is drawn.
    """

    column: str = ""
    folders: bool = False
    files: bool = False
    lists: tuple[str, ...] = ()
    val: float = 0.1
    test: float = 0.2
    seed: int = 0


@dataclass(frozen=True)
class Layout:
    """The content of a `dataset.toml`.

    Attributes:
        path: The file.
        name: The name of the data set.
        images: The folder of photos; empty for the whole folder.
        tables: The files of the table: their rows are joined.
        file: The column with the names of photos; empty for the first.
        units: Of key points and boxes in the table.
        coco: COCO's JSON files.
        annotations: Which pixels of photos with an EXIF orientation masks, boxes and key points are
            of; None if that is to be found out.
        box: The part whose bounding box is the box; empty if none is.
        split: How photos are split.
        tasks: Where labels are.
        points: By key point, two or three columns (x, y, visible), or its name in COCO.
        parts: Where masks and boxes are.
    """

    path: Path
    name: str
    images: str
    tables: tuple[str, ...]
    file: str
    units: Literal["pixels", "fractions"]
    coco: tuple[str, ...]
    annotations: Frame | None
    box: str
    split: SplitLayout
    tasks: tuple[TaskLayout, ...]
    points: Mapping[str, tuple[str, ...]]
    parts: tuple[PartLayout, ...]

    def columns_of_photos(self) -> list[str]:
        """Returns the columns of the table that are used, but those of boxes."""
        tasks = [column for task in self.tasks for column in task.columns]
        points = [column for where in self.points.values() if len(where) > 1 for column in where]
        return list(dict.fromkeys([*tasks, *points, *filter(None, [self.split.column])]))

    def columns_of_boxes(self) -> list[str]:
        """Returns the columns of the table that hold the sides of boxes."""
        return [column for part in self.parts for column in (part.columns or {}).values()]

    def class_folder(self, photo: str, level: int) -> str:
        """Returns the folder of a photo that is its class; empty if it is in none.

        Args:
            photo: Its path below the root.
            level: As in `TaskLayout`.
        """
        folders = self.below_images(photo).split("/")[:-1]
        place = level - 1 + self.split.folders
        return folders[place] if place < len(folders) else ""

    def below_images(self, photo: str) -> str:
        """Returns the path of a photo below the folder of photos."""
        return photo.removeprefix(f"{self.images}/") if self.images else photo
