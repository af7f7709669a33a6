"""Does the relevance of a map lie in a marked region? Three scores without a threshold.

For a map of noise each expects the share of the picture that is marked: see `random_maps`.
"""

import math
from functools import partial

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float, Num

from jaxens.metrics.inputs import ArrayLike, Mask, paired
from jaxens.metrics.normalize import has_contrast


@partial(jax.jit, static_argnames="tolerance")
def pointing_game(
    map: Num[ArrayLike, "*#lead height width"], mask: Mask, tolerance: int = 0
) -> Float[Array, "*#lead"]:
    """1 where the map's maximum lies in the mask, else 0; higher is better.

    Of tied maxima, the share that lies there: a map of regions, or one that is clipped, has
    many. `tolerance` is how far from the mask a maximum may lie and still hit, in pixels of the
    map. Zhang et al. allow 15, in photographs of some 500 x 400 pixels; the default is exact, for
    15 pixels of a small picture would excuse most misses.

    NaN where a map is constant or not finite, or a mask is empty (which Quantus counts as hit).

    Zhang et al. 2018, "Top-down neural attention by excitation backprop".

    **Raises:** `ValueError` if map and mask differ in height and width, or the tolerance is
    negative.
    """
    if tolerance < 0:
        raise ValueError(f"tolerance is {tolerance}: give 0 or more pixels")
    map, mask = paired(map, mask)
    maxima = map == jnp.max(map, axis=(-2, -1), keepdims=True)
    hits = jnp.sum(maxima & _dilate(mask, tolerance), axis=(-2, -1))
    scored = has_contrast(map) & jnp.any(mask, axis=(-2, -1))
    return jnp.where(scored, hits / jnp.sum(maxima, axis=(-2, -1)), jnp.nan)


def _dilate(mask: Bool[Array, "*lead height width"], radius: int) -> Bool[Array, "..."]:
    """The pixels whose centres are at most `radius` from that of a marked one."""
    height, width = mask.shape[-2:]
    margins = [(0, 0)] * (mask.ndim - 2) + [(radius, radius), (radius + 1, radius)]
    # Whether a stretch of a row holds a marked pixel is the difference of two counts.
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
    map: Num[ArrayLike, "*#lead height width"], mask: Mask
) -> Float[Array, "*#lead"]:
    """The share of the positive relevance that lies in the mask, from 0 to 1; higher is better.

    Negative values count nothing; nothing is subtracted from a map without them. NaN where a map
    is constant or not finite, or has no positive value, or a mask is empty.

    Arras et al. 2022 ("relevance mass accuracy"); Wang et al. 2020, Score-CAM (the "energy-based
    pointing game").

    **Raises:** `ValueError` if map and mask differ in height and width.
    """
    map, mask = paired(map, mask)
    relevance = jnp.maximum(map, 0)
    scored = has_contrast(map) & has_contrast(relevance) & jnp.any(mask, axis=(-2, -1))
    # Scaled, so that no sum over a map of large or tiny values leaves the range of float32.
    relevance = relevance / jnp.max(relevance, axis=(-2, -1), keepdims=True)
    inside = jnp.sum(jnp.where(mask, relevance, 0), axis=(-2, -1))
    return jnp.where(scored, inside / jnp.sum(relevance, axis=(-2, -1)), jnp.nan)


@jax.jit
def relevance_rank(
    map: Num[ArrayLike, "*#lead height width"], mask: Mask
) -> Float[Array, "*#lead"]:
    """Of the K most relevant pixels, K being the size of the mask, the share that lies in it.

    From 0 to 1; higher is better. Where only some of the pixels with the K-th value are among
    the K, they are as if drawn at random: each counts by its chance, so that neither the order
    of pixels nor a seed decides. NaN where a map is constant or not finite, or a mask is empty.

    Arras et al. 2022 ("relevance rank accuracy").

    **Raises:** `ValueError` if map and mask differ in height and width.
    """
    map, mask = paired(map, mask)
    scored = has_contrast(map) & jnp.any(mask, axis=(-2, -1))
    k = jnp.sum(mask, axis=(-2, -1), keepdims=True)
    ordered = jnp.sort(map.reshape(*map.shape[:-2], 1, -1), axis=-1)
    least = jnp.take_along_axis(ordered, ordered.shape[-1] - jnp.maximum(k, 1), axis=-1)
    above, tied = map > least, map == least
    places = k - jnp.sum(above, axis=(-2, -1), keepdims=True)
    chance = places / jnp.sum(tied, axis=(-2, -1), keepdims=True)
    taken = jnp.where(above, 1, jnp.where(tied, chance, 0))
    return jnp.where(scored, jnp.mean(taken, axis=(-2, -1), where=mask), jnp.nan)
