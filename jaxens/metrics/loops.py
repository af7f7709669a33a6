"""Scores some images after others on a CPU, so that what is worked on stays in its caches."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jaxtyping import Float, Num, PyTree

from jaxens.metrics.inputs import ArrayLike, Mask

# Bytes of maps at a time. A score is some passes over a map, between which XLA:CPU writes out
# what it found: all 1,092 maps of 224 px at once (219 MB) took twice as long on two cores.
CACHED = 2 << 20


def image_by_image(
    score: Callable[..., PyTree[Array]],
    maps: Num[ArrayLike, "*#lead height width"],
    mask: Mask | None,
    point: Float[ArrayLike, "*#lead 2"] | None,
) -> PyTree[Array]:
    """`score(maps, mask, point)`; on a CPU called with as many images as fit its caches.

    The last of the leading axes counts the images, of the maps and of all that `score` gives.
    """
    images = maps.shape[-3] if maps.ndim > 2 else 1
    at_once = max(1, CACHED * images // max(1, 4 * maps.size))
    if at_once >= images or jax.default_backend() != "cpu":
        return score(maps, mask, point)
    # The last part begins early enough to be as long as the others.
    starts = np.minimum(np.arange(0, images, at_once), images - at_once)

    def part(start: Array) -> PyTree[Array]:
        def own(array: ArrayLike | None, axis: int) -> ArrayLike | None:
            if array is None or array.ndim < -axis or array.shape[axis] == 1:
                return array  # the same for all images
            if array.shape[axis] != images:  # a slice would be moved to where there is something
                raise ValueError(
                    f"{images} maps, and masks or points of {array.shape[axis]} images: give one "
                    "for each map, or one for all"
                )
            return lax.dynamic_slice_in_dim(jnp.asarray(array), start, at_once, axis)

        return score(own(maps, -3), own(mask, -3), own(point, -2))

    parts = lax.map(part, jnp.asarray(starts))
    of_image = np.minimum(np.arange(images) // at_once, len(starts) - 1)
    place = np.arange(images) - starts[of_image]
    return jax.tree.map(lambda leaf: jnp.moveaxis(leaf[of_image, ..., place], 0, -1), parts)
