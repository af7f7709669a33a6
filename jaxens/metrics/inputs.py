"""Argument types of the metrics, and the checks and conversions that they share."""

import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Bool, Float, Integer, Num

from jaxens.arrays import to_float32

ArrayLike = Array | np.ndarray
Images = Float[ArrayLike, "image height width channel"]

# A boolean mask, or integers of which every nonzero one marks a pixel. The underscores stop
# jaxtyping from comparing sizes: `map_and_mask` does that, with a better message.
Mask = Bool[ArrayLike, "*#lead _height _width"] | Integer[ArrayLike, "*#lead _height _width"]


def map_and_mask(
    map: Num[ArrayLike, "... height width"], mask: Mask, ignored: Mask | None = None
) -> tuple[Float[Array, "..."], Bool[Array, "..."], Bool[Array, "..."] | None]:
    """Converts to a float map and boolean masks with the same number of axes.

    Args:
        map: Maps.
        mask: Masks.
        ignored: Pixels to leave out.

    Returns:
        The map, the mask, and the pixels that count; None if all do. In the others, the map has
        the smallest of the values that count, and the mask is empty.

    Raises:
        ValueError: If heights or widths differ, or a mask is not boolean or integer.
    """
    masks = [mask] if ignored is None else [mask, ignored]
    for each in masks:
        if map.shape[-2:] != each.shape[-2:]:
            raise ValueError(
                f"a map of shape {map.shape} and a mask of shape {each.shape} differ in height and "
                "width: resize the map to the size of the mask first"
            )
        check_mask_dtype(each.dtype)
    axes = max(each.ndim for each in (map, *masks))
    values = with_axes(to_float32(map), axes)
    marked, *rest = (with_axes(jnp.asarray(each).astype(bool), axes) for each in masks)
    if not rest:
        return values, marked, None
    valid = ~rest[0]
    least = jnp.min(values, (-2, -1), keepdims=True, where=valid, initial=jnp.inf)
    return jnp.where(valid, values, least), marked & valid, valid


def among(pixels: Bool[Array, "..."], valid: Bool[Array, "..."] | None) -> Bool[Array, "..."]:
    """Returns those pixels that count."""
    return pixels if valid is None else pixels & valid


def check_mask_dtype(dtype: np.dtype) -> None:
    """Raises `ValueError` for masks that are neither boolean nor integer."""
    if not (jnp.issubdtype(dtype, jnp.bool_) or jnp.issubdtype(dtype, jnp.integer)):
        raise ValueError(
            f"a mask is boolean or integer, not {dtype}: apply a threshold first, such as "
            "mask > 0.5"
        )


def count(pixels: Bool[Array, "*lead height width"]) -> Float[Array, "*lead"]:
    """Counts the marked pixels of each mask; exact up to 16 million.

    XLA:CPU adds floats three times as fast as booleans.
    """
    return jnp.sum(pixels.astype(jnp.float32), axis=(-2, -1))


def with_axes(array: Array, axes: int) -> Array:
    """Adds leading axes of length 1: arrays of equal rank broadcast under every JAX setting."""
    return array.reshape((1,) * (axes - array.ndim) + array.shape)
