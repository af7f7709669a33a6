"""Looks at the photos of a folder that can't be prepared yet."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from jaxens.data.decoding import decode, open_photo
from jaxens.data.folder.listing import list_files
from jaxens.data.folder.mask_files import find_images
from jaxens.data.photos import Photos, from_files
from jaxens.data.prefetch import in_order
from jaxens.data.preparing import cores
from jaxens.data.progress import Progress, no_progress
from jaxens.data.reading import PhotoError, printable, read_photo
from jaxens.data.source import evenly_spaced
from jaxens.names import shorten

_MOST = 40  # folders, and photos that can't be read, that are listed


@dataclass(frozen=True)
class Survey:
    """The photos of a folder.

    Attributes:
        root: The folder.
        readable: Paths of photos, below the folder.
        masks: How many masks have names of each pattern.
        reasons: Why the other photos can't be read, by their paths.
    """

    root: Path
    readable: Sequence[str]
    masks: Mapping[str, int]
    reasons: Mapping[str, str]

    @property
    def name(self) -> str:
        """Returns the name of the folder."""
        return printable(self.root.resolve().name)

    def some(self, count: int, size: int) -> Photos | None:
        """Decodes some of the photos that can be read, in equal steps; None if there are none.

        Args:
            count: How many.
            size: The side of an image, in pixels.
        """
        if not self.readable:
            return None
        files = [self.readable[row] for row in evenly_spaced(count, len(self.readable))]
        names = [printable(file) for file in files]
        return replace(from_files([self.root / file for file in files], size), names=names)

    def __str__(self) -> str:
        count = len(self.readable) + len(self.reasons)
        lines = [f"{shorten(self.name)}: {count} photos, {len(self.readable)} of them can be read"]
        folders = Counter(file.rpartition("/")[0] for file in (*self.readable, *self.reasons))
        lines += _some([f"{printable(name) or '.'}: {n} photos" for name, n in folders.items()])
        lines += [f"{printable(pattern)}: {n} masks" for pattern, n in self.masks.items()]
        lines += _some([f"{printable(name)} {reason}" for name, reason in self.reasons.items()])
        return "\n".join(lines)


def survey(root: Path, progress: Progress = no_progress) -> Survey:
    """Opens all photos of a folder.

    Args:
        root: The folder.
        progress: Called after each photo.

    Raises:
        UserError: If the folder can't be read.
    """
    listing = list_files(root)
    images = find_images(listing)
    threads, reasons, readable = cores(), dict[str, str](), list[str]()
    results = in_order(_Reason(root), images.photos, threads, 4 * threads)
    for done, (file, reason) in enumerate(zip(images.photos, results, strict=True), 1):
        if reason:
            reasons[file] = reason
        else:
            readable.append(file)
        progress("looking at the photos", done, len(images.photos))
    masks = {pattern: len(files) for pattern, files in images.masks.items()}
    return Survey(root, readable, masks, reasons)


@dataclass(frozen=True)
class _Reason:
    root: Path

    def __call__(self, file: str) -> str:
        """Returns why a photo can't be read; empty if it can."""
        try:
            decode(open_photo(read_photo(self.root / file, self.root)), least=(1, 1))
        except PhotoError as error:
            return str(error)
        return ""


def _some(lines: list[str]) -> list[str]:
    return lines[:_MOST] + ([f"... and {len(lines) - _MOST} more"] if len(lines) > _MOST else [])
