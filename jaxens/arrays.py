"""Checks of arrays, with errors that name the argument and the remedy."""

import operator
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float, Real, Shaped

from jaxens.sharding import shard_as


def as_images(images: ArrayLike) -> Float[Array, "image height width channel"]:
    """Returns the images as a JAX array.

    Raises:
        ValueError: Unless they are finite floats [image, height, width, channel], at least one.
            The values of traced images cannot be checked.
    """
    array = jnp.asarray(images)
    if array.ndim != 4:
        raise ValueError(
            f"images has shape {array.shape}: give [image, height, width, channel]; a single "
            "image is images[None]"
        )
    if not array.size:
        raise ValueError(f"images has shape {array.shape}, no pixel: give at least one image")
    if not jnp.issubdtype(array.dtype, jnp.floating):
        raise ValueError(
            f"images has type {array.dtype}: give the floating-point images that the model takes"
        )
    wrong = np.flatnonzero(~_finite(images, axis=(1, 2, 3)))
    if wrong.size:
        raise ValueError(
            f"image {wrong[0]} contains NaN or infinity ({wrong.size} of {len(array)} images "
            "do): leave it out, or fix its preprocessing (a division by a deviation of 0?)"
        )
    return array


def broadcast_to_images(
    colors: Real[ArrayLike, "..."],
    images: Float[Array, "image height width channel"],
    name: str,
) -> Float[Array, "image height width channel"]:
    """Broadcasts a number, a color, an image or one image each to the shape of `images`.

    Raises:
        ValueError: With the `name` of the argument, if it does not broadcast or is not finite.
    """
    try:
        broadcast = jnp.broadcast_to(jnp.asarray(colors, images.dtype), images.shape)
    except (TypeError, ValueError):
        raise ValueError(
            f"{name} has shape {np.shape(colors)}, which does not broadcast to the images' "
            f"{images.shape}: give a number, a color ({images.shape[-1]},), one image, or one for "
            "each image"
        ) from None
    check_finite(colors, name)
    return shard_as(broadcast, images)


def check_finite(values: ArrayLike, name: str) -> None:
    """Raises ValueError, with the name, if values that are not traced are NaN or infinite."""
    if not _finite(values):
        raise ValueError(f"{name} contains NaN or infinity: give finite numbers")


def as_whole(value: Any, name: str, least: int = 1) -> int:
    """Returns a setting as an int; ValueError unless it is a whole number of at least `least`."""
    try:
        if isinstance(value, bool):
            raise TypeError
        number = operator.index(value)
    except TypeError:
        raise ValueError(f"{name} is {value!r}: give a whole number, at least {least}") from None
    if number < least:
        raise ValueError(f"{name} is {number}: give at least {least}")
    return number


def check_one_logit(output: Callable[[Array], Array], remedy: str) -> None:
    """Checks that a function of the logits of a model with one logit depends on that logit.

    A softmax does not: over one class it is 1 for every image.

    Args:
        output: From logits [image, 1].
        remedy: What to give instead.

    Raises:
        ValueError: If it does not. What is traced cannot be checked.
    """
    with jax.ensure_compile_time_eval():
        low, high = output(jnp.asarray([[-1], [1]], jnp.float32))
    if not isinstance(low, jax.core.Tracer) and np.array_equal(low, high):
        raise ValueError(
            "the model has one logit, and a softmax over one class is 1 for every image: give "
            f"{remedy}"
        )


def to_float32(values: Shaped[ArrayLike, "*shape"]) -> Float[Array, "*shape"]:
    """Returns the values in float32 (float64 stays): sums need more than the 8 bits of bfloat16."""
    values = jnp.asarray(values)
    # Not `promote_types`, because JAX may be configured to promote nothing by itself.
    return values.astype(jnp.float64 if values.dtype == jnp.float64 else jnp.float32)


def _finite(values: ArrayLike, axis: tuple[int, ...] | None = None) -> np.ndarray:
    """Returns whether all values along the axes are finite; true if they are traced."""
    if isinstance(values, jax.core.Tracer):
        return np.asarray(True)
    with jax.ensure_compile_time_eval():  # a constant inside of `jit` has values too
        return np.asarray(jnp.isfinite(jnp.asarray(values)).all(axis=axis))
