import numpy as np
import pytest
from scipy import ndimage

from jaxens.metrics import blur

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(("size", "sigma"), [(11, 5.0), (5, 1.0), (1, 3.0)])
def test_blur_equals_scipy_with_weights_scaled_at_the_borders(size, sigma):
    def gaussian(array):
        return ndimage.gaussian_filter(
            array, (sigma, sigma, 0), mode="constant", radius=(size // 2, size // 2, 0)
        )

    images = RNG.normal(size=(2, 20, 14, 3))
    expected = [gaussian(image) / gaussian(np.ones_like(image)) for image in images]
    np.testing.assert_allclose(blur(images.astype(np.float32), size, sigma), expected, atol=1e-5)


def test_blur_keeps_a_constant_image():
    constant = np.full((1, 16, 9, 1), 0.7, np.float32)
    np.testing.assert_allclose(blur(constant), constant, rtol=1e-6)


@pytest.mark.parametrize(("size", "sigma"), [(4, 1.0), (5, 0.0)])
def test_an_invalid_blur_raises(size, sigma):
    with pytest.raises(ValueError, match="give an odd size and a positive sigma"):
        blur(np.zeros((1, 6, 9, 2), np.float32), size, sigma)
