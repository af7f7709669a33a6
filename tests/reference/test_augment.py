"""A crop is enlarged as PyTorch interpolates."""

import jax.numpy as jnp
import numpy as np
import pytest
import torch

from jaxens.data import augment
from tests.reference.twins import to_torch

pytestmark = pytest.mark.slow


def test_a_crop_is_enlarged_as_by_bilinear_interpolation() -> None:
    images = np.random.default_rng(0).integers(0, 256, (1, 8, 8, 3), dtype=np.uint8)
    half, one = jnp.full(1, 0.5), jnp.ones(1)
    quarter = augment.Change(jnp.zeros(1, bool), half, half, half, gain=one, lift=0 * one)
    doubled = torch.nn.functional.interpolate(
        to_torch(images / 255), scale_factor=2, mode="bilinear"
    )
    expected = doubled.permute(0, 2, 3, 1)[:, 8:, 8:]
    np.testing.assert_allclose(augment.images(quarter, images), expected, atol=1e-5)
