"""Looks at files of masks, and guesses what their values mean."""

import contextlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Int32

from jaxens.data.decoding import decode_colors, decode_values, open_photo
from jaxens.data.reading import PhotoError, read_photo

MOST_PARTS = 20  # of one kind
_MOST_VALUES = 32  # of a mask; a photo has more
_MOST_FLAT = 8  # values of a mask with soft edges have a large share of its pixels:
_FLAT = 0.9, 0.6  # if one is flat, and if several are
_SECOND = 0.01  # of the pixels are inside of the second region, if several are flat
_REGION = 0.2  # of the pixels of a value that is a region have neighbors of the same value
_AGREEMENT = {51, 102, 153, 204, 255}  # how many of five people marked a pixel, as in CUB
_UNKNOWN = range(96, 161)  # grays of a trimap's border


@dataclass(frozen=True)
class Look:
    """The values of an image.

    Attributes:
        size: Width and height.
        colored: Whether they are colors, as numbers such as 0xff0000.
        indexes: Whether they are indexes into a palette.
        counts: How many pixels have each value.
        inside: How many of them have four neighbors of the same value.
    """

    size: tuple[int, int]
    colored: bool
    indexes: bool
    counts: Counter[int]
    inside: Counter[int]

    def is_mask(self) -> bool:
        """Returns whether it looks like a mask: few values, or soft edges of a few flat regions.

        A photo on a white background has one flat region.
        """
        total = self.counts.total()
        flat = self.inside.most_common(_MOST_FLAT)
        share = sum(self.counts[value] for value, _ in flat) / total
        several = len(flat) > 1 and flat[1][1] >= _SECOND * total
        return len(self.counts) <= _MOST_VALUES or share >= (_FLAT[1] if several else _FLAT[0])


def look_at(path: Path, root: Path, colored: bool = False) -> Look | None:
    """Returns the values of an image; None if it can't be read, or has as many as a photo.

    Args:
        path: The file.
        root: The folder that it must be in.
        colored: Whether gray values are colors too.
    """
    try:
        content = read_photo(path, root)
        indexes = open_photo(content).mode == "P"
        values, colored = _values(content, colored)
    except PhotoError:
        return None
    step = max(1, round((values.size / 1e5) ** 0.5))
    some = Counter(values[::step, ::step].ravel().tolist())
    if len(some) > 2**8 and sum(n for _, n in some.most_common(2**6)) < some.total() / 2:
        return None  # a photo; to count all of its colors takes long
    inside = values[1:-1, 1:-1][_same_as_neighbors(values)]
    size = values.shape[1], values.shape[0]
    return Look(size, colored, indexes and not colored, _counts(values), _counts(inside))


def _values(content: bytes, colored: bool) -> tuple[Int32[np.ndarray, "height width"], bool]:
    if not colored:
        with contextlib.suppress(PhotoError):  # it has colors, or is damaged
            return decode_values(content), False
    return decode_colors(content), True


def _same_as_neighbors(values: Int32[np.ndarray, "height width"]) -> Bool[np.ndarray, "_ _"]:
    center, sides = values[1:-1, 1:-1], [values[:-2, 1:-1], values[2:, 1:-1]]
    sides += [values[1:-1, :-2], values[1:-1, 2:]]
    return np.all([side == center for side in sides], axis=0)


def _counts(values: np.ndarray) -> Counter[int]:
    distinct, counts = np.unique(values, return_counts=True)
    return Counter(dict(zip(distinct.tolist(), counts.tolist(), strict=True)))


def parts_of(name: str, looks: Sequence[Look]) -> dict[str, dict[str, Any]]:
    """Returns the parts that masks show, with the fields `values`, `least` and `ignore`.

    A value fills regions, or is only at their edges, where gray is a soft edge. The value 255 is
    what nobody marked, if the other values are small indexes; else it is the part.

    Args:
        name: Of the part, if it is one.
        looks: At some of the masks; if one has colors, at the colors of all.
    """
    counts = sum((look.counts for look in looks), Counter[int]())
    inside = sum((look.inside for look in looks), Counter[int]())
    regions = {value for value, count in counts.items() if inside[value] >= _REGION * count}
    if any(look.colored for look in looks):
        return _of_colors(name, counts, regions)
    values, regions = set(counts) - {0}, regions - {0}
    if values == {1, 2, 3}:  # the trimaps of the Oxford-IIIT Pets
        return {name: {"values": [1], "ignore": [3]}}
    if len(values) <= 1:
        return {name: {}}
    small = values - {255}
    dense = max(small) <= 4 * len(small) and (small & regions or not regions)
    if dense or any(look.indexes for look in looks):
        ignore = {"ignore": [255]} if 255 in values else {}
        common = [value for value, _ in counts.most_common() if value in small][:MOST_PARTS]
        return {f"{name} {value}": {"values": [value], **ignore} for value in sorted(common)}
    return _of_grays(name, values, regions)


def _of_grays(name: str, values: set[int], regions: set[int]) -> dict[str, dict[str, Any]]:
    """Returns a part for each gray that fills regions; one if the others are only at its edges."""
    border = regions - {255}
    if len(regions) == 2 and 255 in regions and border <= set(_UNKNOWN):
        return {name: {"values": [255], "ignore": sorted(border)}}
    levels = len(values) > 2 and values <= _AGREEMENT
    if len(regions) < 2 or len(regions) > MOST_PARTS or levels:
        return {name: {"least": (max(regions or values) + 1) // 2}}
    return {f"{name} {value}": {"values": [value]} for value in sorted(regions)}


def _of_colors(name: str, counts: Counter[int], regions: set[int]) -> dict[str, dict[str, Any]]:
    """Returns a part for each color of regions but that of the background: black, or the first."""
    background = 0 if 0 in counts else counts.most_common(1)[0][0]
    wanted = (regions or set(counts)) - {background} or set(counts) - {background}
    colors = [f"#{value:06x}" for value, _ in counts.most_common() if value in wanted][:MOST_PARTS]
    if len(colors) == 1:
        return {name: {"values": colors}}
    return {f"{name} {color}": {"values": [color]} for color in colors}
