"""A figure with a grid of images, and marks on them. The other figures are built from it."""

import textwrap
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, UInt8
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

from jaxens.viz.colors import Colors, Kind, color_map, remark
from jaxens.viz.inputs import Array
from jaxens.viz.spread import spread_ellipse
from jaxens.viz.texts import drawable, style_of

GAP = 0.06  # between images, in image widths
MARGIN = 0.06  # around the grid, inches
MIN_WIDTH = 6.4  # of the figure, inches
LETTERS_PER_INCH = 12  # of a title
CAPTION_LINE = 0.125  # height of a line above an image, inches
LEGEND = 0.55  # room for a legend, inches


class Bar(NamedTuple):
    """A color bar, and the texts at its two ends."""

    colors: Colors
    low: str
    high: str
    kind: Kind = "overlay"


class Montage:
    """A grid of images of one size in a Matplotlib figure.

    Rows and columns count from 0. Points are (x, y) as fractions of an image's width and height.

    Args:
        rows: Number of rows.
        columns: Number of columns.
        image_size: Height and width of every image, pixels.
        title: Title of the figure; long lines are wrapped.
        row_titles: One for each row, on the left, or none.
        column_titles: One for each column, at the top, or none.
        captions: All captions that will stand above images; their lines decide the room.
        inches: Width of an image on paper.
        below: Room for a legend, inches.
    """

    def __init__(
        self,
        rows: int,
        columns: int,
        *,
        image_size: Sequence[int],
        title: str = "",
        row_titles: Sequence[str] = (),
        column_titles: Sequence[str] = (),
        captions: Sequence[str] = (),
        inches: float = 1.1,
        below: float = LEGEND,
    ):
        lines = max((caption.count("\n") + 1 for caption in captions if caption), default=0)
        above = (CAPTION_LINE * lines + 0.12) / inches if lines else 0.0
        self._image_height = (1 - GAP) * image_size[0] / image_size[1]
        self._row_height = above + self._image_height + GAP
        left = 2.0 if any(row_titles) else MARGIN
        grid_width, grid_height = columns * inches, rows * self._row_height * inches
        width = left + grid_width + MARGIN
        spare = max(0.0, MIN_WIDTH - width)
        width += spare
        wrapped = [
            line
            for part in drawable(title).split("\n")
            for line in textwrap.wrap(part, int(width * LETTERS_PER_INCH)) or [""]
        ]
        top = 0.18 + 0.17 * len(wrapped) + (0.3 if any(column_titles) else 0.1)
        height = top + grid_height + below
        self.figure = Figure((width, height), dpi=130)
        self.axes = self.figure.add_axes(
            (
                (left + spare / 2) / width,
                below / height,
                grid_width / width,
                grid_height / height,
            )
        )
        self.axes.set_axis_off()
        self.axes.set(xlim=(0, columns), ylim=(rows * self._row_height, 0))
        self.figure.suptitle(
            "\n".join(wrapped), fontsize=10, y=1 - 0.12 / height, **style_of(title)
        )
        for row, text in enumerate(row_titles):
            middle = self.position(row, 0, (0.5, 0.5))[1]
            self._write(-0.08, middle, text, ha="right", va="center", fontsize=7)
        for column, text in enumerate(column_titles):
            self._write(column + 0.5, -0.04, text, ha="center", va="bottom", fontsize=8)

    def extent(self, row: int, column: int) -> tuple[float, float, float, float]:
        """Returns left, right, bottom and top of an image, in the units of the axes."""
        bottom = (row + 1) * self._row_height - GAP / 2
        return column + GAP / 2, column + 1 - GAP / 2, bottom, bottom - self._image_height

    def position(
        self, row: int, column: int, point: Sequence[float] | np.ndarray
    ) -> tuple[float, float]:
        """Returns a point of an image in the units of the axes."""
        left, right, bottom, top = self.extent(row, column)
        return left + (right - left) * float(point[0]), top + (bottom - top) * float(point[1])

    def image(self, row: int, column: int, image: UInt8[np.ndarray, "height width 3"]) -> None:
        """Draws an image. Pixels are not smoothed."""
        extent = self.extent(row, column)
        self.axes.imshow(image, extent=extent, interpolation="nearest", aspect="auto")

    def map(
        self,
        row: int,
        column: int,
        image: UInt8[np.ndarray, "height width 3"],
        map: Float[np.ndarray, "height width"],
        full: float,
        colors: Colors,
        kind: Kind = "overlay",
    ) -> None:
        """Draws a map over its image; if it shows no structure, say why."""
        self.image(row, column, color_map(image, map, full, colors, kind))
        self.remark(row, column, remark(map, colors, kind))

    def remark(self, row: int, column: int, text: str) -> None:
        """Writes a word in the middle of an image."""
        self._write(
            *self.position(row, column, (0.5, 0.5)),
            text,
            fontsize=7,
            ha="center",
            va="center",
            color="white",
            path_effects=[withStroke(linewidth=2, foreground="black")],
        )

    def caption(self, row: int, column: int, text: str, size: float = 7) -> None:
        """Writes text above an image."""
        left, _, _, top = self.extent(row, column)
        self._write(left, top - 0.03, text, fontsize=size, va="bottom")

    def _write(self, x: float, y: float, text: str, **style: Any) -> None:
        """Writes a text, at a point in the units of the axes."""
        shown = drawable(text)
        self.axes.text(x, y, shown, **style_of(shown), **style)

    def outline(
        self, row: int, column: int, mask: Bool[np.ndarray, "height width"], color: Any
    ) -> None:
        """Draws the border of a mask; nothing if the mask is empty."""
        if not mask.any():
            return
        height, width = mask.shape
        # Contours run between the centers of pixels. The frame of False pixels closes the outline
        # of a mask that touches the edge of the image.
        x, y = (np.arange(-1, n + 1) + 0.5 for n in (width, height))
        left, top = self.position(row, column, (0, 0))
        right, bottom = self.position(row, column, (1, 1))
        self.axes.contour(
            left + (right - left) * x / width,
            top + (bottom - top) * y / height,
            np.pad(mask, 1),
            [0.5],
            colors=[color],
            linewidths=0.8,
        )

    def cross(self, row: int, column: int, point: Sequence[float] | np.ndarray, color: Any) -> None:
        """Marks a point; nothing if it is NaN."""
        if not np.isnan(point).any():
            x, y = self.position(row, column, point)
            self.axes.plot(x, y, "+", color=color, markersize=6)

    def truth(
        self,
        row: int,
        column: int,
        i: int,
        masks: Bool[Array, "image height width"] | None,
        points: Float[Array, "image 2"] | None,
    ) -> None:
        """Marks in yellow what people marked in image `i`: a mask, a key point, both, or none."""
        if masks is not None:
            self.outline(row, column, np.asarray(masks[i], bool), "yellow")
        if points is not None:
            self.cross(row, column, np.asarray(points[i]), "yellow")

    def box(self, row: int, column: int, corners: Sequence[float] | np.ndarray) -> None:
        """Draws a box (left, top, right, bottom) in white; nothing if it is NaN."""
        if not np.isnan(corners).any():
            left, top = self.position(row, column, corners[:2])
            right, bottom = self.position(row, column, corners[2:])
            size = (right - left, bottom - top)
            self.axes.add_patch(
                Rectangle((left, top), *size, fill=False, edgecolor="white", linewidth=0.5)
            )

    def dot(
        self, row: int, column: int, point: Sequence[float] | np.ndarray, color: Any, size: float
    ) -> None:
        """Marks a point with a dot; its white edge makes it visible on dark images."""
        x, y = self.position(row, column, point)
        self.axes.plot(
            x, y, "o", color=color, markersize=size, markeredgecolor="white", markeredgewidth=0.6
        )

    def ellipse(self, row: int, column: int, points: Float[np.ndarray, "point 2"]) -> None:
        """Draws the ellipse of two standard deviations about the mean of some points."""
        places = np.array([self.position(row, column, point) for point in points])
        patch = spread_ellipse(places, 2, linewidth=0.9)
        self.axes.add_patch(patch)
        left, right, bottom, top = self.extent(row, column)
        inside = Rectangle((left, top), right - left, bottom - top, transform=self.axes.transData)
        patch.set_clip_path(inside)

    def legend(self, bars: Sequence[Bar], note: str) -> None:
        """Draws color bars side by side below the images, and a line of text below them."""
        width, height = self.figure.get_size_inches()
        pitch, length = 3.4, 1.1  # of a bar with and without its texts, inches
        start = width / 2 - pitch * len(bars) / 2
        ramp = np.linspace(0, 1, 128)[None]
        gray = np.full((1, 128, 3), 130, np.uint8)
        for i, bar in enumerate(bars):
            values = 2 * ramp - 1 if bar.colors == "signed" else ramp
            left = start + pitch * i + (pitch - length) / 2
            axes = self.figure.add_axes((left / width, 0.3 / height, length / width, 0.11 / height))
            axes.imshow(color_map(gray, values, 1.0, bar.colors, bar.kind), aspect="auto")
            axes.set_axis_off()
            style: dict[str, Any] = {"va": "center", "fontsize": 7, "transform": axes.transAxes}
            axes.text(-0.05, 0.5, bar.low, ha="right", **style)
            axes.text(1.05, 0.5, bar.high, ha="left", **style)
        self.figure.text(0.5, 0.1 / height, note, ha="center", fontsize=7, color="0.35")
