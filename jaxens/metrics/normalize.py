"""The sign rule, the normalised range, and which maps can be scored at all."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float, Num

from jaxens.metrics.inputs import ArrayLike, as_float

# What becomes of evidence against the target. The names are those of Captum's visualisations,
# but for "signed", which is Captum's "all".
SIGNS: dict[str, Callable[[Array], Array]] = {
    "signed": lambda map: map,  # kept
    "positive": lambda map: jnp.maximum(map, 0),  # dropped
    "absolute": jnp.abs,  # counted like evidence for it
}


# XLA divides by multiplying with the reciprocal, and takes a subnormal one for zero.
LARGEST = 1e37


@partial(jax.jit, static_argnames="sign")
def apply_sign(
    map: Num[ArrayLike, "*lead height width"], sign: str
) -> Float[Array, "*lead height width"]:
    """Applies a sign rule, a name out of `SIGNS`, to a signed map.

    It is not linear: average maps over members first (Eq. 1 of the paper), then apply it.

    **Raises:** `ValueError` for an unknown rule.
    """
    check_sign(sign)
    return SIGNS[sign](as_float(map))


def check_sign(sign: str) -> None:
    if sign not in SIGNS:
        raise ValueError(f"unknown sign rule {sign!r}: choose one of {', '.join(SIGNS)}")


@jax.jit
def has_contrast(map: Num[ArrayLike, "*lead height width"]) -> Bool[Array, "*lead"]:
    """Whether a map can be scored: its values are all finite and not all the same.

    Magnitudes from 1e37 count as not finite, and differences up to 1e-37 as none: float32
    cannot divide by them. The largest value is compared with the smallest, for a standard
    deviation would not do: that of a constant 0.1 in float32 is 1e-9.
    """
    map = as_float(map)
    low, high = (found[..., 0, 0] for found in extremes(map))
    return (low > -LARGEST) & (high < LARGEST) & (high - low > 1 / LARGEST)


@partial(jax.jit, static_argnames="signed")
def normalize(
    map: Num[ArrayLike, "*lead height width"], *, signed: bool
) -> Float[Array, "*lead height width"]:
    """Scales each map to the range in which a threshold has one meaning for all maps.

    An unsigned map goes to [0, 1]: its minimum is subtracted, then it is divided by its
    maximum. A signed map goes to [-1, 1]: it is divided by its largest magnitude, so zero, no
    evidence either way, stays zero. A map without contrast becomes NaN.
    """
    map = as_float(map)
    low, high = extremes(map)
    scaled = map / jnp.maximum(-low, high) if signed else (map - low) / (high - low)
    return jnp.where(has_contrast(map)[..., None, None], scaled, jnp.nan)


def extremes(
    map: Float[Array, "*lead height width"],
) -> tuple[Float[Array, "*lead 1 1"], Float[Array, "*lead 1 1"]]:
    """The smallest and the largest value: all that scores need of a range, in two passes.

    XLA finds them once for all that ask. It may pass over NaN, which counts as infinite here: so
    these two tell of every value that is not finite, and no third pass looks for one.
    """
    pixels = (-2, -1)
    map = jnp.where(jnp.isnan(map), jnp.inf, map)
    return jnp.min(map, axis=pixels, keepdims=True), jnp.max(map, axis=pixels, keepdims=True)
