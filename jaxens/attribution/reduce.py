"""Reductions of attributions per channel [..., height, width, channel] to maps without channels."""

from collections.abc import Callable

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float


def sum_channels(
    attributions: Float[ArrayLike, "*batch height width channel"],
) -> Float[Array, "*batch height width"]:
    """Returns the signed sum over channels.

    If the attributions of an image add up to a difference of logits, so does the map. The sum is
    the default for signed methods, and what Captum's `visualize_image_attr` shows.
    """
    return jnp.asarray(attributions).sum(axis=-1)


def max_abs(
    attributions: Float[ArrayLike, "*batch height width channel"],
) -> Float[Array, "*batch height width"]:
    """Returns the largest absolute value (Simonyan et al. 2013), the default for saliency."""
    return jnp.abs(jnp.asarray(attributions)).max(axis=-1)


def sum_abs(
    attributions: Float[ArrayLike, "*batch height width channel"],
) -> Float[Array, "*batch height width"]:
    """Returns the sum of absolute values (Smilkov et al. 2017, SmoothGrad)."""
    return jnp.abs(jnp.asarray(attributions)).sum(axis=-1)


REDUCTIONS: dict[str, Callable[[Array], Array]] = {
    "sum": sum_channels,
    "max_abs": max_abs,
    "sum_abs": sum_abs,
}
