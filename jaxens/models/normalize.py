"""Pixel values as models take them."""

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

# ImageNet's mean and standard deviation per channel, as torchvision's models expect them.
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def normalized(unit: Float[Array, "*lead height width 3"]) -> Float[Array, "*lead height width 3"]:
    """Returns images in [0, 1] as models take them. Zero is then the mean color, not black."""
    # One axis for each of the images', which every rank promotion setting accepts.
    mean, std = (jnp.array(x).reshape((1,) * (unit.ndim - 1) + (3,)) for x in (MEAN, STD))
    return (unit - mean) / std
