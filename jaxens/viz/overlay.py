"""A map laid over its picture. For looking at, never for scoring."""

from typing import Literal

import numpy as np
from jaxtyping import Float, UInt8
from matplotlib import colormaps

# "signed": warm speaks for the target, cold against it. "heat" and "spread": one scale each for
# what is not negative; negative values count as none.
Colours = Literal["signed", "heat", "spread"]

WARM, COLD = np.array([255.0, 40.0, 0.0]), np.array([0.0, 90.0, 255.0])
SCALES = {"heat": colormaps["YlOrRd"], "spread": colormaps["BuPu"]}
OPACITY = 0.85


def overlay(
    image: UInt8[np.ndarray, "height width 3"],
    map: Float[np.ndarray, "height width"],
    full: float,
    colours: Colours = "signed",
) -> UInt8[np.ndarray, "height width 3"]:
    """The picture in grey, coloured the more the larger the map's magnitude.

    The colour is full from the magnitude `full` on (see `full_at`); a map that is zero, or
    not finite somewhere, shows the picture in grey alone.
    """
    grey = np.repeat(image.mean(axis=-1, keepdims=True), 3, axis=-1) * 0.6 + 70
    if not np.isfinite(map).all() or full == 0:
        return grey.astype(np.uint8)
    return tinted(grey, map / full, colours)


def tinted(
    grey: Float[np.ndarray, "*lead 3"], values: Float[np.ndarray, "*lead"], colours: Colours
) -> UInt8[np.ndarray, "*lead 3"]:
    """`grey` under the colours of values from -1 to 1; those beyond count as the nearest."""
    values = np.clip(values, -1 if colours == "signed" else 0, 1)[..., None]
    if colours == "signed":
        colour = np.where(values >= 0, WARM, COLD)
    else:
        colour = SCALES[colours](values[..., 0])[..., :3] * 255
    return (grey + (colour - grey) * OPACITY * np.abs(values)).astype(np.uint8)


def full_at(maps: Float[np.ndarray, "*maps height width"], percentile: float = 99.0) -> float:
    """The magnitude that is shown in full colour: this percentile of the maps' magnitudes.

    Where that is zero, as it is for a map of a few pixels, their largest. Maps that are not
    finite somewhere are left out; 0 if none is left.
    """
    magnitudes = np.abs(maps)[np.isfinite(maps).all(axis=(-2, -1))]
    if not magnitudes.size:
        return 0.0
    return float(np.percentile(magnitudes, percentile) or magnitudes.max())
