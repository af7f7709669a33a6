"""Chance-level baseline maps, which use neither the model nor the image."""

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Key, UInt32

from jaxens.arrays import as_whole

# One key or an array of them; typed (`jax.random.key`) or raw.
Keys = Key[Array, "*lead"] | UInt32[Array, "*lead 2"]


def centered_gaussian(
    height: int, width: int, sigma: float = 0.25
) -> Float[Array, "{height} {width}"]:
    """Returns a Gaussian at the center of the image, one map for all images.

    It is the stronger of the two baselines, because photographers center their subject. A method
    that scores no better has found nothing more than that.

    Args:
        height: In pixels.
        width: In pixels.
        sigma: The standard deviation in fractions of height and width. At 0.25 the edges are two
            standard deviations from the center.

    Returns:
        An unsigned map with values up to 1.

    Raises:
        ValueError: If a side is not a whole number of at least 1, or sigma is not positive.
    """
    height, width = as_whole(height, "height"), as_whole(width, "width")
    if not sigma > 0:
        raise ValueError(f"sigma is {sigma}: give a positive fraction of the sides")
    rows, columns = _profile(height, sigma), _profile(width, sigma)
    return rows[:, None] * columns[None, :]


def _profile(length: int, sigma: float) -> Float[Array, " {length}"]:
    centers = (jnp.arange(length, dtype=jnp.float32) + 0.5) / length
    return jnp.exp(-(((centers - 0.5) / sigma) ** 2) / 2)


def random_maps(keys: Keys, height: int, width: int) -> Float[Array, "*lead {height} {width}"]:
    """Maps of independent uniform noise in [0, 1), one per key.

    The noise is not smoothed, so every order of the pixels is equally likely and the expected
    scores are known: for the pointing game, the relevance mass and the relevance rank they are
    the fraction of the image that is marked.

    Args:
        keys: Random keys. A map depends only on its own key.
        height: In pixels.
        width: In pixels.

    Returns:
        Unsigned maps.

    Raises:
        ValueError: If a side is not a whole number of at least 1.
    """
    height, width = as_whole(height, "height"), as_whole(width, "width")
    if not jnp.issubdtype(keys.dtype, jax.dtypes.prng_key):
        keys = jax.random.wrap_key_data(keys)
    maps = jax.vmap(lambda key: jax.random.uniform(key, (height, width), jnp.float32))(keys.ravel())
    return maps.reshape(*keys.shape, height, width)
