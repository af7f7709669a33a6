"""How well a map localizes a marked region: at each of many thresholds, and over all of them."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Bool, Float, Num

from jaxens.arrays import to_float32
from jaxens.metrics.inputs import ArrayLike, Mask, among, count, map_and_mask
from jaxens.metrics.normalize import has_contrast, normalize
from jaxens.sharding import with_auto_axes

# 0.05 to 0.95; the sixth is 0.3, the default of `iou`.
THRESHOLDS = np.arange(1, 20, dtype=np.float32) / 20


class ThresholdCurves(NamedTuple):
    """Scores of a map's region at each threshold, from 0 to 1.

    Attributes:
        thresholds: In normalized units.
        precision: The fraction of the region that is marked.
        recall: The fraction of the mask that is in the region.
        iou: Intersection over union of region and mask.
    """

    thresholds: Float[Array, " threshold"]
    precision: Float[Array, "*lead threshold"]
    recall: Float[Array, "*lead threshold"]
    iou: Float[Array, "*lead threshold"]


@partial(jax.jit, static_argnames="signed")
def threshold_curves(
    map: Num[ArrayLike, "*#lead height width"],
    mask: Mask,
    thresholds: Num[ArrayLike, " threshold"] = THRESHOLDS,
    *,
    signed: bool,
    ignored: Mask | None = None,
) -> ThresholdCurves:
    """Precision, recall and intersection over union at each threshold.

    The region of a map is that of `iou`: where its normalized value is at least the threshold.

    Args:
        map: Maps.
        mask: Masks, boolean or integer (nonzero marks a pixel).
        thresholds: In normalized units (see `normalize`).
        signed: Whether the values of the maps carry a sign.
        ignored: Pixels that are left out, as if the images had none there; nonzero marks one.

    Returns:
        The curves, with the threshold axis last. NaN where a map is constant or not finite, or a
        mask is empty; the precision is also NaN where the region is empty.

    Raises:
        ValueError: If map and mask differ in height or width, or `thresholds` has not one axis.
    """
    thresholds = to_float32(thresholds)
    if thresholds.ndim != 1:
        raise ValueError(
            f"thresholds has shape {thresholds.shape}: give a list of numbers, such as [0.3, 0.5]"
        )
    map, mask, valid = map_and_mask(map, mask, ignored)
    marked = count(mask)
    scored = has_contrast(map) & (marked > 0)
    values = normalize(map, signed=signed)

    def at(threshold: Array) -> tuple[Array, Array, Array]:
        region = among(values >= threshold, valid)
        size, hits = count(region), count(region & mask)
        return hits / size, hits / marked, hits / (size + marked - hits)

    # One by one: the regions of all thresholds take 19 times the memory of a map.
    curves = jax.lax.map(at, thresholds)
    precision, recall, iou = (
        jnp.where(scored[..., None], jnp.moveaxis(curve, 0, -1), jnp.nan) for curve in curves
    )
    return ThresholdCurves(thresholds, precision, recall, iou)


@with_auto_axes
@jax.jit
def average_precision(
    map: Num[ArrayLike, "*#lead height width"], mask: Mask, ignored: Mask | None = None
) -> Float[Array, "*#lead"]:
    """Returns the average precision of a map as a ranking of the marked pixels; higher is better.

    It depends only on the order of the map's values, so on no threshold or normalization. Equal
    values enter together, as in scikit-learn's `average_precision_score`. For a map of noise it
    is near the fraction of the image that is marked.

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
    precision = jnp.vectorize(_average_precision, signature="(h,w),(h,w)->()")(map, mask)
    return jnp.where(scored, precision, jnp.nan)


def _average_precision(
    map: Float[Array, "height width"], mask: Bool[Array, "height width"]
) -> Float[Array, ""]:
    values, marked = map.ravel(), mask.ravel()
    region = values.size - jnp.searchsorted(jnp.sort(values), values)
    # Unmarked pixels sort below every value.
    marked_values = jnp.sort(jnp.where(marked, values, -jnp.inf))
    hits = values.size - jnp.searchsorted(marked_values, values)
    return jnp.mean(hits / region, where=marked)
