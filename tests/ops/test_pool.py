"""Max pooling equals PyTorch's, values and gradients, also where values are equal."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from jaxens.ops import max_pool


@pytest.mark.parametrize(("window", "stride", "padding"), [(2, 2, 0), (3, 2, 1), (3, 1, 1)])
@pytest.mark.parametrize("size", [(8, 8), (7, 10), (9, 3)])
def test_it_is_pytorchs(window, stride, padding, size):
    # Few whole numbers, so that most windows hold their largest value twice.
    x = np.random.default_rng(0).integers(-2, 2, (2, *size, 3)).astype(np.float32)
    theirs = torch.from_numpy(x.transpose(0, 3, 1, 2).copy()).requires_grad_()
    pooled = torch.nn.functional.max_pool2d(theirs, window, stride, padding)
    weights = np.random.default_rng(1).normal(size=pooled.shape).astype(np.float32)
    (pooled * torch.from_numpy(weights)).sum().backward()
    ours, pull = jax.vjp(lambda x: max_pool(x, window, stride, padding), jnp.asarray(x))
    np.testing.assert_array_equal(ours, pooled.detach().numpy().transpose(0, 2, 3, 1))
    (gradient,) = pull(jnp.asarray(weights.transpose(0, 2, 3, 1)))
    np.testing.assert_allclose(gradient, theirs.grad.numpy().transpose(0, 2, 3, 1), atol=1e-6)


def test_a_window_of_padding_alone_is_refused():
    with pytest.raises(ValueError, match="padding of 2 is more than half of a window of 3"):
        max_pool(jnp.zeros((1, 4, 4, 1)), 3, 1, 2)


def test_nan_stays_nan():
    x = jnp.zeros((1, 4, 4, 1)).at[0, 1, 1, 0].set(jnp.nan).at[0, 2, 2, 0].set(jnp.nan)
    pooled = np.asarray(max_pool(x, 2, 2))[0, :, :, 0]
    np.testing.assert_array_equal(np.isnan(pooled), np.eye(2, dtype=bool))


def test_a_picture_below_the_window_is_refused():
    with pytest.raises(ValueError, match="needs 2 pixels a side"):
        max_pool(jnp.zeros((1, 1, 4, 1)), 2, 2)
