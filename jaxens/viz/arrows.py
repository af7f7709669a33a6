"""Labeled arrows on an image, as in a field guide."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int, UInt8
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Rectangle
from matplotlib.patheffects import withStroke

from jaxens.names import shorten
from jaxens.viz.inputs import Array, Image, to_rgb
from jaxens.viz.layout import lay_out
from jaxens.viz.panels import Panel, fitted, panels_figure, shrunk, text_sizes
from jaxens.viz.spread import spread_ellipse
from jaxens.viz.texts import style_of, wrapped

INCHES = 3.2  # of an image's longer side
_FONT = 9.0
_GAP = 7.0  # between labels, points
_HEAD = 9.0  # size of an arrow's head, points
_LINE = 18  # characters in a line of a label
_LETTERS = 60  # of a label
NO_LABEL = "(no label)"
_INK = "#111111"
_HALO = withStroke(linewidth=3.0, foreground="white")  # seen on dark images


@dataclass(frozen=True)
class Arrow:
    """An arrow that points at something in an image.

    Attributes:
        tip: x, y as fractions of the image's width and height, in [0, 1].
        label: What it points at.
        uncertain: Whether to draw it dashed.
        spread: x, y of other guesses of the tip, such as those of single networks, whose ellipse
            of one standard deviation is drawn; or None.
    """

    tip: tuple[float, float]
    label: str
    uncertain: bool = False
    spread: Float[Array, "guess 2"] | None = None


def show_labeled_arrows(image: Image, arrows: Sequence[Arrow], *, title: str = "") -> Figure:
    """Draws an image with labeled arrows. Labels stand next to the image, so they hide nothing.

    Lines do not cross. Arrows whose tips would lie on each other end at one point, with one head.
    A label that is long is broken into lines and shortened.

    Pazzani et al. 2022, Figures 9d and 14.

    Args:
        image: Image [height, width, channel], gray or RGB; uint8, or floats in [0, 1].
        arrows: What to point at; up to about twelve are readable.
        title: Title of the figure.

    Returns:
        The figure; see `show`.

    Raises:
        ValueError: The image is not gray or RGB, or a tip is outside of it.
    """
    panel = labeled_arrows_panel(to_rgb(np.asarray(image)[None])[0], arrows)
    return panels_figure([panel], title=title)


def labeled_arrows_panel(
    image: UInt8[np.ndarray, "height width 3"], arrows: Sequence[Arrow], inches: float = INCHES
) -> Panel:
    """Returns a panel with an image and labeled arrows; see `show_labeled_arrows`."""
    texts = [
        "\n".join(wrapped(shorten(arrow.label, _LETTERS), _LINE)) or NO_LABEL for arrow in arrows
    ]
    tips = np.array([arrow.tip for arrow in arrows], float).reshape(-1, 2)
    size = fitted(image, inches)
    group = groups_of_tips(tips * size)
    middles = np.array([tips[group == g].mean(axis=0) for g in group]).reshape(-1, 2)
    layout = lay_out(middles, text_sizes(texts, _FONT), size, _GAP)

    def draw(axes: Axes) -> None:
        draw_image(axes, image, layout.image)
        for k, arrow in enumerate(arrows):
            if arrow.spread is not None:
                draw_ellipse(axes, np.asarray(arrow.spread), layout.image)
            same = np.flatnonzero(group == group[k])
            middle = same[np.argsort(layout.starts[same, 1], kind="stable")[len(same) // 2]]
            start, tip = layout.starts[k], layout.tips[k]
            draw_arrow(axes, start, tip, dashed=arrow.uncertain, head=bool(k == middle))
            left, _, right, _ = layout.labels[k]
            on_left = right <= layout.image[0]
            axes.text(
                right if on_left else left,
                layout.starts[k, 1],
                texts[k],
                ha="right" if on_left else "left",
                va="center",
                fontsize=_FONT,
                color="#666666" if arrow.uncertain else _INK,
                **style_of(texts[k]),
            )

    return Panel(layout.size, draw, (layout.image[0] + layout.image[2]) / 2)


def draw_image(
    axes: Axes,
    image: UInt8[np.ndarray, "height width 3"],
    box: tuple[float, float, float, float],
) -> None:
    """Draws an image into a box (left, top, right, bottom) of the axes."""
    left, top, right, bottom = box
    axes.imshow(shrunk(image), extent=(left, right, bottom, top), aspect="auto")


def draw_arrow(
    axes: Axes,
    start: Float[np.ndarray, "2"],
    tip: Float[np.ndarray, "2"],
    *,
    dashed: bool = False,
    head: bool = True,
) -> None:
    """Draws an arrow, or a line, that is seen on light and on dark images."""
    style: dict[str, Any] = {"color": _INK, "shrinkA": 1, "shrinkB": 0, "mutation_scale": _HEAD}
    line = (0, (4, 2.5)) if dashed else "solid"
    axes.add_patch(
        FancyArrowPatch(
            (float(start[0]), float(start[1])),
            (float(tip[0]), float(tip[1])),
            arrowstyle="-|>" if head else "-",
            linewidth=1.1,
            linestyle=line,
            path_effects=[_HALO],
            clip_on=False,
            zorder=1.1 if head else 1,  # a head covers the ends of other lines
            **style,
        )
    )


def groups_of_tips(tips: Float[np.ndarray, "arrow 2"]) -> Int[np.ndarray, "arrow"]:
    """Returns the group of each tip, in points: the heads of a group would lie on each other.

    A group has the number of its first tip.
    """
    groups: list[int] = []
    for k, tip in enumerate(tips):
        near = [g for g in groups if np.linalg.norm(tips[g] - tip) < _HEAD]
        groups.append(near[0] if near else k)
    return np.array(groups, int)


def draw_ellipse(
    axes: Axes,
    points: Float[np.ndarray, "point 2"],
    box: tuple[float, float, float, float],
) -> None:
    """Draws the ellipse of one standard deviation of points, given in fractions of the box.

    What lies outside of the box is not drawn.
    """
    points = points[np.isfinite(points).all(axis=1)]
    if len(points) < 3:
        return
    left, top, right, bottom = box
    places = points * (right - left, bottom - top) + (left, top)
    style = {"edgecolor": _INK, "linestyle": (0, (2, 1.5))}
    ellipse = axes.add_patch(spread_ellipse(places, 1, linewidth=0.8, **style))
    ellipse.set_clip_path(
        Rectangle((left, top), right - left, bottom - top, transform=axes.transData)
    )
