"""Panels that show an image and its maps with what people marked."""

import numpy as np
from jaxtyping import Bool, Float, UInt8
from matplotlib.axes import Axes

from jaxens.viz.arrows import draw_image
from jaxens.viz.colors import Colors, color_map, full_color_at
from jaxens.viz.panels import Panel, fitted

_TRUTH = "#ffd400"
_EDGE = "black"  # around the truth's line, so that it is seen on any color


def map_panel(
    image: UInt8[np.ndarray, "height width 3"],
    map: Float[np.ndarray, "height width"] | None,
    *,
    colors: Colors = "signed",
    mask: Bool[np.ndarray, "height width"] | None = None,
    point: Float[np.ndarray, "2"] | None = None,
    inches: float = 1.5,
) -> Panel:
    """Returns a panel with an image, or a map over it, and the truth in yellow.

    Args:
        image: RGB.
        map: Relevance; None draws the image alone.
        colors: See `jaxens.viz.colors`.
        mask: The annotated part, whose border is drawn; or None.
        point: x, y of the annotated point in fractions of the sides; NaN or None if there is none.
        inches: The image's longer side on paper.
    """
    width, height = fitted(image, inches)
    shown = image if map is None else color_map(image, map, full_color_at(map), colors)

    def draw(axes: Axes) -> None:
        draw_image(axes, shown, (0, 0, width, height))
        for color, thickness in ((_EDGE, 1.8), (_TRUTH, 0.9)):
            if mask is not None and mask.any():
                # Contours run between the centers of pixels; the frame closes them at the edges.
                x, y = ((np.arange(-1, n + 1) + 0.5) / n for n in mask.shape[::-1])
                axes.contour(
                    x * width,
                    y * height,
                    np.pad(mask, 1),
                    [0.5],
                    colors=[color],
                    linewidths=thickness,
                )
            if point is not None and np.isfinite(point).all():
                axes.plot(
                    point[0] * width, point[1] * height, "+", color=color, markersize=6,
                    markeredgewidth=thickness,
                )  # fmt: skip

    return Panel((width, height), draw)
