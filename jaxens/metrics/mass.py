"""The center of mass of a map, and its distance from a key point."""

from functools import partial

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.typing import DTypeLike
from jaxtyping import Float, Num

from jaxens.arrays import to_float32
from jaxens.metrics.inputs import ArrayLike, with_axes
from jaxens.metrics.normalize import LARGEST, extremes, has_contrast


@jax.jit
def center_of_mass(map: Num[ArrayLike, "*lead height width"]) -> Float[Array, "*lead 2"]:
    """Returns the center of mass of the positive values of a map.

    Negative values have weight 0: with weights of both signs the center could lie outside the
    image. The minimum is not subtracted: Eq. 3 weights each pixel by its relevance, so relevance
    that is everywhere does pull the center to the middle.

    Pazzani et al. 2022, Eq. 3.

    Args:
        map: Maps.

    Returns:
        (x, y) as fractions of width and height; (0, 0) is the top left corner. A pixel's mass
        is at its center: column `c` is at x = (c + 0.5) / width. NaN where a map is constant or
        not finite, or has no positive value.
    """
    map = to_float32(map)
    low, high = (jnp.maximum(extreme, 0) for extreme in extremes(map))
    scored = has_contrast(map) & (high - low > 1 / LARGEST)[..., 0, 0]
    # Scaled first, so that no sum overflows or underflows float32.
    weights = jnp.maximum(map, 0) / high
    height, width = map.shape[-2:]
    # One pass over the map gives the mass and the moment of each row.
    by_column = jnp.stack([jnp.ones(width, map.dtype), _centers(width, map.dtype)], axis=-1)
    rows = _product("...hw,wk->...hk", weights, by_column)
    mass, x = jnp.sum(rows[..., 0], axis=-1), jnp.sum(rows[..., 1], axis=-1)
    y = _product("...h,h->...", rows[..., 0], _centers(height, map.dtype))
    return jnp.where(scored[..., None], jnp.stack([x, y], axis=-1) / mass[..., None], jnp.nan)


# HIGHEST: by default a GPU or TPU rounds the factors to 10 or 8 bits.
_product = partial(jnp.einsum, precision=lax.Precision.HIGHEST)


def _centers(length: int, dtype: DTypeLike) -> Float[Array, "{length}"]:
    return (jnp.arange(length, dtype=dtype) + 0.5) / length


@jax.jit
def center_of_mass_distance(
    map: Num[ArrayLike, "*#lead height width"], point: Float[ArrayLike, "*#lead 2"]
) -> Float[Array, "*#lead"]:
    """Returns the distance from the center of mass of a map to a key point; lower is better.

    Pazzani et al. 2022, section 3.2.

    Args:
        map: Maps.
        point: Key points (x, y) as fractions of width and height; NaN if not visible.

    Returns:
        One distance per map, in fractions of width and height, so that images of different sizes
        can be compared; at most the square root of 2 for points in the image. NaN where the
        point is NaN, or the map has no center of mass (see `center_of_mass`).
    """
    center = center_of_mass(map)
    point = jnp.asarray(point, center.dtype)
    axes = max(center.ndim, point.ndim)
    offset = with_axes(center, axes) - with_axes(point, axes)
    return jnp.sqrt(jnp.sum(offset**2, axis=-1))
