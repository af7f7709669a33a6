"""Bringing a coarse map to the size of its image."""

from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float


def resize(
    maps: Float[ArrayLike, "*batch map_height map_width"],
    size: tuple[int, int],
    method: Literal["bilinear", "nearest"] = "bilinear",
) -> Float[Array, "*batch height width"]:
    """Maps at `size` (height, width), as Captum's `LayerAttribution.interpolate`.

    "bilinear" has half-pixel centres (PyTorch's `align_corners=False`) and does not
    antialias; "nearest" is PyTorch's, which takes the pixel at the upper left.
    """
    maps = jnp.asarray(maps)
    if min(size) < 1:
        raise ValueError(f"size is {size}: give a height and a width of at least 1")
    if method == "nearest":
        rows, columns = (_nearest(*sides) for sides in zip(maps.shape[-2:], size, strict=True))
        return maps[..., rows[:, None], columns[None, :]]
    if method == "bilinear":
        return jax.image.resize(maps, (*maps.shape[:-2], *size), "bilinear", antialias=False)
    raise ValueError(f"unknown method {method!r}: choose bilinear or nearest")


def _nearest(length: int, wanted: int) -> np.ndarray:
    # In float32 as in PyTorch, whose rounding decides at the borders between two pixels.
    scale = np.float32(length) / np.float32(wanted)
    index = np.floor(np.arange(wanted, dtype=np.float32) * scale)
    return np.minimum(index.astype(np.int32), length - 1)
