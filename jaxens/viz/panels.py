"""Panels of any size, side by side in a figure. Lengths in a panel are points (1/72 inch)."""

import textwrap
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, UInt8
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image as Pillow

from jaxens.viz.texts import drawable, style_of

POINTS = 72.0  # per inch
DPI = 150
PIXELS = 1200  # the most along a side of an image; more would only make files larger
_SPACE = 10.0  # around a panel
_TITLE = 9.0  # font size


class Panel(NamedTuple):
    """Something to draw in a box.

    Attributes:
        size: Width and height of the box.
        draw: Draws on axes whose unit is a point, with y pointing down.
        middle: Where its title is centered, from the left; None for the middle of the box.
    """

    size: tuple[float, float]
    draw: Callable[[Axes], None]
    middle: float | None = None


def panels_figure(
    panels: Sequence[Panel], *, columns: int = 1, titles: Sequence[str] = (), title: str = ""
) -> Figure:
    """Draws panels row by row; see `grid`.

    Args:
        panels: At least one.
        columns: How many are side by side.
        titles: A text above each panel, or none.
        title: Title of the figure.
    """
    panel = grid(panels, columns=columns, titles=titles)
    top = 24.0 if title else 0.0
    width, height = panel.size[0], panel.size[1] + top
    figure = Figure((width / POINTS, height / POINTS), dpi=DPI)
    FigureCanvasAgg(figure)
    if title:
        text = drawable(title)
        figure.text(0.5, 1 - 15 / height, text, ha="center", fontsize=10, **style_of(text))
    _draw(panel, figure.add_axes((0, 0, 1, panel.size[1] / height)))
    return figure


def grid(panels: Sequence[Panel], *, columns: int = 1, titles: Sequence[str] = ()) -> Panel:
    """Puts panels side by side, row by row.

    Each column is as wide, and each row as high, as it has to be.

    Args:
        panels: At least one.
        columns: How many are side by side.
        titles: A text above each panel, or none.
    """
    count = -(-len(panels) // columns)
    texts = [drawable(text) for text in titles] or [""] * len(panels)
    widths = [
        max((panel.size[0] for panel in panels[column::columns]), default=0) + 2 * _SPACE
        for column in range(min(columns, len(panels)))
    ]
    wrapped = [
        "\n".join(
            line
            for part in text.split("\n")
            for line in textwrap.wrap(part, max(8, int(widths[i % columns] / _TITLE * 1.9)))
        )
        for i, text in enumerate(texts)
    ]
    heights, above = [], []
    for row in range(count):
        part = slice(row * columns, (row + 1) * columns)
        lines = max(text.count("\n") + 1 if text else 0 for text in wrapped[part])
        above.append(lines * _TITLE * 1.3)
        heights.append(max(panel.size[1] for panel in panels[part]) + 2 * _SPACE + above[-1])

    width, height = sum(widths), sum(heights)

    def draw(axes: Axes) -> None:
        for i, panel in enumerate(panels):
            row, column = divmod(i, columns)
            left = sum(widths[:column]) + (widths[column] - panel.size[0]) / 2
            top = sum(heights[:row]) + above[row] + _SPACE
            box = (left / width, 1 - (top + panel.size[1]) / height)
            share = (panel.size[0] / width, panel.size[1] / height)
            inner = axes.inset_axes((*box, *share))
            _draw(panel, inner)
            middle = panel.size[0] / 2 if panel.middle is None else panel.middle
            style: dict[str, Any] = {"ha": "center", "va": "bottom", "fontsize": _TITLE}
            inner.text(middle, -4, wrapped[i], **style, **style_of(wrapped[i]))

    return Panel((width, height), draw)


def _draw(panel: Panel, axes: Axes) -> None:
    axes.set_axis_off()
    axes.set(xlim=(0, panel.size[0]), ylim=(panel.size[1], 0))
    panel.draw(axes)
    axes.set(xlim=(0, panel.size[0]), ylim=(panel.size[1], 0))


def text_sizes(texts: Sequence[str], font_size: float) -> Float[np.ndarray, "text 2"]:
    """Returns the width and height of each text in points."""
    figure = Figure(dpi=POINTS)
    renderer = FigureCanvasAgg(figure).get_renderer()
    boxes = [
        figure.text(0, 0, text, fontsize=font_size, **style_of(text)).get_window_extent(renderer)
        for text in texts
    ]
    return np.array([(box.width, box.height) for box in boxes]).reshape(-1, 2)


def shrunk(image: UInt8[np.ndarray, "height width 3"]) -> UInt8[np.ndarray, "_ _ 3"]:
    """Returns an image with at most `PIXELS` pixels along a side."""
    if max(image.shape[:2]) <= PIXELS:
        return image
    photo = Pillow.fromarray(np.ascontiguousarray(image))
    photo.thumbnail((PIXELS, PIXELS), Pillow.Resampling.LANCZOS)
    return np.asarray(photo)


def fitted(image: UInt8[np.ndarray, "height width 3"], inches: float) -> tuple[float, float]:
    """Returns an image's width and height on paper, in points; the longer side is `inches`."""
    height, width = image.shape[:2]
    scale = inches * POINTS / max(height, width)
    return width * scale, height * scale
