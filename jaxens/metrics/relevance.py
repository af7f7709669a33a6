"""Scores of the relevance inside a marked region that need no threshold.

For a map of noise, the expected value of each is the fraction of the image that is marked (see
`random_maps`).
"""

import math
from functools import partial

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float, Num

from jaxens.arrays import as_whole
from jaxens.metrics.inputs import ArrayLike, Mask, map_and_mask
from jaxens.metrics.normalize import has_contrast
from jaxens.sharding import with_auto_axes


@partial(jax.jit, static_argnames="tolerance")
def pointing_game(
    map: Num[ArrayLike, "*#lead height width"],
    mask: Mask,
    tolerance: int = 0,
    *,
    ignored: Mask | None = None,
) -> Float[Array, "*#lead"]:
    """Returns whether the maximum of a map lies in the mask; higher is better.

    Zhang et al. 2018, "Top-down neural attention by excitation backprop". They use a tolerance
    of 15 pixels on photos of about 500 x 400 pixels; on small images that would count most
    misses as hits, so the default is 0.

    Args:
        map: Maps.
        mask: Masks, boolean or integer (nonzero marks a pixel).
        tolerance: The largest distance from the mask, in pixels of the map, that is still a hit.
        ignored: Pixels that are left out, as if the images had none there; nonzero marks one.

    Returns:
        1 for a hit and 0 for a miss, per map. If several pixels are tied for the maximum, the
        fraction of them that are hits. NaN where a map is constant or not finite, or a mask is
        empty (Quantus counts an empty mask as a hit).

    Raises:
        ValueError: If map and mask differ in height or width, or the tolerance is no whole number
            of at least 0.
    """
    tolerance = as_whole(tolerance, "tolerance", least=0)
    map, mask, _ = map_and_mask(map, mask, ignored)
    maxima = map == jnp.max(map, axis=(-2, -1), keepdims=True)
    hits = jnp.sum(maxima & _dilate(mask, tolerance), axis=(-2, -1))
    scored = has_contrast(map) & jnp.any(mask, axis=(-2, -1))
    return jnp.where(scored, hits / jnp.sum(maxima, axis=(-2, -1)), jnp.nan)


def _dilate(mask: Bool[Array, "*lead height width"], radius: int) -> Bool[Array, "..."]:
    """Marks the pixels whose centers are at most `radius` from that of a marked pixel."""
    height, width = mask.shape[-2:]
    margins = [(0, 0)] * (mask.ndim - 2) + [(radius, radius), (radius + 1, radius)]
    # An interval of a row holds a marked pixel if the cumulative counts at its ends differ.
    counts = jnp.cumsum(jnp.pad(mask, margins), axis=-1, dtype=jnp.int32)
    near = jnp.zeros_like(mask)
    for offset in range(-radius, radius + 1):
        reach = math.isqrt(radius**2 - offset**2)
        rows = counts[..., radius + offset :, :][..., :height, :]
        before = rows[..., radius - reach :][..., :width]
        near |= rows[..., radius + reach + 1 :][..., :width] > before
    return near


@jax.jit
def relevance_mass(
    map: Num[ArrayLike, "*#lead height width"], mask: Mask, ignored: Mask | None = None
) -> Float[Array, "*#lead"]:
    """Returns the fraction of the positive relevance that lies in the mask; higher is better.

    Negative values count as 0. The minimum is not subtracted.

    Arras et al. 2022 ("relevance mass accuracy"); Wang et al. 2020, Score-CAM ("energy-based
    pointing game").

    Args:
        map: Maps.
        mask: Masks, boolean or integer (nonzero marks a pixel).
        ignored: Pixels that are left out, as if the images had none there; nonzero marks one.

    Returns:
        A score from 0 to 1 per map. NaN where a map is constant or not finite, or has no
        positive value, or a mask is empty.

    Raises:
        ValueError: If map and mask differ in height or width.
    """
    map, mask, valid = map_and_mask(map, mask, ignored)
    relevance = jnp.maximum(map, 0)
    scored = has_contrast(map) & has_contrast(relevance) & jnp.any(mask, axis=(-2, -1))
    if valid is not None:
        relevance = jnp.where(valid, relevance, 0)
    # Scaled first, so that no sum overflows or underflows float32.
    relevance = relevance / jnp.max(relevance, axis=(-2, -1), keepdims=True)
    inside = jnp.sum(jnp.where(mask, relevance, 0), axis=(-2, -1))
    return jnp.where(scored, inside / jnp.sum(relevance, axis=(-2, -1)), jnp.nan)


@with_auto_axes
@jax.jit
def relevance_rank(
    map: Num[ArrayLike, "*#lead height width"], mask: Mask, ignored: Mask | None = None
) -> Float[Array, "*#lead"]:
    """Returns the fraction of the K most relevant pixels in a mask of K pixels; higher is better.

    If several pixels are tied for the last places among the K, the result is the expected value
    over random orders of them, so it depends neither on the pixel order nor on a seed.

    Arras et al. 2022 ("relevance rank accuracy").

    Args:
        map: Maps.
        mask: Masks, boolean or integer (nonzero marks a pixel).
        ignored: Pixels that are left out, as if the images had none there; nonzero marks one.

    Returns:
        A score from 0 to 1 per map. NaN where a map is constant or not finite, or a mask is empty.

    Raises:
        ValueError: If map and mask differ in height or width.
    """
    map, mask, valid = map_and_mask(map, mask, ignored)
    scored = has_contrast(map) & jnp.any(mask, axis=(-2, -1))
    if valid is not None:
        map = jnp.where(valid, map, -jnp.inf)  # below every value that counts
    k = jnp.sum(mask, axis=(-2, -1), keepdims=True)
    pixels = map.shape[-2] * map.shape[-1]
    ordered = jnp.sort(map.reshape(*map.shape[:-2], 1, pixels), axis=-1)
    smallest = jnp.take_along_axis(ordered, pixels - jnp.maximum(k, 1), axis=-1)
    above, tied = map > smallest, map == smallest
    places = k - jnp.sum(above, axis=(-2, -1), keepdims=True)
    probability = places / jnp.sum(tied, axis=(-2, -1), keepdims=True)
    chosen = jnp.where(above, 1, jnp.where(tied, probability, 0))
    return jnp.where(scored, jnp.mean(chosen, axis=(-2, -1), where=mask), jnp.nan)
