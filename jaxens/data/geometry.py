"""Decodes an image once and crops a square from it; mask, points and box are cropped alike."""

from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float32, UInt8
from PIL import Image

from jaxens.data import masks
from jaxens.data.decoding import decode, open_photo, orientation_of
from jaxens.data.orientation import upright
from jaxens.data.schema import DecodedExample, Example

Crop = Literal["center", "box"]

MARGIN = 0.15  # of the longer side of the box, on each side of it

_LANCZOS, _AREA = Image.Resampling.LANCZOS, Image.Resampling.BOX
# A JPEG is decoded at half, a quarter or an eighth of its size if that is at least this many
# times the size of the result.
_DETAIL = 2


class _Window(NamedTuple):
    """A square in pixels; it may extend beyond the image."""

    left: float
    top: float
    side: float


def square(example: Example, size: int, crop: Crop = "center", parts: int = 0) -> DecodedExample:
    """Crops a square from an image, resizes it once, and turns it upright.

    Mask, points and box are those of the image as it is stored; they are turned with it.

    Args:
        example: An encoded image of any shape and color mode.
        size: The side of the result, in pixels.
        crop: `"center"` is the largest central square. `"box"` is a square around the box with a
            margin of 15 % of its longer side; it is moved inside the image if it fits, and
            padded with the mean color of the image if not. An image without a box (NaN) is
            cropped at the center.
        parts: The number of parts in the example's mask; with 0, masks are not decoded.

    Raises:
        PhotoError: If the image can't be decoded.
    """
    photo = open_photo(example.image)
    width, height = photo.size
    window = _window(crop, width, height, example.box)
    mask = None
    if example.mask is not None and parts:
        planes = masks.decode(example.mask, -(-parts // 8))
        scaled = _scaled(window, planes[0].width / width)
        mask = np.stack([_crop_mask(plane, scaled, size) for plane in planes], axis=-1)
    scale = np.asarray([width, height], np.float64) / window.side
    shift = np.asarray([window.left, window.top], np.float64) / window.side
    points = example.points * scale - shift
    inside = ((points >= 0) & (points <= 1)).all(axis=-1, keepdims=True)
    box = example.box * np.tile(scale, 2) - np.tile(shift, 2)
    image = _crop_photo(photo, window, size)
    cropped = DecodedExample(
        id=example.id,
        image=image,
        mask=mask,
        points=np.where(inside, points, np.nan).astype(np.float32),
        box=box.clip(0, 1).astype(np.float32),
        labels=example.labels,
    )
    return upright(cropped, orientation_of(photo))


def side_of_square(example: Example, crop: Crop = "center") -> int:
    """Returns the side of the square that `square` crops, in pixels of the image as it is stored.

    Raises:
        PhotoError: If the image can't be decoded.
    """
    return max(1, round(_window(crop, *open_photo(example.image).size, example.box).side))


def _window(crop: Crop, width: int, height: int, box: Float32[np.ndarray, "4"]) -> _Window:
    short, long = sorted((width, height))
    if crop == "center" or np.isnan(box).any():
        return _Window((width - short) / 2, (height - short) / 2, short)
    left, top, right, bottom = (float(v) for v in box * [width, height, width, height])
    side = max(1.0, min(max(right - left, bottom - top) * (1 + 2 * MARGIN), long))
    return _Window(
        _moved_inside((left + right - side) / 2, side, width),
        _moved_inside((top + bottom - side) / 2, side, height),
        side,
    )


def _moved_inside(start: float, side: float, length: int) -> float:
    """Returns where a window starts after it was moved into the image; centered if too large."""
    return min(max(start, 0), length - side) if side <= length else (length - side) / 2


def _scaled(window: _Window, scale: float) -> _Window:
    return _Window(*(scale * v for v in window))


def _crop_photo(photo: Image.Image, window: _Window, size: int) -> UInt8[np.ndarray, "size size 3"]:
    width, height = photo.size
    least = _DETAIL * size / window.side
    image, scale = decode(photo, (max(1, round(width * least)), max(1, round(height * least))))
    window = _scaled(window, scale)
    if not _is_inside(window, image):
        mean = np.asarray(image).mean(axis=(0, 1)).round().astype(int)
        image, window = _padded(image, window, tuple(mean.tolist()))
    return np.asarray(image.resize((size, size), _LANCZOS, box=_corners(window, image)))


def _crop_mask(bits: Image.Image, window: _Window, size: int) -> UInt8[np.ndarray, "size size"]:
    """Crops each bit separately: a pixel is in a part if at least half of it is covered."""
    if bits.size == (size, size) and window == (0, 0, size):
        return np.asarray(bits)
    if not _is_inside(window, bits):
        bits, window = _padded(bits, window, 0)
    pixels = np.asarray(bits)
    result = np.zeros((size, size), np.uint8)
    for bit in range(int(pixels.max()).bit_length()):
        part = Image.fromarray(((pixels >> bit) & 1) * np.uint8(255))
        shrunk = part.resize((size, size), _AREA, box=_corners(window, part))
        result |= (np.asarray(shrunk) >= 128).astype(np.uint8) << bit
    return result


def _is_inside(window: _Window, image: Image.Image) -> bool:
    left, top, side = window
    slack = 1e-3  # of a pixel, for rounding errors
    return (
        min(left, top) >= 0
        and left + side <= image.width + slack
        and top + side <= image.height + slack
    )


def _padded(
    image: Image.Image, window: _Window, color: int | tuple[int, ...]
) -> tuple[Image.Image, _Window]:
    """Returns the image on a canvas that holds the window, and the window on that canvas."""
    left, top, side = window
    before_x, before_y = int(max(0, np.ceil(-left))), int(max(0, np.ceil(-top)))
    after_x = int(max(0, np.ceil(left + side - image.width)))
    after_y = int(max(0, np.ceil(top + side - image.height)))
    canvas = Image.new(
        image.mode,
        (before_x + image.width + after_x, before_y + image.height + after_y),
        color,
    )
    canvas.paste(image, (before_x, before_y))
    return canvas, _Window(left + before_x, top + before_y, side)


def _corners(window: _Window, image: Image.Image) -> tuple[float, float, float, float]:
    """Left, top, right, bottom, without the rounding errors that Pillow rejects."""
    left, top, side = window
    return left, top, min(left + side, image.width), min(top + side, image.height)
