"""Max pooling equals PyTorch's, values and gradients, also if values are equal."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from jaxens.ops import max_pool

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("window", "stride", "padding"), [(2, 2, 0), (3, 2, 1), (3, 1, 1)])
@pytest.mark.parametrize("size", [(8, 8), (7, 10), (9, 3)])
def test_values_and_gradients_equal_pytorch(
    window: int, stride: int, padding: int, size: tuple[int, int]
) -> None:
    # Few different integers, so that most windows have their maximum twice.
    x = np.random.default_rng(0).integers(-2, 2, (2, *size, 3)).astype(np.float32)
    x_torch = torch.from_numpy(x.transpose(0, 3, 1, 2).copy()).requires_grad_()
    expected = torch.nn.functional.max_pool2d(x_torch, window, stride, padding)
    weights = np.random.default_rng(1).normal(size=expected.shape).astype(np.float32)
    (expected * torch.from_numpy(weights)).sum().backward()
    pooled, vjp = jax.vjp(lambda x: max_pool(x, window, stride, padding), jnp.asarray(x))
    np.testing.assert_array_equal(pooled, expected.detach().numpy().transpose(0, 2, 3, 1))
    (gradient,) = vjp(jnp.asarray(weights.transpose(0, 2, 3, 1)))
    np.testing.assert_allclose(gradient, x_torch.grad.numpy().transpose(0, 2, 3, 1), atol=1e-6)
