"""How well a map finds a marked region, over many thresholds and over all of them."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Bool, Float, Num

from jaxens.metrics.inputs import ArrayLike, Mask, as_float, count, count_within, paired
from jaxens.metrics.normalize import has_contrast, normalize

# 0.05 to 0.95; `iou`'s default, 0.3, is the sixth.
THRESHOLDS = np.arange(1, 20, dtype=np.float32) / 20


class ThresholdCurves(NamedTuple):
    """Scores of the region of a map, for each threshold that makes one."""

    thresholds: Float[Array, " threshold"]
    precision: Float[Array, "*lead threshold"]  # the share of the region that is marked
    recall: Float[Array, "*lead threshold"]  # the share of the mask that is in the region
    iou: Float[Array, "*lead threshold"]


@partial(jax.jit, static_argnames="signed")
def threshold_curves(
    map: Num[ArrayLike, "*#lead height width"],
    mask: Mask,
    thresholds: Num[ArrayLike, " threshold"] = THRESHOLDS,
    *,
    signed: bool,
) -> ThresholdCurves:
    """Precision, recall and intersection over union at each of some thresholds.

    The region of a map is as for `iou`, which the last is equal to: where the value, normalised
    to [0, 1], or to [-1, 1] if `signed`, is at least the threshold. NaN where a map is constant
    or not finite, or a mask is empty; the precision also where the region is.

    **Raises:** `ValueError` if map and mask differ in height and width, or the thresholds are
    not a row of numbers.
    """
    thresholds = as_float(thresholds)
    if thresholds.ndim != 1:
        raise ValueError(
            f"thresholds has shape {thresholds.shape}: give a row of numbers, such as [0.3, 0.5]"
        )
    map, mask = paired(map, mask)
    marked = count(mask)
    scored = has_contrast(map) & (marked > 0)
    values = normalize(map, signed=signed)

    def at(threshold: Array) -> tuple[Array, Array, Array]:
        region = values >= threshold
        found, hits = count_within(region, mask)
        return hits / found, hits / marked, hits / (found + marked - hits)

    # One after the other: the regions of all thresholds would take 19 times a map's memory.
    curves = jax.lax.map(at, thresholds)
    precision, recall, iou = (
        jnp.where(scored[..., None], jnp.moveaxis(curve, 0, -1), jnp.nan) for curve in curves
    )
    return ThresholdCurves(thresholds, precision, recall, iou)


@jax.jit
def average_precision(
    map: Num[ArrayLike, "*#lead height width"], mask: Mask
) -> Float[Array, "*#lead"]:
    """The mean precision over the thresholds that take in one more marked pixel each.

    From 0 to 1; higher is better; the share of the picture that is marked, for noise. It depends
    on the order of the map's values alone, so on no threshold, normalisation or sign rule;
    pixels with equal values enter together, as in scikit-learn's `average_precision_score`.
    NaN where a map is constant or not finite, or a mask is empty.

    **Raises:** `ValueError` if map and mask differ in height and width.
    """
    map, mask = paired(map, mask)
    scored = has_contrast(map) & jnp.any(mask, axis=(-2, -1))
    precision = jnp.vectorize(_average_precision, signature="(h,w),(h,w)->()")(map, mask)
    return jnp.where(scored, precision, jnp.nan)


def _average_precision(
    map: Float[Array, "height width"], mask: Bool[Array, "height width"]
) -> Float[Array, ""]:
    values, marked = map.ravel(), mask.ravel()
    region = values.size - jnp.searchsorted(jnp.sort(values), values)
    # Unmarked pixels stand below all others, where no value reaches them.
    among_marked = jnp.sort(jnp.where(marked, values, -jnp.inf))
    hits = values.size - jnp.searchsorted(among_marked, values)
    return jnp.mean(hits / region, where=marked)
