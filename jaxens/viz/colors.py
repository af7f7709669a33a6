"""Turns a relevance map into the pixels of a panel. For looking at, never for scoring."""

from typing import Literal

import numpy as np
from jaxtyping import Float, UInt8
from matplotlib import colormaps

# "signed": warm for positive values, cold for negative ones. "heat" and "spread": one color scale
# for positive values; negative values count as zero.
Colors = Literal["signed", "heat", "spread"]
Kind = Literal["overlay", "heatmap", "masked", "alpha"]

WARM, COLD = np.array([255, 40, 0], np.float32), np.array([0, 90, 255], np.float32)
COLORMAPS = {"heat": colormaps["YlOrRd"], "spread": colormaps["BuPu"]}
OPACITY = 0.85


def full_color_at(maps: Float[np.ndarray, "*lead height width"], percentile: float = 99.0) -> float:
    """Returns the magnitude from which on the color is full: a percentile of all magnitudes.

    A percentile rather than the maximum, so that one outlier does not hide the rest. Where the
    percentile is zero (a map of few pixels), the maximum. Maps that are not finite are left out;
    0 if none is left.
    """
    if not 0 < percentile <= 100:
        raise ValueError(f"percentile is {percentile}: choose one above 0 and at most 100")
    magnitudes = np.abs(maps)[np.isfinite(maps).all(axis=(-2, -1))]
    if not magnitudes.size:
        return 0.0
    return float(np.percentile(magnitudes, percentile) or magnitudes.max())


def color_map(
    image: UInt8[np.ndarray, "height width 3"],
    map: Float[np.ndarray, "height width"],
    full: float,
    colors: Colors,
    kind: Kind = "overlay",
) -> UInt8[np.ndarray, "height width 3"]:
    """Returns the panel of a map over its image; see `show` for the kinds.

    A map that is zero or not finite is painted like a map of zeros.
    """
    values = map / full if np.isfinite(map).all() and full > 0 else np.zeros(map.shape)
    if kind == "overlay":
        return tint(image.mean(axis=-1, keepdims=True) * 0.6 + 70, values, colors)
    if kind == "heatmap":
        return tint(np.full((*map.shape, 1), 255.0), values, colors)
    if kind not in ("masked", "alpha"):
        raise ValueError(f"unknown kind {kind!r}: choose overlay, heatmap, masked or alpha")
    background = 0.0 if kind == "masked" else 255.0
    weights = np.clip(values, 0, 1)[..., None]
    return np.rint(background + (image - background) * weights).astype(np.uint8)


def tint(
    gray: Float[np.ndarray, "*lead 1"], values: Float[np.ndarray, "*lead"], colors: Colors
) -> UInt8[np.ndarray, "*lead 3"]:
    """Color `gray` by values in [-1, 1]: the larger the magnitude, the stronger the color."""
    gray, values = gray.astype(np.float32), values.astype(np.float32)  # half the time of float64
    values = np.clip(values, -1 if colors == "signed" else 0, 1)
    if colors == "signed":
        color = np.where(values[..., None] >= 0, WARM, COLD)
    else:
        color = COLORMAPS[colors](values)[..., :3].astype(np.float32) * 255
    return (gray + (color - gray) * np.float32(OPACITY) * np.abs(values)[..., None]).astype(
        np.uint8
    )


def remark(map: Float[np.ndarray, "height width"], colors: Colors, kind: Kind = "overlay") -> str:
    """Returns why a panel shows no structure, or "" if it shows some."""
    if not np.isfinite(map).all():
        return "not finite"
    if not map.any():
        return "zero"
    if map.max() <= 0 and (colors != "signed" or kind in ("masked", "alpha")):
        return "no positive value"
    return "constant" if map.min() == map.max() else ""
