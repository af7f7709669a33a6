"""COCO's JSON: images, categories, and regions as boxes, polygons and run lengths."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from jaxens.data.findings import Problem
from jaxens.data.folder.regions import Region, are_numbers, box_of, region_of
from jaxens.data.marks import Masks, Size
from jaxens.data.reading import PhotoError, printable, read_photo
from jaxens.data.schema import ignored
from jaxens.errors import UserError
from jaxens.names import shorten


@dataclass
class CocoImage:
    """An image of a COCO file.

    Attributes:
        file: The file's name.
        size: Width and height, if the file says so.
        annotations: Of this image, with their place in the list.
    """

    file: str
    size: Size | None
    annotations: list[tuple[int, Mapping[str, Any]]] = field(default_factory=list)


@dataclass(frozen=True)
class Coco:
    """The content of a COCO file.

    Attributes:
        path: The file.
        images: In the order of the file.
        categories: Names by id.
        keypoints: Names of the key points of each category.
        problems: Images and annotations that can't be used.
    """

    path: Path
    images: Sequence[CocoImage]
    categories: Mapping[int, str]
    keypoints: Mapping[int, Sequence[str]]
    problems: Sequence[Problem] = ()

    def point(self, image: CocoImage, name: str) -> tuple[float, float]:
        """Returns the first visible key point of this name, in pixels; NaN if there is none.

        Raises:
            PhotoError: If the numbers of an annotation are malformed.
        """
        for place, annotation in image.annotations:
            names = self.keypoints.get(annotation["category_id"], ())
            numbers = annotation.get("keypoints")
            if name not in names or numbers is None:
                continue
            if not are_numbers(numbers) or len(numbers) != 3 * len(names):
                count = 3 * len(names)
                raise PhotoError(f"annotations[{place}].keypoints: it should be {count} numbers")
            x, y, visible = numbers[3 * names.index(name) :][:3]
            if visible > 0:
                return x, y
        return math.nan, math.nan


def read_coco(path: Path, root: Path) -> Coco:
    """Reads a COCO file; regions stay encoded.

    Adds a problem for each malformed image or annotation, and for each annotation of an image that
    the file does not list, as in many excerpts.

    Args:
        path: The file.
        root: The folder that it must be in.

    Raises:
        UserError: If the file can't be read, or a list or a category is malformed.
    """
    try:
        raw = json.loads(read_photo(path, root))
    except PhotoError as error:
        raise UserError(f"{path} {error}") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is no JSON: {shorten(str(error), 120)}: correct it") from None
    lists = raw if isinstance(raw, dict) else {}
    keys = ("images", "annotations", "categories")
    if not any(key in lists for key in keys):
        raise UserError(
            f"{path} is no COCO file, and no other JSON is read: save its labels as a CSV file"
        )
    for key in keys:
        if not isinstance(lists.get(key), list):
            wrong(path, key, "a list, as in COCO's files")
    problems: list[Problem] = []
    images = _images(path.name, lists["images"], problems)
    categories, keypoints = _categories(path, lists["categories"])
    for place, entry in enumerate(lists["annotations"]):
        where = f"annotations[{place}]"
        id = entry.get("image_id") if isinstance(entry, dict) else None
        if not _is_id(id) or id not in images:
            what = f"{where} is of image {shorten(repr(id))}, which is not listed"
            problems.append(Problem(f"image {shorten(repr(id))}", "absent", path.name, what))
        elif not _is_id(entry.get("category_id")) or entry["category_id"] not in categories:
            what = f"{where}.category_id: it should be an id in categories"
            problems.append(Problem(printable(images[id].file), "annotation", path.name, what))
        else:
            images[id].annotations.append((place, entry))
    return Coco(path, list(images.values()), categories, keypoints, problems)


def _images(file: str, entries: Sequence[Any], problems: list[Problem]) -> dict[Any, CocoImage]:
    images: dict[Any, CocoImage] = {}
    for place, each in enumerate(entries):
        entry = each if isinstance(each, dict) else {}
        id, name = entry.get("id"), entry.get("file_name")
        name = name if isinstance(name, str) else ""
        wrong_field = ""
        if not _is_id(id) or id in images:
            wrong_field = "id: it should be a number or text that no other image has"
        elif not name:
            wrong_field = "file_name: it should be a text"
        if wrong_field:
            where = f"images[{place}]"
            problems.append(
                Problem(printable(name) or where, "annotation", file, f"{where}.{wrong_field}")
            )
            continue
        size = None
        width, height = entry.get("width"), entry.get("height")
        if isinstance(width, int) and isinstance(height, int) and width > 0 and height > 0:
            size = width, height
        images[id] = CocoImage(name, size)
    return images


def _categories(path: Path, entries: Sequence[Any]) -> tuple[dict[Any, str], dict[Any, list[str]]]:
    """Returns the names of categories, and of their key points."""
    categories, keypoints = {}, {}
    for place, each in enumerate(entries):
        entry = each if isinstance(each, dict) else {}
        id, name = entry.get("id"), entry.get("name")
        if not _is_id(id) or id in categories or not isinstance(name, str) or not name:
            wrong(path, f"categories[{place}]", "an object with a name, and an id of its own")
        categories[id] = name
        names = entry.get("keypoints", [])
        keypoints[id] = names if isinstance(names, list) else []
    return categories, keypoints


def wrong(path: Path, where: str, should_be: str) -> NoReturn:
    """Raises an error about a field."""
    raise UserError(f"{path}, {where}: it should be {should_be}; correct the file")


@dataclass(frozen=True)
class CocoMarks:
    """The regions of an image, as masks of parts. A crowd is ignored, since it shows many.

    Attributes:
        file: The name of the COCO file, for messages.
        image: The image.
        parts: Parts by the id of a category.
    """

    file: str
    image: CocoImage
    parts: Mapping[int, Sequence[str]]

    @property
    def name(self) -> str:
        """Returns the name of the file."""
        return self.file

    def __call__(self, size: Size) -> Masks:
        """Decodes the regions."""
        if self.image.size not in (None, size):
            width, height = self.image.size or size
            raise PhotoError(f"says {width} x {height} pixels, its photo has {size[0]} x {size[1]}")
        masks: dict[str, Region] = {}
        for place, annotation, parts in self._annotations():
            try:
                region = region_of(annotation, size)
            except PhotoError as error:
                raise PhotoError(f"annotations[{place}] {error}") from None
            for part in parts:
                plane = ignored(part) if annotation.get("iscrowd") else part
                masks[plane] = masks[plane] | region if plane in masks else region
        return masks

    def leaving(self, size: Size) -> str:
        """Describes the first box that reaches out of its photo; "" if none does.

        A box next to a polygon or a mask does not count, because it is not used.
        """
        for place, annotation, (part, *_) in self._annotations():
            is_box = not annotation.get("segmentation")
            if is_box and (leaving := box_of(annotation, part).leaving(size)):
                return f"annotations[{place}] {leaving}"
        return ""

    def _annotations(self) -> Iterator[tuple[int, Mapping[str, Any], Sequence[str]]]:
        """Yields the annotations of parts, with their place in the list and these parts."""
        for place, annotation in self.image.annotations:
            if parts := self.parts.get(annotation["category_id"]):
                yield place, annotation, parts


def _is_id(value: Any) -> bool:
    return isinstance(value, int | str) and not isinstance(value, bool)
