"""The one decoder of images: what Pillow reads, as 8-bit RGB, upright or as stored.

- 16-bit gray is scaled to 8 bits (Pillow clips it to white). Numbers of 32 bits have no known
  range and are refused.
- Transparent pixels are shown on white, as a page shows them, and not in their hidden color.
- An EXIF orientation is read, not applied; `jaxens.data.orientation` applies it.
- Every error of Pillow becomes a `PhotoError`, and its warnings are not shown.
"""

import functools
import io
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from jaxtyping import Int32, UInt8
from PIL import Image, UnidentifiedImageError

from jaxens.data.reading import PhotoError

_ORIENTATION = 0x0112  # the EXIF tag
_WHITE, _BLACK = (255, 255, 255, 255), (0, 0, 0, 255)
_WARNINGS = threading.Lock()  # Python's filters of warnings belong to all threads


def open_photo(content: bytes) -> Image.Image:
    """Opens an encoded image; its pixels may still be undecoded.

    Raises:
        PhotoError: If it is no image, has too many pixels, or 32-bit values.
    """
    with _pillow_errors(), _no_warnings():
        photo = Image.open(io.BytesIO(content), formats=_formats())
        if photo.format not in ("JPEG", "MPO", "PNG", "WEBP"):
            photo.load()  # Pillow turns a TIFF upright only now, which changes its size
    if photo.mode == "I" and photo.format == "PPM":  # Pillow scales its values to 16 bits
        deep = Image.fromarray(np.asarray(photo).astype(np.uint16))
        deep.format = photo.format
        return deep
    if photo.mode in ("I", "F"):
        raise PhotoError("has 32-bit values of unknown range: convert it to 8 bits")
    return photo


@functools.cache
def _formats() -> tuple[str, ...]:
    """Returns the formats that Pillow reads by itself: for EPS it starts another program."""
    Image.init()
    return tuple(name for name in Image.OPEN if name not in ("EPS", "WMF"))


def decode(photo: Image.Image, least: tuple[int, int] | None = None) -> tuple[Image.Image, float]:
    """Returns the RGB pixels of an opened image, as they are stored (not turned upright).

    Args:
        photo: As returned by `open_photo`.
        least: The width and height that are needed. A JPEG is decoded at half, a quarter or an
            eighth of its size if that is enough; all of its data is read even so.

    Returns:
        The image, and its size as a fraction of the size of `photo`.

    Raises:
        PhotoError: If the image is damaged.
    """
    width = photo.width
    with _pillow_errors():
        drafted = photo.draft("RGB", least) if least else None
        photo.load()
        return _on(photo, _WHITE), drafted[1][2] / width if drafted else 1.0


def decode_gray(content: bytes) -> UInt8[np.ndarray, "height width"]:
    """Returns the gray values of a mask; a transparent pixel is black.

    Raises:
        PhotoError: If it can't be decoded, or has colors, whose gray values mean nothing.
    """
    photo = open_photo(content)
    with _pillow_errors():
        rgb = np.asarray(_on(photo, _BLACK))
    if (rgb != rgb[..., :1]).any():
        raise PhotoError("has colors: save it as a gray image")
    return rgb[..., 0]


def decode_values(content: bytes) -> Int32[np.ndarray, "height width"]:
    """Returns the values of a mask as they are stored: gray values, or indexes into a palette.

    Raises:
        PhotoError: If it can't be decoded, or has colors.
    """
    photo = open_photo(content)
    if photo.mode in ("1", "L", "P") or photo.mode.startswith("I;16"):
        with _pillow_errors():
            photo.load()
            return np.asarray(photo).astype(np.int32)
    return decode_gray(content).astype(np.int32)


def decode_colors(content: bytes) -> Int32[np.ndarray, "height width"]:
    """Returns the colors of a mask as numbers, 0xff0000 for red; a transparent pixel is black.

    Raises:
        PhotoError: If it can't be decoded.
    """
    photo = open_photo(content)
    with _pillow_errors():
        rgb = np.asarray(_on(photo, _BLACK)).astype(np.int32)
    return (rgb << np.array([16, 8, 0], np.int32)).sum(axis=-1, dtype=np.int32)


def orientation_of(photo: Image.Image) -> int:
    """Returns the EXIF orientation of a decoded image, 1 to 8; 1, as stored, if unknown."""
    try:
        with _pillow_errors(), _no_warnings():
            orientation = photo.getexif().get(_ORIENTATION, 1)
    except PhotoError:  # a damaged tag of an image that is not
        return 1
    return orientation if orientation in range(1, 9) else 1


def _on(photo: Image.Image, background: tuple[int, int, int, int]) -> Image.Image:
    """Returns an image of any mode as RGB, on a background."""
    if photo.mode.startswith("I;16"):
        photo = _scaled_to_8_bits(photo)
    if not photo.has_transparency_data:
        return photo.convert("RGB")
    straight = photo.convert("LA") if photo.mode == "La" else photo
    rgba = straight.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", rgba.size, background), rgba).convert("RGB")


def _scaled_to_8_bits(photo: Image.Image) -> Image.Image:
    deep = np.asarray(photo).astype(np.uint32)
    gray = ((deep + 128) // 257).astype(np.uint8)
    if (hidden := photo.info.get("transparency")) is None:
        return Image.fromarray(gray)
    return Image.fromarray(np.stack([gray, (deep != hidden) * np.uint8(255)], axis=-1), "LA")


@contextmanager
def _pillow_errors() -> Iterator[None]:
    """Pillow raises errors of many kinds, by format and by damage."""
    try:
        yield
    except (PhotoError, MemoryError):
        raise
    except UnidentifiedImageError:
        raise PhotoError("is not an image of a known format, or is damaged") from None
    except Image.DecompressionBombError:
        most = 2 * (Image.MAX_IMAGE_PIXELS or 0) / 1e6
        raise PhotoError(f"has more than {most:.0f} megapixels: make it smaller") from None
    except Exception:
        raise PhotoError("is damaged: save it again") from None


@contextmanager
def _no_warnings() -> Iterator[None]:
    """Hides Pillow's warnings, which name no file; where one matters, decoding fails."""
    with _WARNINGS, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
