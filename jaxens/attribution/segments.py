"""Segments of an image: which pixels LIME hides together.

A segmentation is an array of labels [height, width]: 0, 1, 2, ... The images of a batch may
have different numbers of segments, and a label may be without pixels.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float, Integer, Real


def grid(height: int, width: int, cells: int) -> Integer[np.ndarray, "height width"]:
    """Labels of `cells` x `cells` rectangles, row by row, as equal in size as pixels allow."""
    if not 1 <= cells <= min(height, width):
        raise ValueError(
            f"cells is {cells} for {height} x {width} pixels: give 1 to {min(height, width)}, the "
            "number of cells on each side"
        )
    rows, columns = (np.arange(length) * cells // length for length in (height, width))
    return (rows[:, None] * cells + columns).astype(np.int32)


def superpixels(
    images: Real[ArrayLike, "image height width channel"], method: str = "slic", **settings: Any
) -> Integer[np.ndarray, "image height width"]:
    """Superpixels by scikit-image, on the host; each image's labels are 0, 1, 2, ... without gaps.

    `images` are pictures as people see them, integers from 0 to 255 or floats from 0 to 1, in
    colour or grey: scikit-image compares colours as the eye does. `settings` are those of
    `skimage.segmentation`'s function called `method`: "slic" (about `n_segments` pieces, 49
    as in MATLAB's imageLIME), "quickshift" (with marcotcr/lime's settings) or "felzenszwalb"
    (with scikit-image's).
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
        raise ValueError(f"unknown method {method!r}: choose from {', '.join(methods)}")
    segment, defaults = methods[method]
    settings = {"channel_axis": -1} | defaults | settings
    labels = [_without_gaps(segment(picture, **settings)) for picture in _as_pictures(images)]
    return np.stack(labels).astype(np.int32)


def _without_gaps(labels: np.ndarray) -> np.ndarray:
    return np.unique(labels, return_inverse=True)[1].reshape(labels.shape)


def _as_pictures(images: ArrayLike) -> Float[np.ndarray, "image height width 3"]:
    pictures = np.asarray(images)
    if pictures.ndim != 4 or pictures.shape[-1] not in (1, 3) or not pictures.size:
        raise ValueError(
            f"images has shape {pictures.shape}: give [image, height, width, 3], or 1 for grey; "
            "one image alone is images[None]"
        )
    if np.issubdtype(pictures.dtype, np.integer):
        pictures = pictures / 255
    if not (pictures.min() >= 0 and pictures.max() <= 1):  # nor NaN
        raise ValueError(
            "superpixels are cut from pictures as people see them: give integers from 0 to 255 or "
            "floats from 0 to 1, and no normalised images"
        )
    return np.broadcast_to(pictures, (*pictures.shape[:3], 3)).astype(float)


def segments_to_map(
    weights: Float[ArrayLike, "image segment"], segments: Integer[ArrayLike, "image height width"]
) -> Float[Array, "image height width"]:
    """Maps in which each pixel has its segment's weight; NaN where a traced label has none."""
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
    """Labels for images of `shape` (image, height, width; any, if None), and their number.

    `count` None stands for the largest label and one more. Labels below 0 or from `count`
    on raise ValueError; where they are traced, and can't be looked at, they become `count`.
    """
    if not isinstance(segments, Array):
        segments = np.asarray(segments)  # a list
    if not jnp.issubdtype(segments.dtype, jnp.integer):
        raise ValueError(f"segments has type {segments.dtype}: give integer labels")
    if np.ndim(segments) != 3 or shape not in (None, np.shape(segments)):
        wanted = shape or "[image, height, width]"
        raise ValueError(
            f"segments has shape {np.shape(segments)}: give a label for each pixel of each image, "
            f"{wanted}; np.broadcast_to makes that of one segmentation for all images"
        )
    if not isinstance(segments, jax.core.Tracer):
        count = _check_labels(np.asarray(segments), count)
    elif count is None:
        raise ValueError(
            "segments is traced, and its labels can't be counted: give segment_count, at least "
            "the largest label and one more"
        )
    labels = jnp.asarray(segments, jnp.int32)
    return jnp.where((labels < 0) | (labels >= count), count, labels), count


def _check_labels(segments: np.ndarray, count: int | None) -> int:
    low, high = int(segments.min(initial=0)), int(segments.max(initial=0))
    if low < 0:
        raise ValueError(f"segments has the label {low}: give labels from 0 on")
    if count is not None and high >= count:
        raise ValueError(f"segments has the label {high}, but room for {count}: labels start at 0")
    return high + 1 if count is None else count
