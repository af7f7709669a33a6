"""Rows of small pictures under named columns."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, UInt8
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from jaxens.viz.overlay import Colours, tinted

GAP = 0.06  # between pictures, in widths of one
MARGIN = 0.06  # about all of them, inches
NARROWEST = 6.4  # inches, so that a title fits over one picture


class Bar(NamedTuple):
    """A scale of colours, and what its two ends mean."""

    colours: Colours
    low: str
    high: str


class Montage:
    """A figure of pictures in rows; on each of them masks, points and arrows can be drawn.

    A picture is a unit wide, `inches` on paper; `above` is the room over each row for text, in
    that unit. `below` is the room for a legend, in inches.
    """

    def __init__(
        self,
        rows: Sequence[Sequence[UInt8[np.ndarray, "height width 3"]]],
        title: str,
        row_names: Sequence[str] = (),
        column_names: Sequence[str] = (),
        inches: float = 1.1,
        above: float = 0.0,
        below: float = 0.3,
    ):
        width, height = max(map(len, rows)), len(rows) * (1 + above)
        left = 2.0 if row_names else MARGIN
        top = 0.35 + 0.17 * title.count("\n") + (0.3 if column_names else 0.1)
        across = left + width * inches + MARGIN
        spare = max(0.0, NARROWEST - across)
        across, down = across + spare, top + height * inches + below
        self._above = above
        self.figure = Figure((across, down), dpi=130)
        self.axes = self.figure.add_axes(
            (
                (left + spare / 2) / across,
                below / down,
                width * inches / across,
                height * inches / down,
            )
        )
        self.axes.set_axis_off()
        self.figure.suptitle(title, fontsize=10, y=1 - 0.12 / down)
        for r, row in enumerate(rows):
            for c, picture in enumerate(row):
                self.axes.imshow(
                    picture, extent=self.cell(r, c), interpolation="nearest", aspect="auto"
                )
        for r, name in enumerate(row_names):
            middle = self.place(r, 0, (0.5, 0.5))[1]
            self.axes.text(
                -0.08, middle, name, ha="right", va="center", fontsize=7, parse_math=False
            )
        for c, name in enumerate(column_names):
            self.axes.text(c + 0.5, -0.04, name, ha="center", va="bottom", fontsize=8)
        self.axes.set(xlim=(0, width), ylim=(height, 0))

    def cell(self, row: int, column: int) -> tuple[float, float, float, float]:
        """Left, right, bottom and top of a picture, in the axes' units."""
        end = (row + 1) * (1 + self._above)
        return column + GAP / 2, column + 1 - GAP / 2, end - GAP / 2, end - 1 + GAP / 2

    def place(
        self, row: int, column: int, point: Sequence[float] | np.ndarray
    ) -> tuple[float, float]:
        """Where a point, in fractions of a picture's width and height, lies in the axes."""
        left, right, bottom, top = self.cell(row, column)
        return left + (right - left) * point[0], top + (bottom - top) * point[1]

    def text(self, row: int, column: int, text: str, size: float = 5) -> None:
        """Writes over a picture."""
        left, _, _, top = self.cell(row, column)
        self.axes.text(left, top - 0.03, text, fontsize=size, va="bottom", parse_math=False)

    def stamp(self, row: int, column: int, text: str) -> None:
        """Writes across a picture's middle."""
        x, y = self.place(row, column, (0.5, 0.5))
        edge = [withStroke(linewidth=2, foreground="black")]
        self.axes.text(
            x, y, text, fontsize=7, ha="center", va="center", color="white", path_effects=edge
        )

    def outline(
        self, row: int, column: int, mask: Bool[np.ndarray, "height width"], colour: object
    ) -> None:
        """Draws the edge of a mask, if it has one."""
        if mask.any() and not mask.all():
            left, right, bottom, top = self.cell(row, column)
            self.axes.contour(
                mask, [0.5], colors=[colour], linewidths=0.8, extent=(left, right, top, bottom)
            )

    def cross(
        self, row: int, column: int, point: Sequence[float] | np.ndarray, colour: object
    ) -> None:
        """Marks a point, if it is there."""
        if not np.isnan(point).any():
            self.axes.plot(*self.place(row, column, point), "+", color=colour, markersize=6)

    def arrow(
        self,
        row: int,
        column: int,
        tail: Sequence[float] | np.ndarray,
        head: Sequence[float] | np.ndarray,
        colour: str,
    ) -> None:
        """Points at `head`, with a white edge that shows on dark pictures."""
        self.axes.annotate(
            "",
            self.place(row, column, head),
            self.place(row, column, tail),
            arrowprops={
                "arrowstyle": "-|>,head_length=0.5,head_width=0.22",
                "color": colour,
                "linewidth": 0.9,
                "shrinkA": 0,
                "shrinkB": 0,
                "mutation_scale": 7,
                "joinstyle": "miter",
                "path_effects": [withStroke(linewidth=1.9, foreground="white")],
            },
        )

    def legend(self, bars: Sequence[Bar], note: str) -> None:
        """Scales of colours side by side under the pictures, and a line of text under these."""
        across, down = self.figure.get_size_inches()
        each, length = 3.4, 1.1  # inches, of a scale with its words and without
        start = across / 2 - each * len(bars) / 2
        ramp = np.linspace(0, 1, 128)
        for i, bar in enumerate(bars):
            values = 2 * ramp - 1 if bar.colours == "signed" else ramp
            colours = tinted(np.full((1, 128, 3), 148.0), values[None], bar.colours)
            left = start + each * i + (each - length) / 2
            axes = self.figure.add_axes((left / across, 0.3 / down, length / across, 0.11 / down))
            axes.imshow(colours, aspect="auto")
            axes.set_axis_off()
            middle: dict[str, Any] = {"va": "center", "fontsize": 7, "transform": axes.transAxes}
            axes.text(-0.05, 0.5, bar.low, ha="right", **middle)
            axes.text(1.05, 0.5, bar.high, ha="left", **middle)
        self.figure.text(0.5, 0.1 / down, note, ha="center", fontsize=7, color="0.35")

    def save(self, path: Path) -> Path:
        """Writes a PNG beside and renames it."""
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f".{path.name}")
        self.figure.savefig(beside, format="png")
        return beside.replace(path)
