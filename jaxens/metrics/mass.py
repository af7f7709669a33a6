"""The center of mass of a map, and its distance from a key point."""

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Num

from jaxens.arrays import to_float32
from jaxens.metrics.inputs import ArrayLike, with_axes
from jaxens.metrics.normalize import has_contrast


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
    weights = jnp.maximum(map, 0)
    scored = has_contrast(map) & has_contrast(weights)
    # Scaled first, so that no sum overflows or underflows float32.
    weights = weights / jnp.max(weights, axis=(-2, -1), keepdims=True)
    by_row, by_column = jnp.sum(weights, axis=-1), jnp.sum(weights, axis=-2)
    moments = jnp.stack([_moment(by_column), _moment(by_row)], axis=-1)
    center = moments / jnp.sum(by_row, axis=-1)[..., None]
    return jnp.where(scored[..., None], center, jnp.nan)


def _moment(weights: Float[Array, "*lead length"]) -> Float[Array, "*lead"]:
    length = weights.shape[-1]
    centers = (jnp.arange(length, dtype=weights.dtype) + 0.5) / length
    return jnp.sum(weights * with_axes(centers, weights.ndim), axis=-1)


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
