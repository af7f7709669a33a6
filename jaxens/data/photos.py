"""Images to explain: a user's photos, or images of a data set, cropped as for training."""

import hashlib
import logging
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Int, UInt8
from PIL import Image

from jaxens.data.decoding import is_dim
from jaxens.data.geometry import side_of_square, square
from jaxens.data.reading import PhotoError, printable, read_photo
from jaxens.data.schema import Example
from jaxens.data.source import Source, load
from jaxens.data.split import Split
from jaxens.errors import UserError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Photos:
    """Images at the size of a network's input.

    Attributes:
        names: Paths of photos, or ids of a data set.
        images: RGB.
        places: One integer per image; random numbers drawn for it depend on this.
        sha256: Hashes of the encoded images, or of the pixels of arrays.
        truth: Their labels and marks, if they are images of a data set.
        large: Reads an image again, with a side of up to so many pixels; None if it can't be.
    """

    names: list[str]
    images: UInt8[np.ndarray, "image size size 3"]
    places: Int[np.ndarray, "image"]
    sha256: list[str]
    truth: Split | None = None
    large: Callable[[int, int], UInt8[np.ndarray, "side side 3"]] | None = None

    def __len__(self) -> int:
        return len(self.names)

    def take(self, rows: Int[np.ndarray, "image"]) -> "Photos":
        """Returns the images at `rows`, in that order."""
        large = self.large
        return Photos(
            names=[self.names[i] for i in rows],
            images=self.images[rows],
            places=self.places[rows],
            sha256=[self.sha256[i] for i in rows],
            truth=None if self.truth is None else self.truth.take(rows),
            large=None if large is None else lambda index, most: large(int(rows[index]), most),
        )

    def full_image(self, index: int, most: int = 1200) -> UInt8[np.ndarray, "side side 3"]:
        """Returns an image to draw: as large as it is stored, and cropped as in `images`.

        It is that of `images` if it is no larger, is not a file, or can't be read again.

        Args:
            index: Its number.
            most: The longest side, in pixels.
        """
        image = self.images[index]
        if self.large is None:
            return image
        try:
            large = self.large(index, most)
        except (PhotoError, UserError) as error:
            log.warning(f"{self.names[index]} {error}: drawn at {len(image)} px")
            return image
        return large if len(large) > len(image) else image


def from_files(paths: Sequence[Path], size: int) -> Photos:
    """Reads photos, and the photos in folders in the order of their names.

    Each is decoded as for training: the largest central square, resized once. A file that can't
    be used is left out with a warning, and so is a link in a folder that leads out of it. The
    place of a photo is a hash of its content.

    Args:
        paths: Files and folders.
        size: The side of an image, in pixels.

    Raises:
        UserError: If no photo can be read.
    """
    files: dict[Path, Path | None] = {}
    for file, folder in (pair for path in paths for pair in _files(path)):
        files[file] = folder and files.get(file, folder)  # a file that is named may be anywhere
    read = []
    for file, folder in files.items():
        try:
            content = read_photo(file, folder)
            read.append((file, content, square(_example(content), size).image))
        except PhotoError as error:
            log.warning(f"{printable(file)} {error}: left out")
    if not read:
        raise UserError(
            f"none of {len(files)} files is a photo that can be read: name JPEG, PNG, WebP or "
            "other files that Pillow knows"
        )
    if len(read) < len(files):
        log.warning(f"{len(files) - len(read)} of {len(files)} files left out")
    kept, contents, images = zip(*read, strict=True)
    _warn_of_dim([file for file, content, _ in read if is_dim(content)])
    places = np.array([zlib.crc32(content) >> 1 for content in contents])  # fits an int32

    def large(index: int, most: int) -> UInt8[np.ndarray, "side side 3"]:
        file = kept[index]
        example = _example(read_photo(file, files[file]))
        return square(example, min(side_of_square(example), most)).image

    names = [printable(file) for file in kept]
    return Photos(names, np.stack(images), places, _hashes(contents), large=large)


def from_split(source: Source, rows: Int[np.ndarray, "image"]) -> Photos:
    """Reads images of a data set; the place of an image is its row, as in an evaluation."""
    loaded = load(source, rows=rows)
    contents = (source.example(row).image for row in rows.tolist())

    def large(index: int, most: int) -> UInt8[np.ndarray, "side side 3"]:
        return source.large(int(rows[index]), most)

    return Photos(loaded.ids, loaded.images, rows, _hashes(contents), loaded, large)


def from_arrays(
    images: UInt8[np.ndarray, "image size size 3"] | Split, names: Sequence[str] | None = None
) -> Photos:
    """Returns images in memory as photos; those of a `Split` keep their labels and marks.

    Args:
        images: RGB.
        names: One for each image (default: the ids of the split, or numbers).
    """
    if isinstance(images, Split):
        photos = from_arrays(images.images, names or images.ids)
        return replace(photos, places=images.places, truth=images)
    numbers = np.arange(len(images))
    hashes = _hashes(image.tobytes() for image in images)
    return Photos(list(names or map(str, numbers)), images, numbers, hashes)


def rows_of(source: Source, ids: Sequence[str]) -> Int[np.ndarray, "image"]:
    """Returns the rows of images in a split, by their ids. An id that is given twice has one row.

    Raises:
        UserError: For an id that the split lacks.
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


def _hashes(contents: Iterable[bytes]) -> list[str]:
    return [hashlib.sha256(content).hexdigest() for content in contents]


def _files(path: Path) -> list[tuple[Path, Path | None]]:
    """Returns a file, or the photos in a folder; and the folder that each must be in."""
    if not path.is_dir():
        return [(path, None)]
    known = {end for end, kind in Image.registered_extensions().items() if kind in Image.OPEN}
    files = sorted(file for file in path.iterdir() if file.suffix.lower() in known)
    if not files:
        raise UserError(f"{path} is a folder without photos: name another folder, or files")
    if folders := sorted(each.name for each in path.iterdir() if each.is_dir()):
        some = ", ".join(map(printable, folders[:3]))
        log.warning(f"{path}: photos in its folders ({some}) are not read: name these folders too")
    return [(file, path) for file in files]


def _warn_of_dim(files: Sequence[Path]) -> None:
    if files:
        names = ", ".join(map(printable, files[:5])) + (", ..." if len(files) > 5 else "")
        log.warning(
            f"{names}: 16 bits and no value of 4096 or more, so nearly black: multiply the values "
            "(by 16 if they are those of 12 bits), or save it with 8 bits"
        )


def _example(content: bytes) -> Example:
    """Returns an image without labels, masks, key points and box."""
    unknown = np.full((1, 4), np.nan, np.float32)
    return Example("", content, points=unknown[:0, :2], box=unknown[0])
