"""The masks, boxes and key points of a folder's photos."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from jaxtyping import Float

from jaxens.data.findings import Problem
from jaxens.data.folder.cells import Cells
from jaxens.data.folder.coco import Coco, CocoMarks
from jaxens.data.folder.layout import PartLayout
from jaxens.data.folder.listing import stem
from jaxens.data.folder.sources import Sources
from jaxens.data.folder.voc import VocFile
from jaxens.data.marks import Box, Marks, MaskFile, Values
from jaxens.data.reading import PhotoError, printable
from jaxens.data.schema import ignored
from jaxens.errors import UserError, remedy
from jaxens.names import shorten


def planes_of(sources: Sources) -> tuple[str, ...]:
    """Returns the names of all masks."""
    entries = (image for coco in sources.cocos for image in coco.images)
    crowds = any(a.get("iscrowd") for image in entries for _, a in image.annotations)
    planes = []
    for part in sources.layout.parts:
        planes.append(part.name)
        if part.ignore is not None or (part.kind == "coco" and crowds):
            planes.append(ignored(part.name))
    return tuple(planes)


def points_of(sources: Sources) -> Float[np.ndarray, "photo point 2"]:
    """Returns the key points of all photos, in the unit of the layout; NaN if not visible."""
    points = sources.layout.points
    result = np.full((len(sources.photos), len(points), 2), np.nan)
    for p, where in enumerate(points.values()):
        if len(where) == 1:
            for i, photo in enumerate(sources.photos):
                result[i, p] = _coco_point(sources, photo, where[0])
            continue
        x, y, *visible = map(sources.column, where)
        result[:, p] = np.stack([x.numbers(), y.numbers()], axis=-1)
        half = np.isnan(result[:, p]).sum(axis=1) == 1
        for row in np.flatnonzero(half).tolist():
            lost, there = (x, y) if np.isnan(result[row, p, 0]) else (y, x)
            if lost.is_empty(row):
                lost.wrong(row, "value", f"it is empty, and {there.column.name} is not")
        result[half, p] = np.nan
        for cells in visible:
            result[np.asarray(cells.flags()) == 0, p] = np.nan
    return result


def _coco_point(sources: Sources, photo: str, name: str) -> tuple[float, float]:
    """Returns the first key point of a photo that is visible in one of the COCO files."""
    for coco, image in sources.entries.get(photo, ()):
        try:
            x, y = coco.point(image, name)
        except PhotoError as error:
            sources.problems.append(
                Problem(printable(photo), "annotation", coco.path.name, str(error))
            )
            continue
        if not np.isnan([x, y]).any():
            return x, y
    return np.nan, np.nan


def marks_of(sources: Sources) -> list[list[Marks]]:
    """Returns what gives the masks of each photo.

    Raises:
        UserError: If a pattern fits no file, or two photos have the same file.
    """
    layout = sources.layout
    marks: dict[str, list[Marks]] = {photo: [] for photo in sources.photos}
    sharing: dict[str, list[PartLayout]] = {}
    for part in layout.parts:
        for pattern in part.paths:
            sharing.setdefault(pattern, []).append(part)
        if part.columns is not None:
            for photo, box in _boxes(sources, part):
                marks[photo].append(box)
    for pattern, parts in sharing.items():
        if len({(part.kind, part.colors) for part in parts}) > 1:
            names = " and ".join(part.name for part in parts)
            raise UserError(f"{layout.path}, [parts]: {names} read {pattern} in two ways: give one")
        for photo, file in _files(sources, pattern, parts[0].name).items():
            marks[photo].append(_file_marks(sources, file, parts))
    for coco in sources.cocos:
        parts_of = _parts_of(sources, coco)
        for photo in sources.photos:
            for of, image in sources.entries.get(photo, ()):
                if of is coco and image.annotations and parts_of:
                    marks[photo].append(CocoMarks(coco.path.name, image, parts_of))
    return list(marks.values())


def _files(sources: Sources, pattern: str, part: str) -> dict[str, str]:
    """Returns the file that a pattern names for each photo that has one."""
    where = f"{sources.layout.path}, [parts.{shorten(part)}]"
    files: dict[str, str] = {}
    photo_of: dict[str, str] = {}
    for photo in sources.photos:
        path = sources.layout.below_images(photo)
        path = path[: len(path) - len(path.rpartition("/")[2])] + stem(photo)
        named = pattern.replace("{path}", path).replace("{stem}", stem(photo))
        if (file := sources.listing.find(named)) is None:
            continue
        if (other := photo_of.setdefault(file, photo)) != photo:
            raise UserError(
                f"{where}: {printable(other)} and {printable(photo)} have the same file, "
                f"{printable(file)}: use {{path}} in place of {{stem}}, or rename one photo"
            )
        files[photo] = file
    if not files:
        raise UserError(f"{where}: no photo has a file {pattern}: correct the pattern")
    return files


def _file_marks(sources: Sources, file: str, parts: Sequence[PartLayout]) -> Marks:
    path, root = sources.root / file, sources.root
    if parts[0].kind == "voc":
        return VocFile(path, root, {part.name: part.names for part in parts})
    planes: dict[str, Values] = {}
    for part in parts:
        planes[part.name] = part.values
        if part.ignore is not None:
            planes[ignored(part.name)] = part.ignore
    return MaskFile(path, root, planes, parts[0].colors)


def _parts_of(sources: Sources, coco: Coco) -> dict[int, list[str]]:
    """Returns the parts of each category of a COCO file."""
    result: dict[int, list[str]] = {}
    known = {name for each in sources.cocos for name in each.categories.values()}
    for part in sources.layout.parts:
        if part.kind != "coco":
            continue
        for name in part.names:
            if name not in known:
                where = f"{sources.layout.path}, [parts.{shorten(part.name)}], coco"
                advice = shorten(remedy(name, sorted(known)), 400)
                raise UserError(f"{where}: there is no category {shorten(repr(name))}: {advice}")
        for id, name in coco.categories.items():
            if name in part.names:
                result.setdefault(id, []).append(part.name)
    return result


def _boxes(sources: Sources, part: PartLayout) -> Iterator[tuple[str, Box]]:
    """Yields the boxes of a part in the rows of the table, each with its photo."""
    columns = {side: sources.box_column(name) for side, name in (part.columns or {}).items()}
    first = next(iter(columns.values()))
    for row, corners in enumerate(_corners(columns)):
        if not np.isnan(corners).all():
            left, top, right, bottom = corners.tolist()
            unit = sources.layout.units == "fractions"
            box = Box(part.name, first.where(row), (left, top, right, bottom), unit)
            yield first.photos[row], box


def _corners(columns: Mapping[str, Cells]) -> Float[np.ndarray, "row 4"]:
    """Returns left, top, right and bottom in each row; NaN where there is no box."""
    sides = {side: cells.numbers() for side, cells in columns.items()}
    unknown = np.isnan(np.stack(list(sides.values())))
    half = unknown.any(axis=0) & ~unknown.all(axis=0)
    for row in np.flatnonzero(half).tolist():
        cells = list(columns.values())[int(np.flatnonzero(unknown[:, row])[0])]
        if cells.is_empty(row):
            cells.wrong(row, "value", "it is empty, and the other sides of the box are not")
    if "width" in sides:
        sides["right"] = sides["left"] + sides["width"]
        sides["bottom"] = sides["top"] + sides["height"]
    corners = np.stack([sides[side] for side in ("left", "top", "right", "bottom")], axis=-1)
    corners[half] = np.nan
    empty = (corners[:, :2] >= corners[:, 2:]).any(axis=1)
    for row in np.flatnonzero(empty).tolist():
        what = "the box has no area: left should be less than right, top less than bottom"
        (columns.get("right") or columns["width"]).wrong(row, "mask", what)
    corners[empty] = np.nan
    return corners
