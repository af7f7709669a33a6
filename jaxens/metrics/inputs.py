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
    map: Num[ArrayLike, "... height width"], mask: Mask
) -> tuple[Float[Array, "..."], Bool[Array, "..."]]:
    """Converts to a float map and a boolean mask with the same number of axes.

    Raises:
        ValueError: If their heights or widths differ, or the mask is not boolean or integer.
    """
    if map.shape[-2:] != mask.shape[-2:]:
        raise ValueError(
            f"a map of shape {map.shape} and a mask of shape {mask.shape} differ in height and "
            "width: resize the map to the size of the mask first"
        )
    check_mask_dtype(mask.dtype)
    axes = max(map.ndim, mask.ndim)
    return with_axes(to_float32(map), axes), with_axes(jnp.asarray(mask).astype(bool), axes)


def check_mask_dtype(dtype: np.dtype) -> None:
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
