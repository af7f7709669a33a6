"""Correlation of a map with a marked region, on a coarse grid."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jaxtyping import Bool, Float, Num

from jaxens.arrays import as_whole, to_float32
from jaxens.metrics.inputs import ArrayLike, Mask, map_and_mask
from jaxens.metrics.normalize import normalize

# Cell means of values in [0, 1] that differ by less than this are equal up to rounding. One
# pixel in a cell of 256 changes its mean by 4e-3.
ROUNDING = 1e-5


@partial(jax.jit, static_argnames="size")
def correlation(
    map: Num[ArrayLike, "*#lead height width"],
    mask: Mask,
    size: int = 14,
    *,
    ignored: Mask | None = None,
) -> Float[Array, "*#lead"]:
    """Returns the Pearson correlation of a map and a mask, both averaged over a grid of cells.

    Negative values count as they are; apply a sign rule first to change that. The map's scale
    and offset have no effect.

    Pazzani et al. 2022, Eq. 2.

    Args:
        map: Maps.
        mask: Masks, boolean or integer (nonzero marks a pixel).
        size: Cells along each side of the grid.
        ignored: Pixels that are left out of the mean of their cell; nonzero marks one. A cell
            without any other pixel is left out.

    Returns:
        A score from -1 to 1 per map; higher is better. NaN where a map is constant or not finite,
        a mask is empty or full, or either is constant after averaging.

    Raises:
        ValueError: If map and mask differ in height or width, or are smaller than the grid.
    """
    map, mask, valid = map_and_mask(map, mask, ignored)
    # Normalized, because the square of a gradient of 1e-25 underflows float32.
    map = normalize(map, signed=False)
    if valid is None:
        return _pearson(area_average(map, size), area_average(mask.astype(map.dtype), size))
    share = area_average(valid.astype(map.dtype), size)
    used = share > ROUNDING
    sums = (area_average(jnp.where(valid, each, 0), size) for each in (map, mask.astype(map.dtype)))
    a, b = (jnp.where(used, each / jnp.where(used, share, 1), jnp.nan) for each in sums)
    # Cells that are left out have the mean of the others, so that they add nothing.
    a, b = (jnp.where(used, x, jnp.nanmean(x, axis=(-2, -1), keepdims=True)) for x in (a, b))
    return _pearson(a, b)


def _pearson(
    a: Float[Array, "*#lead size size"], b: Float[Array, "*#lead size size"]
) -> Float[Array, "*#lead"]:
    scored = _varies(a) & _varies(b)
    a = a - jnp.mean(a, axis=(-2, -1), keepdims=True)
    b = b - jnp.mean(b, axis=(-2, -1), keepdims=True)
    covariance = jnp.sum(a * b, axis=(-2, -1))
    deviations = jnp.sqrt(jnp.sum(a**2, axis=(-2, -1)) * jnp.sum(b**2, axis=(-2, -1)))
    return jnp.where(scored, jnp.clip(covariance / deviations, -1, 1), jnp.nan)


def _varies(cells: Float[Array, "*lead size size"]) -> Bool[Array, "*lead"]:
    return jnp.max(cells, axis=(-2, -1)) - jnp.min(cells, axis=(-2, -1)) > ROUNDING


@partial(jax.jit, static_argnames="size")
def area_average(
    map: Num[ArrayLike, "*lead height width"], size: int
) -> Float[Array, "*lead {size} {size}"]:
    """Returns the mean of a map over each cell of a grid of `size` x `size` equal cells.

    A pixel on the border of two cells counts in each by the fraction of its area there, so height
    and width need not be multiples of `size`. If they are, the result is that of block averages.

    Args:
        map: Maps.
        size: Cells along each side of the grid.

    Returns:
        The cell means, in the unit of the map.

    Raises:
        ValueError: If the map is smaller than the grid, or `size` is not a whole number above 0.
    """
    size = as_whole(size, "size")
    map = to_float32(map)
    height, width = map.shape[-2:]
    if min(height, width) < size:
        raise ValueError(
            f"a map of {height} x {width} pixels is smaller than a grid of {size} x {size}: "
            f"resize it to its image first, or use a size of at most {min(height, width)}"
        )
    rows, columns = (_weights(length, size).astype(map.dtype) for length in (height, width))
    # HIGHEST: by default a GPU or TPU rounds the factors to 10 or 8 bits.
    product = partial(jnp.einsum, precision=lax.Precision.HIGHEST)
    if height % size == 0:  # on a CPU, a sum takes a third of the time of a matrix product
        shares = (map * (size / height)).reshape(*map.shape[:-2], size, height // size, width)
        cells = jnp.sum(shares, axis=-2)
    else:
        cells = product("ih,...hw->...iw", rows, map)
    return product("...iw,jw->...ij", cells, columns)


def _weights(length: int, size: int) -> Float[np.ndarray, "{size} {length}"]:
    """Returns the fraction of cell `i`, one of `size` on `length` pixels, that a pixel covers."""
    edges = np.linspace(0, length, size + 1)
    pixels = np.arange(length)
    starts = np.maximum(edges[:-1, None], pixels)
    ends = np.minimum(edges[1:, None], pixels + 1)
    return np.maximum(ends - starts, 0) * size / length
