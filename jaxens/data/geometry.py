"""Decodes a picture once and cuts a square from it; mask, points and box move along."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float32, Int8, Int32, UInt8
from PIL import Image

from jaxens.data.schema import Example

Crop = Literal["center", "box"]

MARGIN = 0.15  # of the box's longer side, left free on each side of it

_LANCZOS, _AREA = Image.Resampling.LANCZOS, Image.Resampling.BOX
# A JPEG is decoded at half, quarter or eighth size where at least this much detail is left.
_DETAIL = 2


@dataclass(frozen=True)
class Picture:
    """An `Example`, decoded, cut to a square of `size` pixels and resized.

    Points and box are fractions of the square; a point outside it is NaN. Bit `p` of the
    mask is part `info.masks[p]`.
    """

    id: str
    image: UInt8[np.ndarray, "size size 3"]
    mask: UInt8[np.ndarray, "size size"] | None
    points: Float32[np.ndarray, "points 2"]
    box: Float32[np.ndarray, "4"]
    labels: Mapping[str, Int32[np.ndarray, ""] | Int8[np.ndarray, "classes"]]


class _Window(NamedTuple):
    """A square in pixels; it may reach beyond the picture."""

    left: float
    top: float
    side: float


def square(example: Example, size: int, crop: Crop = "center") -> Picture:
    """Cuts a square from a picture and resizes it once.

    Args:
        example: an encoded picture of any shape and colour mode.
        size: the side of the result, in pixels.
        crop: `"center"`, the largest central square; or `"box"`, a square around the box
            with a margin of 15 % of its longer side. The latter is moved inside the picture
            where it fits, and else padded with the picture's mean colour. A picture without
            a box (NaN) is cut in the centre.

    Raises:
        OSError: if the picture cannot be decoded.
    """
    photo = Image.open(io.BytesIO(example.image))
    width, height = photo.size
    window = _window(crop, width, height, example.box)
    mask = None
    if example.mask is not None:
        bits = Image.open(io.BytesIO(example.mask))
        mask = _cut_mask(bits, _scaled(window, bits.width / width), size)
    scale = np.asarray([width, height], np.float64) / window.side
    shift = np.asarray([window.left, window.top], np.float64) / window.side
    points = example.points * scale - shift
    inside = ((points >= 0) & (points <= 1)).all(axis=-1, keepdims=True)
    box = example.box * np.tile(scale, 2) - np.tile(shift, 2)
    return Picture(
        id=example.id,
        image=_cut_photo(photo, window, size),
        mask=mask,
        points=np.where(inside, points, np.nan).astype(np.float32),
        box=box.clip(0, 1).astype(np.float32),
        labels=example.labels,
    )


def _window(crop: Crop, width: int, height: int, box: Float32[np.ndarray, "4"]) -> _Window:
    short, long = sorted((width, height))
    if crop == "center" or np.isnan(box).any():
        return _Window((width - short) / 2, (height - short) / 2, short)
    left, top, right, bottom = (float(v) for v in box * [width, height, width, height])
    side = max(1.0, min(max(right - left, bottom - top) * (1 + 2 * MARGIN), long))
    return _Window(
        _placed((left + right - side) / 2, side, width),
        _placed((top + bottom - side) / 2, side, height),
        side,
    )


def _placed(start: float, side: float, length: int) -> float:
    """Moves a window inside if it fits; else the picture lies in the window's middle."""
    return min(max(start, 0), length - side) if side <= length else (length - side) / 2


def _scaled(window: _Window, scale: float) -> _Window:
    return _Window(*(scale * v for v in window))


def _cut_photo(photo: Image.Image, window: _Window, size: int) -> UInt8[np.ndarray, "size size 3"]:
    width, height = photo.size
    least = _DETAIL * size / window.side
    drafted = photo.draft("RGB", (max(1, round(width * least)), max(1, round(height * least))))
    if drafted is not None:
        window = _scaled(window, drafted[1][2] / width)
    photo = photo.convert("RGB")
    if not _lies_inside(window, photo):
        mean = np.asarray(photo).mean(axis=(0, 1)).round().astype(int)
        photo, window = _padded(photo, window, tuple(mean.tolist()))
    return np.asarray(photo.resize((size, size), _LANCZOS, box=_corners(window, photo)))


def _cut_mask(bits: Image.Image, window: _Window, size: int) -> UInt8[np.ndarray, "size size"]:
    """Each bit by itself: a pixel of the result is in a part if at least half of it is."""
    if bits.size == (size, size) and window == (0, 0, size):
        return np.asarray(bits)
    if not _lies_inside(window, bits):
        bits, window = _padded(bits, window, 0)
    every = np.asarray(bits)
    result = np.zeros((size, size), np.uint8)
    for bit in range(int(every.max()).bit_length()):
        part = Image.fromarray(((every >> bit) & 1) * np.uint8(255))
        shrunk = part.resize((size, size), _AREA, box=_corners(window, part))
        result |= (np.asarray(shrunk) >= 128).astype(np.uint8) << bit
    return result


def _lies_inside(window: _Window, image: Image.Image) -> bool:
    left, top, side = window
    slack = 1e-3  # of a pixel, for what rounding adds
    return (
        min(left, top) >= 0
        and left + side <= image.width + slack
        and top + side <= image.height + slack
    )


def _padded(
    image: Image.Image, window: _Window, colour: int | tuple[int, ...]
) -> tuple[Image.Image, _Window]:
    """The picture on a canvas that holds the window, and the window's place there."""
    left, top, side = window
    before_x, before_y = int(max(0, np.ceil(-left))), int(max(0, np.ceil(-top)))
    after_x = int(max(0, np.ceil(left + side - image.width)))
    after_y = int(max(0, np.ceil(top + side - image.height)))
    canvas = Image.new(
        image.mode,
        (before_x + image.width + after_x, before_y + image.height + after_y),
        colour,
    )
    canvas.paste(image, (before_x, before_y))
    return canvas, _Window(left + before_x, top + before_y, side)


def _corners(window: _Window, image: Image.Image) -> tuple[float, float, float, float]:
    """Left, top, right, bottom, free of a rounding error that Pillow would refuse."""
    left, top, side = window
    return left, top, min(left + side, image.width), min(top + side, image.height)
