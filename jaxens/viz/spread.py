"""The ellipse that shows how far points spread."""

from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.patches import Ellipse
from matplotlib.patheffects import withStroke


def spread_ellipse(
    points: Float[np.ndarray, "point 2"], deviations: float, *, linewidth: float, **style: Any
) -> Ellipse:
    """Returns an ellipse about the mean of some points; its white edge is seen on dark images.

    Args:
        points: x, y in the units of the axes; at least two.
        deviations: Its half axes, in standard deviations of the points.
        linewidth: Of its line, in points of 1/72 inch.
        **style: Further arguments of the patch.
    """
    variances, directions = np.linalg.eigh(np.cov(points.T))
    width, height = 2 * deviations * np.sqrt(np.maximum(variances, 0))
    return Ellipse(
        tuple(points.mean(axis=0)),
        width,
        height,
        angle=np.degrees(np.arctan2(directions[1, 0], directions[0, 0])),
        fill=False,
        linewidth=linewidth,
        path_effects=[withStroke(linewidth=linewidth + 1, foreground="white")],
        **style,
    )
