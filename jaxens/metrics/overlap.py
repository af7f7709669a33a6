"""Intersection over union of the region that a map points at and a marked region."""

from functools import partial

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Num

from jaxens.metrics.inputs import ArrayLike, Mask, count, count_within, paired
from jaxens.metrics.normalize import has_contrast, normalize


@partial(jax.jit, static_argnames=("threshold", "signed"))
def intersection_union(
    map: Num[ArrayLike, "*#lead height width"],
    mask: Mask,
    threshold: float = 0.3,
    *,
    signed: bool,
) -> tuple[Float[Array, "*#lead"], Float[Array, "*#lead"]]:
    """Sizes, in pixels of the map, of the intersection and the union of region and mask.

    The region of a map is where its normalised value is at least `threshold`. The values of an
    unsigned map are normalised to [0, 1], those of a `signed` one to [-1, 1], where a threshold
    of 0.3 asks for evidence *for* the target, of 0.3 of the strongest evidence for or against
    it. (Three tenths of the way from -1 to 1 would be -0.4, and take in the background.)
    A signed map with no evidence for the target has an empty region, and an intersection of 0.

    `mask` is boolean, or whole numbers of which zero is unmarked. NaN where a map is constant
    or not finite, or a mask is empty.

    Pazzani et al. 2022, sections 3.2 and 5.3.

    **Raises:** `ValueError` if map and mask differ in height and width.
    """
    map, mask = paired(map, mask)
    region = normalize(map, signed=signed) >= threshold
    marked = count(mask)
    found, intersection = count_within(region, mask)
    union = found + marked - intersection
    scored = has_contrast(map) & (marked > 0)
    return jnp.where(scored, intersection, jnp.nan), jnp.where(scored, union, jnp.nan)


@partial(jax.jit, static_argnames=("threshold", "signed"))
def iou(
    map: Num[ArrayLike, "*#lead height width"],
    mask: Mask,
    threshold: float = 0.3,
    *,
    signed: bool,
) -> Float[Array, "*#lead"]:
    """Intersection over union, from 0 to 1; higher is better. See `intersection_union`."""
    intersection, union = intersection_union(map, mask, threshold, signed=signed)
    return intersection / union
