"""Segments of an image: groups of pixels that LIME replaces as one.

A segmentation is an array of labels [height, width]: 0, 1, 2, ... The images of a batch may
have different numbers of segments, and a label may have no pixel.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float, Integer, Real

from jaxens.arrays import as_whole
from jaxens.errors import remedy

MANY = 1000  # with at least so many labels, half of them must have pixels


def grid(height: int, width: int, cells: int) -> Integer[np.ndarray, "height width"]:
    """Returns the labels of a grid of rectangles, row by row.

    Args:
        height: In pixels.
        width: In pixels.
        cells: Rectangles along each side. Their sizes differ by a pixel at most.

    Raises:
        ValueError: Unless `cells` is a whole number from 1 to the pixels along the shorter side.
    """
    cells = as_whole(cells, "cells")
    if cells > min(height, width):
        raise ValueError(
            f"cells is {cells} for {height} x {width} pixels: give 1 to {min(height, width)}, the "
            "number of cells on each side"
        )
    rows, columns = (np.arange(length) * cells // length for length in (height, width))
    return (rows[:, None] * cells + columns).astype(np.int32)


def superpixels(
    images: Real[ArrayLike, "image height width channel"], method: str = "slic", **settings: Any
) -> Integer[np.ndarray, "image height width"]:
    """Returns superpixels by scikit-image, which runs on the host.

    Args:
        images: Photos, not normalized: integers from 0 to 255 or floats from 0 to 1, in color or
            gray. scikit-image compares colors as the eye does.
        method: A function of `skimage.segmentation`: "slic" (about 49 segments by default),
            "quickshift" (with the settings of marcotcr/lime) or "felzenszwalb".
        **settings: The settings of that function, such as `n_segments` of "slic".

    Returns:
        Labels 0, 1, 2, ... without gaps for each image.

    Raises:
        ValueError: For an unknown method, or images that are not photos.
    """
    from skimage import segmentation

    methods: dict[str, tuple[Callable[..., np.ndarray], dict[str, Any]]] = {
        "slic": (segmentation.slic, {"n_segments": 49}),
        "quickshift": (
            segmentation.quickshift,
            {"kernel_size": 4, "max_dist": 200, "ratio": 0.2},
        ),
        "felzenszwalb": (segmentation.felzenszwalb, {}),
    }
    if method not in methods:
        raise ValueError(f"unknown method {method!r}: {remedy(method, methods)}")
    segment, defaults = methods[method]
    settings = {"channel_axis": -1} | defaults | settings
    labels = [_without_gaps(segment(photo, **settings)) for photo in _as_photos(images)]
    return np.stack(labels).astype(np.int32)


def _without_gaps(labels: np.ndarray) -> np.ndarray:
    return np.unique(labels, return_inverse=True)[1].reshape(labels.shape)


def _as_photos(images: ArrayLike) -> Float[np.ndarray, "image height width 3"]:
    photos = np.asarray(images)
    if photos.ndim != 4 or photos.shape[-1] not in (1, 3) or not photos.size:
        raise ValueError(
            f"images has shape {photos.shape}: give [image, height, width, 3], or 1 for gray; "
            "a single image is images[None]"
        )
    if np.issubdtype(photos.dtype, np.integer):
        photos = photos / 255
    if not (photos.min() >= 0 and photos.max() <= 1):  # true for NaN, too
        raise ValueError(
            "superpixels are cut from photos: give integers from 0 to 255 or floats from 0 to 1, "
            "and no normalized images"
        )
    return np.broadcast_to(photos, (*photos.shape[:3], 3)).astype(float)


def segments_to_map(
    weights: Float[ArrayLike, "image segment"], segments: Integer[ArrayLike, "image height width"]
) -> Float[Array, "image height width"]:
    """Returns maps in which each pixel has the weight of its segment.

    Args:
        weights: The weights of `lime_weights`, for one output.
        segments: Labels of the pixels. A traced label without a weight gives NaN.

    Raises:
        ValueError: If labels and weights do not fit.
    """
    weights = jnp.asarray(weights)
    images, count = weights.shape
    labels, _ = as_segments(segments, (images, *np.shape(segments)[1:]), count)
    flat = labels.reshape(images, -1)
    return jnp.take_along_axis(weights, flat, axis=1, mode="fill").reshape(labels.shape)


def as_segments(
    segments: Integer[ArrayLike, "image height width"],
    shape: tuple[int, ...] | None,
    count: int | None,
) -> tuple[Integer[Array, "image height width"], int]:
    """Returns checked labels, and the number of labels.

    Args:
        segments: Labels.
        shape: (image, height, width); None for any.
        count: The number of labels; None for the largest label plus one.

    Returns:
        Labels and their number. Traced labels that are out of range become `count`.

    Raises:
        ValueError: If the labels do not fit.
    """
    if not isinstance(segments, Array):
        segments = np.asarray(segments)  # a list
    if not jnp.issubdtype(segments.dtype, jnp.integer):
        raise ValueError(f"segments has type {segments.dtype}: give integer labels")
    if np.ndim(segments) != 3 or shape not in (None, np.shape(segments)):
        expected = shape or "[image, height, width]"
        raise ValueError(
            f"segments has shape {np.shape(segments)}: give a label for each pixel of each image, "
            f"{expected}; np.broadcast_to repeats one segmentation for all images"
        )
    if not isinstance(segments, jax.core.Tracer):
        count = _check_labels(np.asarray(segments), count)
    elif count is None:
        raise ValueError(
            "segments is traced, and its labels cannot be counted: give segment_count, at least "
            "the largest label plus one"
        )
    labels = jnp.asarray(segments, jnp.int32)
    return jnp.where((labels < 0) | (labels >= count), count, labels), count


def _check_labels(segments: np.ndarray, count: int | None) -> int:
    low, high = int(segments.min(initial=0)), int(segments.max(initial=0))
    if low < 0:
        raise ValueError(f"segments has the label {low}: give labels from 0 on")
    # A label without pixels costs as much memory and time as a segment.
    if count is None and high >= MANY and high + 1 > 2 * (number := len(np.unique(segments))):
        raise ValueError(
            f"segments has labels up to {high}, but only {number} segments: number them without "
            "gaps, np.unique(segments, return_inverse=True)[1].reshape(segments.shape)"
        )
    if count is not None and high >= count:
        raise ValueError(f"segments has the label {high}, but room for {count}: labels start at 0")
    return high + 1 if count is None else count
