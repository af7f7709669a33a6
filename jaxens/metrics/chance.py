"""Maps that know nothing of the model or the picture: what a score is worth beside them."""

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Key, UInt32

# One key or an array of them; typed (`jax.random.key`) or raw.
Keys = Key[Array, "*lead"] | UInt32[Array, "*lead 2"]


def centered_gaussian(
    height: int, width: int, sigma: float = 0.25
) -> Float[Array, "{height} {width}"]:
    """A Gaussian in the middle of the picture, one map for all images.

    People put what they photograph in the middle, so this is the stronger of the two baselines:
    a method that does not beat it has found no more than that. `sigma` is the standard deviation
    in fractions of height and of width; at a quarter, the edges are two of them from the middle.

    **Raises:** `ValueError` for a side or a sigma that is not positive.
    """
    _check_sides(height, width)
    if not sigma > 0:
        raise ValueError(f"sigma is {sigma}: give a positive fraction of the sides")
    rows, columns = _profile(height, sigma), _profile(width, sigma)
    return rows[:, None] * columns[None, :]


def _profile(length: int, sigma: float) -> Float[Array, " {length}"]:
    centers = (jnp.arange(length) + 0.5) / length
    return jnp.exp(-(((centers - 0.5) / sigma) ** 2) / 2)


def random_maps(keys: Keys, height: int, width: int) -> Float[Array, "*lead {height} {width}"]:
    """Uniform noise in [0, 1), a map per key; an image's map depends on its key alone.

    It is not smoothed. Every order of the pixels is then equally likely, so that scores have
    chance levels that are known and depend on no further choice: the pointing game and the
    relevance mass and rank expect the share of the picture that is marked.

    **Raises:** `ValueError` for a side that is not positive.
    """
    _check_sides(height, width)
    if not jnp.issubdtype(keys.dtype, jax.dtypes.prng_key):
        keys = jax.random.wrap_key_data(keys)
    maps = jax.vmap(lambda key: jax.random.uniform(key, (height, width)))(keys.ravel())
    return maps.reshape(*keys.shape, height, width)


def _check_sides(height: int, width: int) -> None:
    if min(height, width) < 1:
        raise ValueError(f"a map of {height} x {width} pixels has none: give positive sides")
