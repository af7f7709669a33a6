"""A Gaussian blur that keeps a constant image as it is: what insertion starts from."""

import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jaxtyping import Float

from jaxens.metrics.inputs import Images, as_float, as_images


def blur(
    images: Images, size: int = 11, sigma: float = 5.0
) -> Float[Array, "image height width channel"]:
    """The images under a Gaussian of `size` x `size` pixels and a standard deviation of `sigma`.

    Size and sigma are RISE's, for images of 224 pixels. At the edges the weights of the pixels
    that exist are scaled to a sum of 1, so that a constant image stays as it is. RISE's own code
    takes what lies outside for zeros, which paints a frame, and folds the tails of the Gaussian
    back into its kernel, which flattens it.

    **Raises:** `ValueError` for a size that is not odd and positive, or a sigma that is not
    positive.
    """
    if size < 1 or size % 2 == 0 or not sigma > 0:
        raise ValueError(
            f"a blur of size {size} and sigma {sigma}: give an odd size and a positive sigma"
        )
    images = as_images(images)
    rows, columns = (_blur_weights(n, size, sigma) for n in images.shape[1:3])
    # HIGHEST: a GPU or TPU would round the values to 10 or 8 bits.
    blurred = jnp.einsum(
        "yh,nhwc,xw->nyxc", rows, as_float(images), columns, precision=lax.Precision.HIGHEST
    )
    return blurred.astype(images.dtype)


def _blur_weights(length: int, size: int, sigma: float) -> Float[np.ndarray, "{length} {length}"]:
    """Row `i`: the weight of each pixel in pixel `i` of the result."""
    distances = np.abs(np.subtract.outer(np.arange(length), np.arange(length)))
    weights = np.exp(-((distances / sigma) ** 2) / 2) * (distances <= size // 2)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
