"""Gaussian blur without borders: the default baseline of insertion."""

import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jaxtyping import Float

from jaxens.arrays import as_images, as_whole, to_float32
from jaxens.metrics.inputs import Images


def blur(
    images: Images, size: int = 11, sigma: float = 5.0
) -> Float[Array, "image height width channel"]:
    """Blurs images with a Gaussian kernel; a constant image stays constant.

    At the borders the weights of the pixels inside the image are scaled to a sum of 1. RISE's own
    code pads with zeros, which darkens the borders, and wraps the tails of the Gaussian into its
    kernel, which flattens it. The defaults are RISE's, for images of 224 pixels.

    Petsiuk et al. 2018 (RISE).

    Args:
        images: Floating-point images.
        size: The width of the kernel in pixels, odd.
        sigma: The standard deviation in pixels.

    Returns:
        The blurred images, in the type of the input.

    Raises:
        ValueError: If the size is not odd and positive, or sigma is not positive.
    """
    size = as_whole(size, "size")
    if size % 2 == 0 or not sigma > 0:
        raise ValueError(
            f"a blur of size {size} and sigma {sigma}: give an odd size and a positive sigma"
        )
    images = as_images(images)
    rows, columns = (_blur_weights(n, size, sigma) for n in images.shape[1:3])
    # HIGHEST: by default a GPU or TPU rounds the factors to 10 or 8 bits.
    blurred = jnp.einsum(
        "yh,nhwc,xw->nyxc", rows, to_float32(images), columns, precision=lax.Precision.HIGHEST
    )
    return blurred.astype(images.dtype)


def _blur_weights(length: int, size: int, sigma: float) -> Float[np.ndarray, "{length} {length}"]:
    """Row `i` holds the weight of each pixel in pixel `i` of the result."""
    distances = np.abs(np.subtract.outer(np.arange(length), np.arange(length)))
    weights = np.exp(-((distances / sigma) ** 2) / 2) * (distances <= size // 2)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
