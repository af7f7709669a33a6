"""Pictures of a page, as data in the page itself."""

import base64
import io
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from jaxens.errors import UserError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST = 9_000_000  # characters of all figures of a page together, and of tables of many questions
QUALITY = 80  # of WebP: maps take a quarter of the PNG file, and their texts stay sharp


@dataclass(frozen=True)
class PageFigure:
    """A figure of a page.

    Attributes:
        source: The figure itself, as the source of an `img`; empty if the page had no room.
        size: Width and height in pixels.
        title: What it shows, in a few words.
        alternative: What can be seen on it, in words.
        reading: A sentence on how to read it.
        file: Where it lies.
    """

    source: str
    size: tuple[int, int]
    title: str
    alternative: str
    reading: str
    file: str = ""


@dataclass
class Album:
    """Makes the figures of one page; when there is no more room, they name their file instead."""

    room: int = MOST

    def of_file(self, path: Path, title: str, alternative: str, reading: str) -> PageFigure | None:
        """Returns a PNG file as a figure, or None if there is no such file.

        Raises:
            UserError: If it is no PNG file.
        """
        if not path.is_file():
            return None
        content = io.BytesIO()
        try:
            with (
                warnings.catch_warnings(action="error"),  # of an image with too many pixels
                Image.open(path, formats=["PNG"]) as image,
            ):
                image.convert("RGB").save(content, "WEBP", quality=QUALITY, method=1)
        # Pillow raises many kinds of exceptions for damaged files.
        except Exception:
            raise UserError(f"{path} is no PNG file: remove it, or make it again") from None
        source = self._source("image/webp", content.getvalue())
        file = "/".join(path.parts[-3:])
        return PageFigure(source, image.size, title, alternative, reading, file)

    def of_figure(self, figure: "Figure", title: str, alternative: str, reading: str) -> PageFigure:
        """Returns a figure of Matplotlib as SVG, which stays sharp at any size."""
        from jaxens.viz.files import encode

        width, height = figure.get_size_inches()
        size = (round(width * 96), round(height * 96))
        source = self._source("image/svg+xml", encode(figure, "svg"))
        return PageFigure(source, size, title, alternative, reading)

    def reserve(self, size: int) -> bool:
        """Takes room for other content of the page, or returns that there is too little.

        Args:
            size: Characters.
        """
        if size > self.room:
            return False
        self.room -= size
        return True

    def _source(self, kind: str, content: bytes) -> str:
        source = f"data:{kind};base64,{base64.b64encode(content).decode()}"
        return source if self.reserve(len(source)) else ""
