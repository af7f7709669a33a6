"""Sign rules, the normalized range of a map, and which maps can be scored."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float, Num

from jaxens.arrays import to_float32
from jaxens.errors import remedy
from jaxens.metrics.inputs import ArrayLike

# What to do with negative values, which are evidence against the target. The names are those of
# Captum's visualizations, except that "signed" is Captum's "all".
SIGNS: dict[str, Callable[[Array], Array]] = {
    "signed": lambda map: map,  # keep them
    "positive": lambda map: jnp.maximum(map, 0),  # set them to 0
    "absolute": jnp.abs,  # use magnitudes
}

# XLA divides by multiplying with the reciprocal, and flushes a subnormal reciprocal to zero.
LARGEST = 1e37


@partial(jax.jit, static_argnames="sign")
def apply_sign(
    map: Num[ArrayLike, "*lead height width"], sign: str
) -> Float[Array, "*lead height width"]:
    """Applies a sign rule to a signed map.

    A sign rule is not linear: average maps over members first (Pazzani et al. 2022, Eq. 1).

    Args:
        map: Signed maps.
        sign: A name in `SIGNS`: "signed" keeps negative values, "positive" sets them to 0,
            "absolute" takes magnitudes.

    Returns:
        The maps, in the unit of the input.

    Raises:
        ValueError: If the rule is unknown.
    """
    check_sign(sign)
    return SIGNS[sign](to_float32(map))


def check_sign(sign: str) -> None:
    """Raises `ValueError` for a name that is not in `SIGNS`."""
    if sign not in SIGNS:
        raise ValueError(f"unknown sign rule {sign!r}: {remedy(sign, SIGNS)}")


@jax.jit
def has_contrast(map: Num[ArrayLike, "*lead height width"]) -> Bool[Array, "*lead"]:
    """Returns whether a map can be scored: all its values are finite, and they are not all equal.

    Magnitudes from 1e37 count as infinite and ranges up to 1e-37 as zero, because float32 cannot
    divide by them. The test uses the range (maximum minus minimum): the standard deviation of a
    constant map of 0.1 is not 0 in float32, but 1e-9.

    Args:
        map: Maps.

    Returns:
        One boolean per map.
    """
    low, high = (extreme[..., 0, 0] for extreme in extremes(to_float32(map)))
    return (low > -LARGEST) & (high < LARGEST) & (high - low > 1 / LARGEST)


@partial(jax.jit, static_argnames="signed")
def normalize(
    map: Num[ArrayLike, "*lead height width"], *, signed: bool
) -> Float[Array, "*lead height width"]:
    """Scales each map to a fixed range, so that a threshold means the same for all maps.

    Args:
        map: Maps.
        signed: Whether values carry a sign. A signed map is divided by its largest magnitude,
            and zero, no evidence either way, stays zero. An unsigned map is shifted and scaled
            by its minimum and maximum.

    Returns:
        The maps, in [-1, 1] if signed, else in [0, 1]. A map without contrast becomes NaN.
    """
    map = to_float32(map)
    low, high = extremes(map)
    scaled = map / jnp.maximum(-low, high) if signed else (map - low) / (high - low)
    return jnp.where(has_contrast(map)[..., None, None], scaled, jnp.nan)


def extremes(
    map: Float[Array, "*lead height width"],
) -> tuple[Float[Array, "*lead 1 1"], Float[Array, "*lead 1 1"]]:
    """Returns the minimum and the maximum of each map.

    A NaN or infinite value makes an extreme infinite. Scores share the two passes, which halves
    their time.
    """
    map = jnp.where(jnp.isnan(map), jnp.inf, map)
    return jnp.min(map, (-2, -1), keepdims=True), jnp.max(map, (-2, -1), keepdims=True)
