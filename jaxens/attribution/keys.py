"""Random keys for each image and sample, so that the draws of an image depend on no other."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Key, PRNGKeyArray, UInt32

from jaxens.arrays import as_whole

# One key, or one for each image; typed (`jax.random.key`) or raw (`jax.random.PRNGKey`).
Keys = PRNGKeyArray | Key[Array, "image"] | UInt32[Array, "image 2"]


def keys_of_images(key: Keys, images: int) -> Key[Array, "image"]:
    """Returns one key per image.

    Args:
        key: One key, of which image i gets `jax.random.fold_in(key, i)`, or one for each image.
        images: The number of images.

    Raises:
        ValueError: If `key` is not a random key, or there is not one for each image.
    """
    key = as_typed_key(key)
    if key.shape == ():
        return jax.vmap(jax.random.fold_in, (None, 0))(key, jnp.arange(images))
    if key.shape != (images,):
        raise ValueError(
            f"key has shape {key.shape} for {images} images: give one key, or one for each"
        )
    return key


def keys_of_samples(key: Keys, images: int, samples: int) -> Key[Array, "image sample"]:
    """Returns `jax.random.fold_in(image_key, s)` for sample s of each image."""
    fold = jax.vmap(jax.vmap(jax.random.fold_in, (None, 0)), (0, None))
    return fold(keys_of_images(key, images), jnp.arange(samples))


def check_noise(samples: int, stdev: float | int) -> None:
    """Raises ValueError for a number of samples or a standard deviation that cannot be."""
    as_whole(samples, "samples")
    if not 0 <= stdev < float("inf"):
        raise ValueError(f"stdev is {stdev}: give 0 or more, and no infinity")


def as_typed_key(key: Any) -> Key[Array, "..."]:
    """Returns a typed key from a typed or a raw one (`jax.random.PRNGKey`).

    Raises:
        ValueError: If `key` is not a random key.
    """
    dtype = getattr(key, "dtype", None)
    if dtype is not None and jnp.issubdtype(dtype, jax.dtypes.prng_key):
        return key
    try:
        return jax.random.wrap_key_data(key)
    except (TypeError, ValueError):
        raise ValueError(
            f"key is {key!r}, which is not a random key: give jax.random.key(0), or one for each "
            "image, jax.random.split(jax.random.key(0), images)"
        ) from None
