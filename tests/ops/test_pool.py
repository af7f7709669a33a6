"""Max pooling keeps NaN, and raises for sizes that it can't pool."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxens.ops import max_pool
from jaxens.ops.pool import pool_windows


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


@pytest.mark.parametrize(
    ("windows", "strides", "padding"),
    [
        ((1, 3, 3, 1), (1, 2, 2, 1), "SAME"),
        ((1, 2, 2, 1), (1, 2, 2, 1), "VALID"),
        ((1, 1, 3, 2), (1, 1, 1, 3), [(0, 0), (0, 0), (0, 2), (1, 0)]),
    ],
)
def test_values_and_gradients_of_any_window_are_those_of_xla(windows, strides, padding):
    # Few different values: of equal ones, the first gets the gradient.
    x = jnp.asarray(np.random.default_rng(0).integers(0, 3, (2, 7, 8, 5)), jnp.float32)
    pads = padding
    if isinstance(padding, str):
        pads = lax.padtype_to_pads(x.shape, windows, strides, padding)

    def xla(x):
        return lax.reduce_window(x, -jnp.inf, lax.max, windows, strides, padding)

    def ours(x):
        return pool_windows(x, windows, strides, pads)

    values, of_xla = jax.vjp(xla, x)
    np.testing.assert_array_equal(ours(x), values)
    cotangent = jnp.arange(values.size, dtype=jnp.float32).reshape(values.shape)
    np.testing.assert_array_equal(jax.vjp(ours, x)[1](cotangent)[0], of_xla(cotangent)[0])
