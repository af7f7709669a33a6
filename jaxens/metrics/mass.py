"""The centre of mass of a map, and how far it lies from a key point."""

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Num

from jaxens.metrics.inputs import ArrayLike, as_float, with_axes
from jaxens.metrics.normalize import has_contrast


@jax.jit
def center_of_mass(map: Num[ArrayLike, "*lead height width"]) -> Float[Array, "*lead 2"]:
    """The centre of mass (x, y), as fractions of width and height; (0, 0) is the top left corner.

    The weights are the map's values, negative ones counting nothing: with weights of both signs
    the centre can lie outside the picture. Nothing is subtracted first. Eq. 3 weighs each pixel
    by its relevance, and a map with some relevance everywhere does have its centre nearer to
    the middle; to subtract the minimum would sharpen every map by its one least pixel.
    A pixel's mass sits at its centre: column `c` is at x = (c + 0.5) / width.

    NaN where a map is constant or not finite, or has no positive value.

    Pazzani et al. 2022, Eq. 3.
    """
    map = as_float(map)
    weights = jnp.maximum(map, 0)
    scored = has_contrast(map) & has_contrast(weights)
    # Scaled, so that no sum over a map of large or tiny values leaves the range of float32.
    weights = weights / jnp.max(weights, axis=(-2, -1), keepdims=True)
    x = _mean_position(jnp.sum(weights, axis=-2))
    y = _mean_position(jnp.sum(weights, axis=-1))
    return jnp.where(scored[..., None], jnp.stack([x, y], axis=-1), jnp.nan)


def _mean_position(weights: Float[Array, "*lead length"]) -> Float[Array, "*lead"]:
    length = weights.shape[-1]
    centers = with_axes((jnp.arange(length, dtype=weights.dtype) + 0.5) / length, weights.ndim)
    return jnp.sum(weights * centers, axis=-1) / jnp.sum(weights, axis=-1)


@jax.jit
def center_of_mass_distance(
    map: Num[ArrayLike, "*#lead height width"], point: Float[ArrayLike, "*#lead 2"]
) -> Float[Array, "*#lead"]:
    """Euclidean distance from the centre of mass to a key point; lower is better.

    Both are (x, y) fractions of width and height, and so is the distance: it can be compared
    between pictures of different sizes, and is at most the square root of 2. NaN where the
    point is NaN (unseen), or the map has no centre of mass.

    Pazzani et al. 2022, section 3.2.
    """
    center = center_of_mass(map)
    point = jnp.asarray(point, center.dtype)
    axes = max(center.ndim, point.ndim)
    offset = with_axes(center, axes) - with_axes(point, axes)
    return jnp.sqrt(jnp.sum(offset**2, axis=-1))
