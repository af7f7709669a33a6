"""Boxes in the XML of PASCAL VOC."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

import numpy as np

from jaxens.data.marks import Box, Masks, Size
from jaxens.data.reading import PhotoError, name_of, read_photo
from jaxens.names import shorten


@dataclass(frozen=True)
class VocFile:
    """The objects of a photo, as the insides of their boxes.

    Attributes:
        path: The file.
        root: The folder that it must be in.
        parts: By part, the names of its objects; none for all.
    """

    path: Path
    root: Path
    parts: Mapping[str, tuple[str, ...]]

    @property
    def name(self) -> str:
        """Returns the path of the file below the root."""
        return name_of(self.path, self.root)

    def stated_size(self) -> Size | None:
        """Returns the width and height of the photo that the file states, if it does.

        Raises:
            PhotoError: If it is malformed.
        """
        return _stated_size(parse(read_photo(self.path, self.root)))

    def __call__(self, size: Size) -> Masks:
        """Reads the file."""
        masks = {part: np.zeros(size[::-1], bool) for part in self.parts}
        for box in self._boxes(size):
            masks[box.part] |= box(size)[box.part]
        return masks

    def leaving(self, size: Size) -> str:
        """Describes the first box that reaches out of its photo; "" if none does."""
        return next(filter(None, (box.leaving(size) for box in self._boxes(size))), "")

    def _boxes(self, size: Size) -> Iterator[Box]:
        """Yields the boxes. Their pixels count from 1, and a box includes its last one."""
        tree = parse(read_photo(self.path, self.root))
        stated = _stated_size(tree)
        if stated not in (None, size):
            width, height = stated or size
            raise PhotoError(
                f"is for {width:g} x {height:g} pixels, its photo has {size[0]} x {size[1]}"
            )
        for number, element in enumerate(tree.iter("object"), 1):
            label = (element.findtext("name") or "").strip()
            wanted = [part for part, names in self.parts.items() if not names or label in names]
            if wanted:
                left, top, right, bottom = (
                    _number(element.findtext(f"bndbox/{side}", ""), f"object {number}, {side}")
                    for side in ("xmin", "ymin", "xmax", "ymax")
                )
                for part in wanted:
                    yield Box(part, self.name, (left - 1, top - 1, right, bottom))


def parse(content: bytes) -> Element:
    """Parses XML that a stranger may have written: declarations, so entities too, are refused.

    Raises:
        PhotoError: If it is malformed.
    """
    builder = TreeBuilder()
    parser = expat.ParserCreate()
    depth = 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > 50:
            raise PhotoError("has elements in elements, more than 50 deep")
        builder.start(tag, attributes)

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(tag)

    def refuse(*_: object) -> None:
        raise PhotoError("declares a document type, which may hide anything: remove <!DOCTYPE>")

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        reason = expat.ErrorString(error.code)
        raise PhotoError(f"is no XML: line {error.lineno}: {reason}") from None
    except (LookupError, ValueError) as error:
        if isinstance(error, PhotoError):
            raise
        raise PhotoError("is no XML: its encoding is unknown") from None
    return builder.close()


def _stated_size(tree: Element) -> Size | None:
    stated = (tree.findtext("size/width", ""), tree.findtext("size/height", ""))
    if any(text.strip() in ("", "0") for text in stated):
        return None
    width, height = (_number(text, "size") for text in stated)
    return width, height  # type: ignore[return-value]


def _number(text: str, field: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise PhotoError(f"has no number in {field}, but {shorten(repr(text))}")
    return value
