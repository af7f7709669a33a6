"""Decodes the regions of COCO's annotations: polygons, run lengths and boxes."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Bool
from skimage.draw import polygon2mask

from jaxens.data.marks import Box, Size
from jaxens.data.reading import PhotoError
from jaxens.names import shorten

Region = Bool[np.ndarray, "height width"]


def region_of(annotation: Mapping[str, Any], size: Size) -> Region:
    """Returns the region of an annotation; its box, if it has no other.

    Polygons of fewer than three points are left out, as COCO's own tools do.

    Args:
        annotation: An entry of `annotations`.
        size: Width and height of the image.

    Raises:
        PhotoError: If it is malformed.
    """
    segmentation = annotation.get("segmentation")
    if isinstance(segmentation, dict):
        return decode_rle(segmentation, size)
    if isinstance(segmentation, list) and segmentation:
        region = np.zeros(size[::-1], bool)
        for numbers in segmentation:
            if not are_numbers(numbers) or len(numbers) % 2:
                raise PhotoError("has a polygon that is not a list of x and y")
            if len(numbers) >= 6:
                corners = np.asarray(numbers, np.float64).reshape(-1, 2)[:, ::-1] - 0.5
                region |= polygon2mask(size[::-1], corners)
        return region
    if segmentation not in (None, []):
        raise PhotoError("has a segmentation that is neither polygons nor run lengths")
    return box_of(annotation, "object")(size)["object"]


def box_of(annotation: Mapping[str, Any], part: str) -> Box:
    """Returns the box of an annotation, as one of a part.

    Raises:
        PhotoError: If it is malformed.
    """
    box = annotation.get("bbox")
    if not isinstance(box, list) or not are_numbers(box) or len(box) != 4:
        raise PhotoError("has neither a segmentation nor a bbox of four numbers")
    left, top, width, height = box
    return Box(part, "", (left, top, left + width, top + height))


def decode_rle(rle: Mapping[str, Any], size: Size) -> Region:
    """Decodes run lengths, plain or compressed: of 0 and 1 by turns, column by column.

    Args:
        rle: COCO's object with `counts` (numbers, or a text) and `size` (height, width).
        size: Width and height of the image.

    Raises:
        PhotoError: If it is malformed, or of another size.
    """
    counts, stated = rle.get("counts"), rle.get("size")
    if stated != [size[1], size[0]]:
        raise PhotoError(f"has run lengths for the size {shorten(repr(stated))} (height, width)")
    if isinstance(counts, str):
        counts = _uncompress(counts)
    if (
        not isinstance(counts, list)
        or not are_numbers(counts)
        or any(c != int(c) or c < 0 for c in counts)
    ):
        raise PhotoError("has run lengths that are not whole numbers")
    runs = [int(c) for c in counts]
    if sum(runs) != size[0] * size[1]:
        raise PhotoError(f"has run lengths of {sum(runs)} pixels, not of {size[0] * size[1]}")
    values = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    return values.reshape(size).T


def _uncompress(text: str) -> list[int]:
    """Returns the run lengths of COCO's text: groups of 5 bits, and from the third on differences.

    maskApi.c of the COCO API, `rleFrString`.
    """
    runs: list[int] = []
    value = shift = 0
    for letter in text:
        bits = ord(letter) - 48
        if not 0 <= bits < 64 or shift > 60:
            raise PhotoError("has run lengths in a text that is no COCO text")
        value |= (bits & 0x1F) << shift
        shift += 5
        if not bits & 0x20:
            if bits & 0x10:
                value -= 1 << shift
            runs.append(value + (runs[-2] if len(runs) > 2 else 0))
            value = shift = 0
    if shift:
        raise PhotoError("has run lengths in a text that is cut")
    return runs


def are_numbers(values: Any) -> bool:
    """Returns whether a value of JSON is a list of numbers below 1e9; booleans are none."""
    return isinstance(values, list) and all(
        isinstance(v, int | float) and not isinstance(v, bool) and abs(v) < 1e9 for v in values
    )
