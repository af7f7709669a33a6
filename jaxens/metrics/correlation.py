"""Correlation of a map with a marked region on a coarse grid."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jaxtyping import Bool, Float, Num

from jaxens.metrics.inputs import ArrayLike, Mask, as_float, paired
from jaxens.metrics.normalize import normalize

# Values in [0, 1] whose means over the cells of the grid differ by less than this differ by
# rounding only: one pixel in a cell of 256 moves its mean by 4e-3.
ROUNDING = 1e-5


@partial(jax.jit, static_argnames="size")
def correlation(
    map: Num[ArrayLike, "*#lead height width"], mask: Mask, size: int = 14
) -> Float[Array, "*#lead"]:
    """Pearson correlation of map and mask, both averaged over the areas of `size` x `size` cells.

    From -1 to 1; higher is better. The map is taken as it is: where negative values are not to
    count, apply a sign rule first. NaN where a map is constant or not finite, a mask is empty
    or full, or either is constant once averaged.

    Pazzani et al. 2022, Eq. 2.

    **Raises:** `ValueError` if map and mask differ in height and width, or are smaller than
    the grid.
    """
    map, mask = paired(map, mask)
    # Pearson's coefficient does not see a shift or a scale, but float32 does: the square of a
    # gradient of 1e-25 is zero.
    unit = normalize(map, signed=False)
    # Values in [0, 1], which can be summed as they are.
    rows = unit.shape[-2] / size
    return _pearson(_cells(unit, size) / rows, _cells(jnp.asarray(mask, unit.dtype), size) / rows)


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
    """The mean of a map over each cell of a grid of `size` x `size` equal cells.

    A pixel that lies in two cells counts in each by the fraction of it that lies there, so any
    height and width will do; where they are multiples of `size`, this is the mean of blocks.

    **Raises:** `ValueError` if the map is smaller than the grid.
    """
    # Divided first, so that no sum over large values leaves the range of float32.
    return _cells(as_float(map) / (map.shape[-2] / size), size)


def _cells(
    map: Float[Array, "*lead height width"], size: int
) -> Float[Array, "*lead {size} {size}"]:
    """For each cell, the sum over its rows of the mean over its columns.

    A division per cell in place of one per pixel saves XLA:CPU a pass over the map.
    """
    height, width = map.shape[-2:]
    if min(height, width) < size:
        raise ValueError(
            f"a map of {height} x {width} pixels is smaller than a grid of {size} x {size}: "
            f"resize it to its picture first, or ask for a size of at most {min(height, width)}"
        )
    # HIGHEST: a GPU or TPU would round the values to 10 or 8 bits.
    product = partial(jnp.einsum, precision=lax.Precision.HIGHEST)
    if height % size == 0:  # a sum takes a third of a matrix product's time on a CPU
        rows = height // size
        cells = jnp.sum(map.reshape(*map.shape[:-2], size, rows, width), axis=-2)
    else:
        cells = product("ih,...hw->...iw", _covered(height, size).astype(map.dtype), map)
    shares = _covered(width, size) * size / width
    return product("...iw,jw->...ij", cells, shares.astype(map.dtype))


def _covered(length: int, size: int) -> Float[np.ndarray, "{size} {length}"]:
    """Row `i`: how much of each pixel lies in cell `i`, when `size` cells span `length` pixels."""
    edges = np.linspace(0, length, size + 1)
    pixels = np.arange(length)
    starts = np.maximum(edges[:-1, None], pixels)
    ends = np.minimum(edges[1:, None], pixels + 1)
    return np.maximum(ends - starts, 0)
