"""Where arrows start, so that arrows to nearby points can be distinguished."""

import numpy as np
from jaxtyping import Float


def arrow_starts(
    tips: Float[np.ndarray, "arrow 2"], length: float = 0.2
) -> Float[np.ndarray, "arrow 2"]:
    """Returns a start for the arrow to each tip.

    The arrows come from evenly spaced directions, in the order of the tips' angles about their
    mean: they point inwards and do not cross. An arrow that would start outside the image is
    shortened. Coordinates (x, y) are fractions of the image's width and height.
    """
    offsets = tips - tips.mean(axis=0)
    angles = np.arctan2(offsets[:, 1], offsets[:, 0])
    directions = np.empty(len(tips))
    directions[np.argsort(angles)] = np.linspace(0, 2 * np.pi, len(tips), endpoint=False)
    # Rotate all directions by the mean difference to the angles of the tips.
    directions += np.angle(np.exp(1j * (angles - directions)).mean())
    steps = np.stack([np.cos(directions), np.sin(directions)], axis=-1)
    to_edge = np.where(steps > 0, 1 - tips, tips)
    with np.errstate(divide="ignore", invalid="ignore"):
        longest = np.nanmin(to_edge / np.abs(steps), axis=-1, keepdims=True)
    return tips + steps * np.minimum(length, longest)
