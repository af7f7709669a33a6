"""Max pooling of NaN and of images that do not fit (values: tests/reference/test_pooling.py)."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxens.ops import max_pool


def test_padding_of_more_than_half_a_window_raises():
    with pytest.raises(ValueError, match="padding 2 is more than half of window 3"):
        max_pool(jnp.zeros((1, 4, 4, 1)), 3, 1, 2)


def test_nan_propagates():
    x = jnp.zeros((1, 4, 4, 1)).at[0, 1, 1, 0].set(jnp.nan).at[0, 2, 2, 0].set(jnp.nan)
    pooled = np.asarray(max_pool(x, 2, 2))[0, :, :, 0]
    np.testing.assert_array_equal(np.isnan(pooled), np.eye(2, dtype=bool))


def test_an_image_smaller_than_the_window_raises():
    with pytest.raises(ValueError, match="needs images of at least 2 x 2 pixels, not 1 x 4"):
        max_pool(jnp.zeros((1, 1, 4, 1)), 2, 2)
