"""Pictures to explain: a user's own files, or some of a data set's, as a network saw its own."""

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
_DEEP = ("I", "F")  # modes of more than 8 bits, which Pillow would cut off at white


@dataclass(frozen=True)
class Pictures:
    """Pictures at a network's size. `places` tell one from another, as seeds of draws do;
    `sha256` are the sums of their encoded content."""

    names: list[str]
    images: UInt8[np.ndarray, "picture size size 3"]
    places: Int[np.ndarray, "picture"]
    sha256: list[str]

    def __len__(self) -> int:
        return len(self.names)


def from_files(paths: Sequence[Path], size: int) -> Pictures:
    """Reads picture files, and those that lie in a folder, in the order of their names.

    Of each the largest central square is cut and resized once, as it is for training. A file
    that cannot be read is told of and left out. What is drawn for a picture depends on its
    content alone, so its place is made of that.

    Raises `UserError` if no picture is left.
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
            f"none of {len(files)} files is a picture that can be read: name JPEG, PNG, WebP or "
            "other files that Pillow knows"
        )
    if len(read) < len(files):
        log.warning(f"{len(files) - len(read)} of {len(files)} files left out")
    names, contents, images = zip(*read, strict=True)
    places = np.array([zlib.crc32(content) >> 1 for content in contents])  # fits an int32
    return _pictures(names, contents, images, places)


def from_split(source: Source, rows: Int[np.ndarray, "picture"]) -> Pictures:
    """Some pictures of a data set; a picture's place is its row, as in an evaluation."""
    examples = [source.example(int(row)) for row in rows]
    images = [square(example, source.size, source.crop).image for example in examples]
    contents = [example.image for example in examples]
    return _pictures([example.id for example in examples], contents, images, rows)


def rows_of(source: Source, ids: Sequence[str]) -> Int[np.ndarray, "picture"]:
    """Where pictures stand in a split. Raises `UserError` for an id that it lacks."""
    row_of = {source.example(row).id: row for row in range(len(source))}
    for id in ids:
        if id not in row_of:
            some = ", ".join(list(row_of)[:3])
            raise UserError(
                f"the {source.split} split of {source.info.name} has no picture {id!r}: its ids "
                f"are like {some}"
            )
    return np.array([row_of[id] for id in dict.fromkeys(ids)])


def _pictures(
    names: Sequence[str],
    contents: Sequence[bytes],
    images: Sequence[np.ndarray],
    places: np.ndarray,
) -> Pictures:
    sums = [hashlib.sha256(content).hexdigest() for content in contents]
    return Pictures(list(names), np.stack(images), places, sums)


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    known = {end for end, kind in Image.registered_extensions().items() if kind in Image.OPEN}
    files = sorted(file for file in path.iterdir() if file.suffix.lower() in known)
    if not files:
        raise UserError(f"{path} is a folder without pictures: name another, or picture files")
    return files


def _read(file: Path, size: int) -> tuple[bytes, UInt8[np.ndarray, "size size 3"]]:
    """A file's content, and its central square, turned as the camera was held.

    Raises `UserError` if it is no picture that can be read.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        raise UserError(f"{file}: {error.strerror}") from None
    try:
        with Image.open(io.BytesIO(content)) as photo:
            mode, orientation = photo.mode, photo.getexif().get(ORIENTATION, 1)
        cut = Image.fromarray(square(_example(content), size).image)
    except _DAMAGED:
        raise UserError(f"{file} is no picture, or damaged") from None
    if mode.startswith(_DEEP):
        raise UserError(f"{file} has more than 8 bits a channel, which would be cut off at white")
    cut.getexif()[ORIENTATION] = orientation  # turned once small: a square's centre stays
    return content, np.asarray(ImageOps.exif_transpose(cut))


def _example(content: bytes) -> Example:
    """A picture of which nobody has said anything."""
    unknown = np.full((1, 4), np.nan, np.float32)
    return Example("", content, points=unknown[:0, :2], box=unknown[0])
