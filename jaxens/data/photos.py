"""Images to explain: a user's photos, or images of a data set, cropped as for training."""

import hashlib
import io
import logging
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int, UInt8
from PIL import Image, ImageOps

from jaxens.data.geometry import square
from jaxens.data.schema import Example
from jaxens.data.source import Source
from jaxens.errors import UserError

log = logging.getLogger(__name__)

ORIENTATION = 0x0112  # the EXIF tag

# What Pillow raises for a damaged file, by format and by damage.
_DAMAGED = (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError)
_DEEP = ("I", "F")  # modes of more than 8 bits, which Pillow clips to white


@dataclass(frozen=True)
class Photos:
    """Images at the size of a network's input.

    Attributes:
        names: paths of photos, or ids of a data set.
        images: RGB.
        places: one integer per image; random numbers drawn for it depend on this.
        sha256: hashes of the encoded images.
    """

    names: list[str]
    images: UInt8[np.ndarray, "image size size 3"]
    places: Int[np.ndarray, "image"]
    sha256: list[str]

    def __len__(self) -> int:
        return len(self.names)


def from_files(paths: Sequence[Path], size: int) -> Photos:
    """Reads photos, and the photos in folders in the order of their names.

    The largest central square of each is resized once, as for training. A file that can't be
    read is left out with a warning. The place of a photo is a hash of its content.

    Args:
        paths: files and folders.
        size: the side of an image, in pixels.

    Raises:
        UserError: if no photo can be read.
    """
    files = list(dict.fromkeys(file for path in paths for file in _files(path)))
    read = []
    for file in files:
        try:
            read.append((str(file), *_read(file, size)))
        except UserError as error:
            log.warning(f"{error}: left out")
    if not read:
        raise UserError(
            f"none of {len(files)} files is a photo that can be read: name JPEG, PNG, WebP or "
            "other files that Pillow knows"
        )
    if len(read) < len(files):
        log.warning(f"{len(files) - len(read)} of {len(files)} files left out")
    names, contents, images = zip(*read, strict=True)
    places = np.array([zlib.crc32(content) >> 1 for content in contents])  # fits an int32
    return _with_hashes(names, contents, images, places)


def from_split(source: Source, rows: Int[np.ndarray, "image"]) -> Photos:
    """Reads images of a data set; the place of an image is its row, as in an evaluation."""
    examples = [source.example(int(row)) for row in rows]
    images = [square(example, source.size, source.crop).image for example in examples]
    contents = [example.image for example in examples]
    return _with_hashes([example.id for example in examples], contents, images, rows)


def rows_of(source: Source, ids: Sequence[str]) -> Int[np.ndarray, "image"]:
    """The rows of images in a split, by their ids.

    Raises:
        UserError: for an id that the split lacks.
    """
    row_of = {source.example(row).id: row for row in range(len(source))}
    for id in ids:
        if id not in row_of:
            some = ", ".join(list(row_of)[:3])
            raise UserError(
                f"the {source.split} split of {source.info.name} has no image {id!r}: its ids "
                f"are like {some}"
            )
    return np.array([row_of[id] for id in dict.fromkeys(ids)])


def _with_hashes(
    names: Sequence[str],
    contents: Sequence[bytes],
    images: Sequence[np.ndarray],
    places: np.ndarray,
) -> Photos:
    hashes = [hashlib.sha256(content).hexdigest() for content in contents]
    return Photos(list(names), np.stack(images), places, hashes)


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    known = {end for end, kind in Image.registered_extensions().items() if kind in Image.OPEN}
    files = sorted(file for file in path.iterdir() if file.suffix.lower() in known)
    if not files:
        raise UserError(f"{path} is a folder without photos: name another folder, or files")
    return files


def _read(file: Path, size: int) -> tuple[bytes, UInt8[np.ndarray, "size size 3"]]:
    """The content of a file, and its central square, rotated as its EXIF tag says."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise UserError(f"{file}: {error.strerror}") from None
    try:
        with Image.open(io.BytesIO(content)) as photo:
            mode, orientation = photo.mode, photo.getexif().get(ORIENTATION, 1)
        cropped = Image.fromarray(square(_example(content), size).image)
    except _DAMAGED:
        raise UserError(f"{file} is not a photo, or is damaged") from None
    if mode.startswith(_DEEP):
        raise UserError(f"{file} has more than 8 bits a channel: convert it to 8 bits")
    cropped.getexif()[ORIENTATION] = orientation  # rotated when small: the square is central
    return content, np.asarray(ImageOps.exif_transpose(cropped))


def _example(content: bytes) -> Example:
    """An image without labels and marks."""
    unknown = np.full((1, 4), np.nan, np.float32)
    return Example("", content, points=unknown[:0, :2], box=unknown[0])
