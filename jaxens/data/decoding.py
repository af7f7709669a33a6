"""The one decoder of images: what Pillow reads, as 8-bit RGB, upright or as stored.

- 16-bit gray is scaled to 8 bits (Pillow clips it to white), and inverted if 0 is white. Numbers
  of 32 bits have no known range and are refused.
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
from pathlib import Path

import numpy as np
from jaxtyping import Int32, UInt8, UInt32
from PIL import Image, UnidentifiedImageError
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile

from jaxens.data.reading import PhotoError, check_inside
from jaxens.untrusted import open_regular

_ORIENTATION = 0x0112  # the EXIF tag
_BITS_PER_SAMPLE, _PHOTOMETRIC, _WHITE_IS_ZERO = 258, 262, 0  # tags of a TIFF, and a value
_TURNED_LATER = ("JPEG", "MPO", "PNG", "WEBP")  # by us; Pillow turns a TIFF while it decodes it
_DIM = 4096  # 16-bit photos of 12 bits stay below
_WHITE, _BLACK = (255, 255, 255, 255), (0, 0, 0, 255)
_WARNINGS = threading.Lock()  # Python's filters of warnings belong to all threads


def open_photo(content: bytes) -> Image.Image:
    """Opens an encoded image; its pixels may still be undecoded.

    Raises:
        PhotoError: If it is not an image, has too many pixels, or 32-bit values.
    """
    with _pillow_errors(), _no_warnings():
        photo = Image.open(io.BytesIO(content), formats=_formats())
        if photo.format not in _TURNED_LATER:
            photo.load()  # Pillow turns a TIFF upright only now, which changes its size
    if isinstance(photo, PngImageFile):
        _scale_transparency(photo)
    if photo.mode == "I" and photo.format == "PPM":  # Pillow scales its values to 16 bits
        deep = Image.fromarray(np.asarray(photo).astype(np.uint16))
        deep.format = photo.format
        return deep
    if photo.mode in ("I", "F"):
        raise PhotoError("has 32-bit values of unknown range: convert it to 8 bits")
    if _is_gray16(photo) and _tag(photo, _PHOTOMETRIC) == _WHITE_IS_ZERO:  # 8 bits Pillow inverts
        stored = np.asarray(photo)
        photo.frombytes((_largest(photo) - stored).astype(stored.dtype).tobytes())
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


def is_dim(content: bytes) -> bool:
    """Returns whether an image has 16 bits per color but no value of 4096 or more.

    It holds 10 or 12 bits, as those of many cameras, and is nearly black where it is shown. One
    without a value above 255 is black, or a mask.

    Raises:
        PhotoError: If it can't be decoded.
    """
    photo = open_photo(content)
    if isinstance(photo, TiffImageFile):
        deep = _tag(photo, _BITS_PER_SAMPLE) == 16
    else:
        deep = isinstance(photo, PngImageFile) and any("16" in str(tile[3]) for tile in photo.tile)
    if not deep or photo.mode == "CMYK":  # whose zero is white
        return False
    with _pillow_errors():
        photo.load()
        values = np.asarray(photo)
        if _is_gray16(photo):
            return bool(255 < values.max() < _DIM)
        return bool(0 < values[..., :3].max() < _DIM >> 8)  # Pillow keeps the upper 8 bits


def decode_gray(content: bytes) -> UInt8[np.ndarray, "height width"]:
    """Returns the gray values of a mask; a transparent pixel is black.

    Raises:
        PhotoError: If it can't be decoded, has values that 8 bits can't hold, or has colors, whose
            gray values mean nothing.
    """
    photo = open_photo(content)
    with _pillow_errors():
        rgb = np.asarray(_on(_in_8_bits(photo), _BLACK))
    if (rgb != rgb[..., :1]).any():
        raise PhotoError("has colors: save it as a gray image")
    return rgb[..., 0]


def decode_values(content: bytes) -> Int32[np.ndarray, "height width"]:
    """Returns the values of a mask as they are stored: gray values, or indexes into a palette.

    Raises:
        PhotoError: If it can't be decoded, or has colors.
    """
    photo = open_photo(content)
    if photo.mode in ("1", "L", "P") or _is_gray16(photo):
        with _pillow_errors():
            photo.load()
            return np.asarray(photo).astype(np.int32)
    return decode_gray(content).astype(np.int32)


def decode_colors(content: bytes) -> Int32[np.ndarray, "height width"]:
    """Returns the colors of a mask as numbers, 0xff0000 for red; a transparent pixel is black.

    Raises:
        PhotoError: If it can't be decoded, or has values that 8 bits can't hold.
    """
    photo = open_photo(content)
    with _pillow_errors():
        rgb = np.asarray(_on(_in_8_bits(photo), _BLACK)).astype(np.int32)
    return (rgb << np.array([16, 8, 0], np.int32)).sum(axis=-1, dtype=np.int32)


def orientation_of(photo: Image.Image) -> int:
    """Returns the EXIF orientation of a decoded image, 1 to 8; 1, as stored, if unknown."""
    try:
        with _pillow_errors(), _no_warnings():
            orientation = photo.getexif().get(_ORIENTATION, 1)
    except PhotoError:  # a damaged tag of an image that is not
        return 1
    return orientation if orientation in range(1, 9) else 1


def header_of(path: Path, folder: Path) -> tuple[tuple[int, int], int]:
    """Returns the stored size of a photo and its EXIF orientation; no pixel is decoded.

    Pillow itself turns photos of some formats, such as TIFF, upright: their orientation is 1.

    Args:
        path: The file.
        folder: The folder that it must be in.

    Raises:
        PhotoError: If it can't be read.
    """
    check_inside(path, folder)
    try:
        with open_regular(path) as file:
            with _pillow_errors(), _no_warnings():
                photo = Image.open(file, formats=_formats())
            # Without a tag before its pixels, Pillow decodes a PNG to look for one behind them.
            known = photo.format in ("JPEG", "MPO", "WEBP") or "exif" in photo.info
            turned = photo.format in _TURNED_LATER and known
            return photo.size, orientation_of(photo) if turned else 1
    except (OSError, ValueError) as error:
        raise PhotoError(f"can't be read: {error}") from None


def _on(photo: Image.Image, background: tuple[int, int, int, int]) -> Image.Image:
    """Returns an image of any mode as RGB, on a background."""
    if _is_gray16(photo):
        photo = _scaled_to_8_bits(photo)
    if not photo.has_transparency_data:
        return photo.convert("RGB")
    straight = photo.convert("LA") if photo.mode == "La" else photo
    rgba = straight.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", rgba.size, background), rgba).convert("RGB")


def _is_gray16(photo: Image.Image) -> bool:
    return photo.mode.startswith("I;16")


def _tag(photo: Image.Image, number: int) -> int | None:
    """Returns a tag of a TIFF, of its first color; None for other images."""
    value = photo.tag_v2.get(number) if isinstance(photo, TiffImageFile) else None
    return value[0] if isinstance(value, tuple) else value


def _largest(photo: Image.Image) -> int:
    """Returns the value of white in gray of 16 bits, or of 12 bits in a TIFF."""
    return 2 ** (_tag(photo, _BITS_PER_SAMPLE) or 16) - 1


def _scale_transparency(photo: PngImageFile) -> None:
    """Converts the transparent color of a PNG to 8 bits.

    Pillow converts the pixels to 8 bits. It does not convert the color that the file declares as
    transparent, so that color would no longer match any pixel.
    """
    hidden, stored = photo.info.get("transparency"), str(photo.tile[0][3]) if photo.tile else ""
    if stored in ("L;2", "L;4") and isinstance(hidden, int):
        photo.info["transparency"] = hidden * 255 // (2 ** int(stored[-1]) - 1)
    if stored.startswith("RGB;16") and isinstance(hidden, tuple):
        photo.info["transparency"] = tuple(value >> 8 for value in hidden)


def _scaled_to_8_bits(photo: Image.Image) -> Image.Image:
    deep, unit = np.asarray(photo).astype(np.uint32), _largest(photo) / 255
    return _with_transparency((deep / unit).round().astype(np.uint8), deep, photo)


def _in_8_bits(mask: Image.Image) -> Image.Image:
    """Returns a 16-bit mask as an 8-bit mask. No value is rounded.

    Its values are gray levels from 0 to 255, as they are or times 257.

    Raises:
        PhotoError: If they are neither, such as the label 300.
    """
    if not _is_gray16(mask):
        return mask
    deep = np.asarray(mask).astype(np.uint32)
    if deep.max() <= 255:
        return _with_transparency(deep.astype(np.uint8), deep, mask)
    if (odd := deep[deep % 257 > 0]).size:
        raise PhotoError(f"has the 16-bit value {odd.max()}: save it with 8 bits")
    return _with_transparency((deep // 257).astype(np.uint8), deep, mask)


def _with_transparency(
    gray: UInt8[np.ndarray, "height width"],
    deep: UInt32[np.ndarray, "height width"],
    photo: Image.Image,
) -> Image.Image:
    """Returns gray values as an image; one value of the 16-bit `photo` may be transparent."""
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
