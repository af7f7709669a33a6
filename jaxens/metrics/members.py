"""What the maps of an ensemble's members say together: their mean, spread and agreement."""

from functools import partial, reduce

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Num

from jaxens.metrics.inputs import ArrayLike, as_float
from jaxens.metrics.normalize import has_contrast, normalize


@jax.jit
def mean_map(
    maps: Num[ArrayLike, "member *lead height width"],
) -> Float[Array, "*lead height width"]:
    """The ensemble's explanation: the mean of the raw maps.

    Pazzani et al. 2022, Eq. 1. A member whose maps are larger has more of a say;
    `mean_of_normalized` gives each the same.
    """
    # One by one: XLA:CPU took 60 times as long to reduce the first axis of eleven.
    return reduce(jnp.add, as_float(maps)) / maps.shape[0]


@partial(jax.jit, static_argnames="signed")
def mean_of_normalized(
    maps: Num[ArrayLike, "member *lead height width"], *, signed: bool
) -> Float[Array, "*lead height width"]:
    """The mean of the members' normalised maps (see `normalize`): each has the same say.

    It is another map than the normalised mean map, and not Equation 1 of the paper. A member
    without contrast (a constant map) is left out of the mean of its image; NaN where all are.
    """
    return jnp.nanmean(normalize(maps, signed=signed), axis=0)


@jax.jit
def spread(
    maps: Num[ArrayLike, "member *lead height width"],
) -> Float[Array, "*lead height width"]:
    """The standard deviation over members at each pixel, in the maps' unit; 0 for one member.

    Over those members, not an estimate for others: the sum is divided by their number.
    """
    return as_float(maps).std(axis=0)


@jax.jit
def agreement(maps: Num[ArrayLike, "member *lead height width"]) -> Float[Array, "*lead"]:
    """The mean of Pearson's correlation over all pairs of members, from -1 / (members - 1) to 1.

    It tells how much of a map is the image's, and how much its member's. NaN for one member,
    and where a member's map is constant or not finite.
    """
    maps = as_float(maps)
    members = maps.shape[0]
    if members < 2:
        return jnp.full(maps.shape[1:-2], jnp.nan)
    scored = has_contrast(maps).all(axis=0)
    # By the largest magnitude first, so that no square leaves the range of float32.
    maps = maps / jnp.abs(maps).max(axis=(-2, -1), keepdims=True)
    maps = maps - maps.mean(axis=(-2, -1), keepdims=True)
    units = maps / jnp.sqrt((maps**2).sum(axis=(-2, -1), keepdims=True))
    # The sum over all pairs is the square of the sum, less each with itself.
    total = (units.sum(axis=0) ** 2).sum(axis=(-2, -1))
    return jnp.where(scored, (total - members) / (members * (members - 1)), jnp.nan)
