"""A map laid over its picture. For looking at, never for scoring."""

import numpy as np
from jaxtyping import Float, UInt8

WARM, COLD = np.array([255.0, 40.0, 0.0]), np.array([0.0, 90.0, 255.0])


def overlay(
    image: UInt8[np.ndarray, "height width 3"],
    map: Float[np.ndarray, "height width"],
    percentile: float = 99.0,
) -> UInt8[np.ndarray, "height width 3"]:
    """Warm where the map speaks for the target, cold where it speaks against it.

    The colour is full at this percentile of the map's magnitudes; a constant or broken map
    shows the picture in grey alone.
    """
    grey = np.repeat(image.mean(axis=-1, keepdims=True), 3, axis=-1) * 0.6 + 70
    top = np.percentile(np.abs(map), percentile)
    if not np.isfinite(map).all() or top == 0:
        return grey.astype(np.uint8)
    strength = np.clip(np.abs(map) / top, 0, 1)[..., None]
    colour = np.where(map[..., None] >= 0, WARM, COLD)
    return (grey + (colour - grey) * 0.85 * strength).astype(np.uint8)
