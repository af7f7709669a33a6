"""What people marked in a photo, as masks of named parts: files of masks, and boxes."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int32, Shaped

from jaxens.data.decoding import decode_colors, decode_values
from jaxens.data.reading import PhotoError, name_of, read_photo

Size = tuple[int, int]  # width and height in pixels
Masks = Mapping[str, Shaped[np.ndarray, "height width"]]


class EmptyError(PhotoError):
    """A valid mask without a marked pixel. The message follows its name."""


class Marks(Protocol):
    """What people marked in a photo: a file of masks, or boxes, as masks of named parts."""

    @property
    def name(self) -> str:
        """Returns the name of the file, which error messages show."""

    def __call__(self, size: Size) -> Masks:
        """Returns masks of a photo of this size, by names in `Info.masks`: 0 outside of a part.

        Raises:
            PhotoError: If they can't be used.
        """


@runtime_checkable
class Placed(Marks, Protocol):
    """Marks that may leave their photo, since their numbers know nothing of its size."""

    def leaving(self, size: Size) -> str:
        """Returns what is outside of a photo of this size, after the name; empty if nothing is.

        Raises:
            PhotoError: If they can't be used.
        """


@dataclass(frozen=True)
class Values:
    """Which values of a mask file are a part.

    Attributes:
        among: Gray values, or indexes into a palette; with `colors`, numbers such as 0xff0000. If
            there are none, the mask has 0 and one other value, which is the part.
        least: Gray values from this on are the part too.
    """

    among: tuple[int, ...] = ()
    least: int | None = None

    def region(self, values: Int32[np.ndarray, "height width"]) -> Shaped[np.ndarray, "..."]:
        """Returns a mask of the part, 0 outside of it. If no value was named, it has the file's.

        Raises:
            PhotoError: If the file has several values, and none was named.
        """
        if not self.among and self.least is None:
            distinct = np.unique(values)
            if len(distinct[distinct != 0]) > 1:
                some = ", ".join(map(str, distinct[:5])) + (", ..." if len(distinct) > 5 else "")
                raise PhotoError(f"has the values {some}: say which of them are the part")
            return values
        region = np.isin(values, self.among)
        return region if self.least is None else region | (values >= self.least)


@dataclass(frozen=True)
class MaskFile:
    """An image whose values say which part a pixel belongs to.

    Attributes:
        path: The file.
        root: The folder that it must be in.
        planes: By name in `Info.masks`.
        colors: Whether the values are colors.
    """

    path: Path
    root: Path
    planes: Mapping[str, Values]
    colors: bool = False

    @property
    def name(self) -> str:
        """Returns the path of the file below the root."""
        return name_of(self.path, self.root)

    def __call__(self, size: Size) -> Masks:
        """Decodes the file."""
        content = read_photo(self.path, self.root)
        values = decode_colors(content) if self.colors else decode_values(content)
        height, width = values.shape
        if (width, height) != size:
            raise PhotoError(f"has {width} x {height} pixels, its photo {size[0]} x {size[1]}")
        return {plane: wanted.region(values) for plane, wanted in self.planes.items()}


@dataclass(frozen=True)
class Box:
    """The inside of a box as the mask of a part.

    Attributes:
        part: A name in `Info.masks`.
        name: Of the file that it is from, with its row.
        corners: Left, top, right, bottom.
        fractions: Whether these are fractions of width and height, and not pixels.
    """

    part: str
    name: str
    corners: tuple[float, float, float, float]
    fractions: bool = False

    def __call__(self, size: Size) -> Masks:
        """Returns the pixels whose center is in the box."""
        width, height = size
        left, top, right, bottom = self.corners
        if not (left < right and top < bottom):
            raise PhotoError(f"has a box of {self.part} without an area")
        x, y = ((np.arange(n) + 0.5) / (n if self.fractions else 1) for n in size)
        mask = ((top <= y) & (y <= bottom))[:, None] & (left <= x) & (x <= right)
        if not mask.any():
            raise PhotoError(f"has a box of {self.part} outside of its {width} x {height} pixels")
        return {self.part: mask}

    def leaving(self, size: Size) -> str:
        """Returns whether a side is more than a pixel outside, as rounding never makes it."""
        ends = [float(self.corners[2 + i]) * (size[i] if self.fractions else 1) for i in (0, 1)]
        starts = [float(self.corners[i]) * (size[i] if self.fractions else 1) for i in (0, 1)]
        if min(starts) >= -1 and all(end <= n + 1 for end, n in zip(ends, size, strict=True)):
            return ""
        sides = ", ".join(f"{corner:g}" for corner in self.corners)
        return f"has a box of {self.part} ({sides}) that leaves its {size[0]} x {size[1]} pixels"
