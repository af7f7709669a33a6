"""Rows of small pictures under named columns."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Bool, UInt8
from matplotlib.figure import Figure

GAP = 0.06  # between pictures, in widths of one


class Montage:
    """A figure of pictures in rows; on each of them masks and points can be drawn.

    A picture is a unit wide; `above` is the room over each row for text, in that unit.
    """

    def __init__(
        self,
        rows: Sequence[Sequence[UInt8[np.ndarray, "height width 3"]]],
        title: str,
        row_names: Sequence[str] = (),
        column_names: Sequence[str] = (),
        inches: float = 1.1,
        above: float = 0.0,
    ):
        width, height = max(map(len, rows)), len(rows) * (1 + above)
        left, top, bottom = (1.55 if row_names else 0.05), (0.75 if column_names else 0.4), 0.3
        across, down = left + width + 0.05, top + height + bottom
        self._above = above
        self.figure = Figure((inches * across, inches * down), dpi=130)
        self.axes = self.figure.add_axes(
            (left / across, bottom / down, width / across, height / down)
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
            self.axes.text(-0.08, middle, name, ha="right", va="center", fontsize=7)
        for c, name in enumerate(column_names):
            self.axes.text(c + 0.5, -0.06, name, ha="center", va="bottom", fontsize=8)
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

    def text(self, row: int, column: int, text: str) -> None:
        """Writes over a picture."""
        left, _, _, top = self.cell(row, column)
        self.axes.text(left, top - 0.03, text, fontsize=5, va="bottom")

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

    def save(self, path: Path) -> Path:
        """Writes a PNG beside and renames it."""
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f".{path.name}")
        self.figure.savefig(beside, format="png")
        return beside.replace(path)
