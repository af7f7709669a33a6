"""Where an arrow points: one point of a map. Maps and points are NumPy arrays on the host."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

from jaxens import metrics

SMOOTHING = 0.05  # standard deviation of the blur before a maximum is looked for, in image widths
REGION = 0.5  # of a blurred map's maximum, from which on a pixel belongs to a region

Tip = Callable[[Float[np.ndarray, "*lead height width"]], Float[np.ndarray, "*lead 2"]]


def center_of_mass(maps: Float[np.ndarray, "*lead height width"]) -> Float[np.ndarray, "*lead 2"]:
    """Returns the center of mass of the positive values, see `jaxens.metrics.center_of_mass`.

    Pazzani et al. 2022, section 7.
    """
    return np.asarray(metrics.center_of_mass(maps), np.float64)


def peak(maps: Float[np.ndarray, "*lead height width"]) -> Float[np.ndarray, "*lead 2"]:
    """Returns the largest value of the blurred map."""
    return _each(maps, lambda map: _center(map == map.max(), map))


def region(maps: Float[np.ndarray, "*lead height width"]) -> Float[np.ndarray, "*lead 2"]:
    """Returns the center of mass of the region of most relevance.

    A region is connected pixels of the blurred map with at least half of its maximum.
    """
    return _each(maps, lambda map: _center(_largest_region(map), map))


TIPS: dict[str, Tip] = {"center_of_mass": center_of_mass, "peak": peak, "region": region}


def region_boxes(maps: Float[np.ndarray, "*lead height width"]) -> Float[np.ndarray, "*lead 4"]:
    """Returns the bounding box of the region of most relevance, see `region`.

    Returns:
        Left, top, right, bottom as fractions of width and height; NaN where a map has no positive
        value or is not finite.
    """
    return _each(maps, lambda map: _box(_largest_region(map)), 4)


def _each(
    maps: Float[np.ndarray, "*lead height width"],
    point: Callable[[Float[np.ndarray, "height width"]], Float[np.ndarray, "value"]],
    values: int = 2,
) -> Float[np.ndarray, "*lead value"]:
    """Applies a function to each blurred map; NaN where a map shows nothing."""
    height, width = maps.shape[-2:]
    flat = np.full((int(np.prod(maps.shape[:-2])), values), np.nan)
    for k, map in enumerate(maps.reshape(-1, height, width)):
        positive = np.maximum(map, 0)
        if np.isfinite(positive).all() and positive.max() > 0:
            scaled = positive / positive.max()
            blurred = ndimage.gaussian_filter(scaled, SMOOTHING * width, mode="constant")
            flat[k] = point(blurred)
    return flat.reshape(*maps.shape[:-2], values)


def _largest_region(map: Float[np.ndarray, "height width"]) -> Bool[np.ndarray, "height width"]:
    labels, count = ndimage.label(map >= REGION * map.max())
    mass = ndimage.sum_labels(map, labels, np.arange(1, count + 1))
    return labels == 1 + int(np.argmax(mass))


def _center(
    pixels: Bool[np.ndarray, "height width"], map: Float[np.ndarray, "height width"]
) -> Float[np.ndarray, "2"]:
    y, x = np.nonzero(pixels)
    weights = map[pixels]
    height, width = map.shape
    center = np.average(np.stack([x, y], axis=1) + 0.5, axis=0, weights=weights)
    return center / (width, height)


def _box(pixels: Bool[np.ndarray, "height width"]) -> Float[np.ndarray, "4"]:
    y, x = np.nonzero(pixels)
    height, width = pixels.shape
    corners = np.array([x.min(), y.min(), x.max() + 1, y.max() + 1], float)
    return corners / (width, height, width, height)
