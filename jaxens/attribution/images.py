"""Images as every method takes them, and the precision that it computes in."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float, Real


def as_images(images: ArrayLike) -> Float[Array, "image height width channel"]:
    """The images as a JAX array; ValueError unless [image, height, width, channel] floats.

    NaN and infinity are refused too, but not under `jit` or `vmap`, where no value is known.
    """
    array = jnp.asarray(images)
    if array.ndim != 4:
        raise ValueError(
            f"images has shape {array.shape}: give [image, height, width, channel]; one image "
            "alone is images[None]"
        )
    if not array.size:
        raise ValueError(f"images has shape {array.shape}, no pixel: give at least one image")
    if not jnp.issubdtype(array.dtype, jnp.floating):
        raise ValueError(
            f"images has type {array.dtype}, which has no gradient: give the floating-point "
            "images that the model takes"
        )
    wrong = np.flatnonzero(~_finite(images, axis=(1, 2, 3)))
    if wrong.size:
        raise ValueError(
            f"image {wrong[0]} contains NaN or infinity ({wrong.size} of {len(array)} images "
            "do): leave it out, or mend its preprocessing (a division by a deviation of 0?)"
        )
    return array


def broadcast_to_images(
    colours: Real[ArrayLike, "..."],
    images: Float[Array, "image height width channel"],
    name: str,
) -> Float[Array, "image height width channel"]:
    """A colour, an image, or one for each image, as images of their type.

    ValueError, by name, unless it broadcasts to the images and, if no tracer, is finite.
    """
    try:
        broadcast = jnp.broadcast_to(jnp.asarray(colours, images.dtype), images.shape)
    except (TypeError, ValueError):
        raise ValueError(
            f"{name} has shape {np.shape(colours)}, which does not broadcast to the images' "
            f"{images.shape}: give a number, a colour, one image, or one for each image"
        ) from None
    check_finite(colours, name)
    return broadcast


def check_finite(values: ArrayLike, name: str) -> None:
    """ValueError, by name, for NaN or infinity in what is no tracer."""
    if not _finite(values):
        raise ValueError(f"{name} contains NaN or infinity: give finite numbers")


def full(values: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """In float32 or better: sums need more than the 8 bits of bfloat16."""
    return values.astype(jnp.float32) if jnp.finfo(values.dtype).bits < 32 else values


def _finite(values: ArrayLike, axis: tuple[int, ...] | None = None) -> np.ndarray:
    """Whether all values along `axis` are finite; true of a tracer."""
    if isinstance(values, jax.core.Tracer):
        return np.asarray(True)
    with jax.ensure_compile_time_eval():  # a constant inside of `jit` has values too
        return np.asarray(jnp.isfinite(jnp.asarray(values)).all(axis=axis))
