"""Intersection over union of the region where a map is high and a marked region."""

from functools import partial

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Num

from jaxens.metrics.inputs import ArrayLike, Mask, among, count, map_and_mask
from jaxens.metrics.normalize import has_contrast, normalize


@partial(jax.jit, static_argnames=("threshold", "signed"))
def intersection_union(
    map: Num[ArrayLike, "*#lead height width"],
    mask: Mask,
    threshold: float = 0.3,
    *,
    signed: bool,
    ignored: Mask | None = None,
) -> tuple[Float[Array, "*#lead"], Float[Array, "*#lead"]]:
    """Returns the sizes of the intersection and of the union of a map's region and a mask.

    The region of a map is where its normalized value is at least `threshold` (see `normalize`).
    In a signed map that is evidence *for* the target, of at least 0.3 of the largest magnitude.
    (Scaling a signed map from its minimum to its maximum would put the background, near 0, into
    the region.) A signed map without evidence for the target has an empty region.

    Pazzani et al. 2022, sections 3.2 and 5.3.

    Args:
        map: Maps.
        mask: Masks, boolean or integer (nonzero marks a pixel).
        threshold: In normalized units.
        signed: Whether the values of the maps carry a sign.
        ignored: Pixels that are left out, as if the images had none there; nonzero marks one.

    Returns:
        The intersection and the union, in pixels of the map. NaN where a map is constant or not
        finite, or a mask is empty.

    Raises:
        ValueError: If map and mask differ in height or width.
    """
    map, mask, valid = map_and_mask(map, mask, ignored)
    region = among(normalize(map, signed=signed) >= threshold, valid)
    marked, intersection = count(mask), count(region & mask)
    union = count(region) + marked - intersection
    scored = has_contrast(map) & (marked > 0)
    return jnp.where(scored, intersection, jnp.nan), jnp.where(scored, union, jnp.nan)


@partial(jax.jit, static_argnames=("threshold", "signed"))
def iou(
    map: Num[ArrayLike, "*#lead height width"],
    mask: Mask,
    threshold: float = 0.3,
    *,
    signed: bool,
    ignored: Mask | None = None,
) -> Float[Array, "*#lead"]:
    """Intersection over union of a map's region and a mask; higher is better.

    Arguments, NaN and errors are those of `intersection_union`.

    Returns:
        A score from 0 to 1 per map.
    """
    intersection, union = intersection_union(map, mask, threshold, signed=signed, ignored=ignored)
    return intersection / union
