"""Resizes coarse maps to the size of their images."""

from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float, Int

from jaxens.arrays import as_whole


def resize(
    maps: Float[ArrayLike, "*batch map_height map_width"],
    size: tuple[int, int],
    method: Literal["bilinear", "nearest"] = "bilinear",
) -> Float[Array, "*batch height width"]:
    """Returns the maps at another size, as Captum's `LayerAttribution.interpolate`.

    Args:
        maps: With any leading axes.
        size: (height, width), in pixels.
        method: "bilinear" has half-pixel centers (PyTorch's `align_corners=False`) and does not
            antialias. "nearest" is PyTorch's, which takes the pixel at the upper left.

    Raises:
        ValueError: For an unknown method, or a size below 1.
    """
    maps = jnp.asarray(maps)
    for length, name in zip(size, ("height", "width"), strict=True):
        as_whole(length, name)
    if method == "nearest":
        rows, columns = (_nearest(*sides) for sides in zip(maps.shape[-2:], size, strict=True))
        return maps[..., rows[:, None], columns[None, :]]
    if method == "bilinear":
        return jax.image.resize(maps, (*maps.shape[:-2], *size), "bilinear", antialias=False)
    raise ValueError(f"unknown method {method!r}: choose bilinear or nearest")


def _nearest(old: int, new: int) -> Int[np.ndarray, "{new}"]:
    # In float32 as in PyTorch, whose rounding decides at the borders between two pixels.
    scale = np.float32(old) / np.float32(new)
    index = np.floor(np.arange(new, dtype=np.float32) * scale)
    return np.minimum(index.astype(np.int32), old - 1)
