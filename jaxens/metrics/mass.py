"""The centre of mass of a map, and how far it lies from a key point."""

from functools import partial

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.typing import DTypeLike
from jaxtyping import Float, Num

from jaxens.metrics.inputs import ArrayLike, as_float, with_axes
from jaxens.metrics.normalize import LARGEST, extremes, has_contrast


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
    low, high = (jnp.maximum(found, 0) for found in extremes(map))
    scored = has_contrast(map) & (high - low > 1 / LARGEST)[..., 0, 0]
    # Scaled, so that no sum over a map of large or tiny values leaves the range of float32.
    weights = weights / high
    height, width = map.shape[-2:]
    moments = jnp.stack([jnp.ones(width, map.dtype), _centers(width, map.dtype)], axis=-1)
    # One pass gives each row's mass and moment. HIGHEST: other devices than a CPU round products.
    product = partial(jnp.einsum, precision=lax.Precision.HIGHEST)
    rows = product("...hw,wk->...hk", weights, moments)
    mass, x = (rows[..., k].sum(axis=-1) for k in range(2))
    y = product("...h,h->...", rows[..., 0], _centers(height, map.dtype))
    center = jnp.stack([x / mass, y / mass], axis=-1)
    return jnp.where(scored[..., None], center, jnp.nan)


def _centers(length: int, dtype: DTypeLike) -> Float[Array, "{length}"]:
    """Where pixels lie, as fractions of a side."""
    return (jnp.arange(length, dtype=dtype) + 0.5) / length


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
