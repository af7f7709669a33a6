"""Images, their segments, and masks that LIME's tests share."""

from functools import partial

import jax
import numpy as np

from jaxens.attribution.keys import Keys
from jaxens.attribution.lime import lime_draws
from jaxens.attribution.segments import grid
from tests.attribution import cnn

# Strong enough that a lasso leaves some coefficients.
IMAGES = 6 * cnn.sample_images(3)
SEGMENTS = np.stack([grid(10, 14, cells) for cells in (2, 3, 1)])
COUNT = 9
KEY = jax.random.key(0)
KEYS = jax.random.split(KEY, len(IMAGES))


@partial(jax.jit, static_argnames=("samples", "variant", "count"))
def draw(
    key: Keys,
    segments: np.ndarray = SEGMENTS,
    *,
    samples: int = 40,
    variant: str = "marcotcr",
    count: int = COUNT,
) -> jax.Array:
    return lime_draws(key, segments, samples, variant, count)


MASKS = np.array(draw(KEY))
