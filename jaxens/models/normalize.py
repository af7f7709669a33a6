"""Pixel values as models take them."""

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

# ImageNet's colours, as torchvision's models expect them.
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def normalized(unit: Float[Array, "*lead height width 3"]) -> Float[Array, "*lead height width 3"]:
    """Pictures in 0 to 1 as models take them. Zero is then the mean colour, not black."""
    lead = (1,) * (unit.ndim - 1)
    return (unit - jnp.array(MEAN).reshape(*lead, 3)) / jnp.array(STD).reshape(*lead, 3)
