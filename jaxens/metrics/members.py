"""The mean, spread and agreement of the maps of an ensemble's members."""

from functools import partial, reduce

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Num

from jaxens.arrays import to_float32
from jaxens.metrics.inputs import ArrayLike
from jaxens.metrics.normalize import has_contrast, normalize


@jax.jit
def mean_map(
    maps: Num[ArrayLike, "member *lead height width"],
) -> Float[Array, "*lead height width"]:
    """Returns the ensemble's map: the mean of the members' raw maps.

    A member with larger values has more weight; in `mean_of_normalized` all weigh the same.

    Pazzani et al. 2022, Eq. 1.

    Args:
        maps: Raw maps, signed or not.

    Returns:
        The mean over members, in the unit of the maps.
    """
    # One by one: XLA:CPU takes 20 times as long to reduce the first axis.
    return reduce(jnp.add, to_float32(maps)) / len(maps)


@jax.jit
def mean_of_finite(
    maps: Num[ArrayLike, "member *lead height width"],
) -> Float[Array, "*lead height width"]:
    """Returns the mean of those members' raw maps that are finite, as figures show it.

    Scores are of `mean_map`, which is NaN if one member's map is.

    Args:
        maps: Raw maps.

    Returns:
        The mean over the members whose map of the image is finite; NaN where none is.
    """
    maps = to_float32(maps)
    finite = jnp.isfinite(maps).all(axis=(-2, -1), keepdims=True)
    return jnp.mean(maps, axis=0, where=finite)


@partial(jax.jit, static_argnames="signed")
def mean_of_normalized(
    maps: Num[ArrayLike, "member *lead height width"], *, signed: bool
) -> Float[Array, "*lead height width"]:
    """Returns the mean of the members' normalized maps, which gives all members the same weight.

    It differs from the normalized mean map, and from Equation 1 of the paper.

    Args:
        maps: Raw maps.
        signed: Whether their values carry a sign (see `normalize`).

    Returns:
        The mean over the members whose map of the image has contrast; NaN where none has.
    """
    return jnp.nanmean(normalize(maps, signed=signed), axis=0)


@jax.jit
def spread(
    maps: Num[ArrayLike, "member *lead height width"],
) -> Float[Array, "*lead height width"]:
    """Returns the standard deviation over members at each pixel.

    Args:
        maps: Raw maps.

    Returns:
        The population standard deviation (the sum is divided by the number of members), in the
        unit of the maps; 0 for one member.
    """
    return jnp.std(to_float32(maps), axis=0)


@jax.jit
def agreement(maps: Num[ArrayLike, "member *lead height width"]) -> Float[Array, "*lead"]:
    """Returns the mean Pearson correlation of two members' maps, over all pairs of members.

    Args:
        maps: Raw maps.

    Returns:
        A value per image, from -1 / (members - 1) to 1. NaN for one member, and where a member's
        map is constant or not finite.
    """
    maps = to_float32(maps)
    members = maps.shape[0]
    if members < 2:
        return jnp.full(maps.shape[1:-2], jnp.nan)
    scored = has_contrast(maps).all(axis=0)
    # Scaled first, so that no square overflows or underflows float32.
    maps = maps / jnp.abs(maps).max(axis=(-2, -1), keepdims=True)
    maps = maps - maps.mean(axis=(-2, -1), keepdims=True)
    units = maps / jnp.sqrt((maps**2).sum(axis=(-2, -1), keepdims=True))
    # The square of the sum holds every ordered pair, and each member with itself.
    total = (units.sum(axis=0) ** 2).sum(axis=(-2, -1))
    return jnp.where(scored, (total - members) / (members * (members - 1)), jnp.nan)
