"""Scores in a loop over images, which keeps the maps of an image in a CPU's caches."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Float, Num

from jaxens.metrics.inputs import ArrayLike, Mask
from jaxens.platforms import by_platform
from jaxens.sharding import is_explicit

Score = Callable[[ArrayLike, Mask | None, ArrayLike | None, Mask | None], dict[str, Array]]


def image_by_image(
    score: Score,
    maps: Num[ArrayLike, "*#lead height width"],
    mask: Mask | None,
    point: Float[ArrayLike, "*#lead 2"] | None,
    ignored: Mask | None,
) -> dict[str, Float[Array, "*#lead"]]:
    """Returns `score(maps, mask, point, ignored)`, on a CPU by a loop over the last leading axis.

    All scores read each map several times. For 1001 maps of 224 px, the loop takes a quarter of
    the time.

    Args:
        score: A function of maps, a mask, a point and ignored pixels; all but maps may be None.
        maps: Maps, whose last leading axis has the images.
        mask: Masks.
        point: Key points.
        ignored: Pixels to leave out.
    """
    images = maps.shape[-3] if maps.ndim > 2 else 1
    truth = [(mask, -3), (point, -2), (ignored, -3)]
    sizes = {t.shape[axis] for t, axis in truth if t is not None and t.ndim >= -axis}
    if images < 2 or not sizes <= {1, images}:
        return score(maps, mask, point, ignored)
    if is_explicit(jnp.asarray(maps)):  # the devices have images of their own
        return score(maps, mask, point, ignored)

    def of_image(i: Array) -> dict[str, Array]:
        return score(
            _take(maps, i, -3), _take(mask, i, -3), _take(point, i, -2), _take(ignored, i, -3)
        )

    def loop() -> dict[str, Array]:
        by_image = lax.map(of_image, jnp.arange(images))
        return {name: jnp.moveaxis(scores, 0, -1) for name, scores in by_image.items()}

    return by_platform(cpu=loop, elsewhere=lambda: score(maps, mask, point, ignored))()


def _take(array: Any, i: Array, axis: int) -> Any:
    """Returns image `i`; of what all images share, all."""
    if array is None or array.ndim < -axis:
        return array
    array = jnp.asarray(array)
    if array.shape[axis] == 1:
        return jnp.squeeze(array, axis)
    return lax.dynamic_index_in_dim(array, i, axis, keepdims=False)
