"""Gradients of the explained logit, and the two methods that are no more than that.

A model is any JAX function from images [image, height, width, channel] to logits
[image, class] that treats each image on its own (no batch statistics).
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float

from jaxens.attribution.targets import Targets, select

Model = Callable[[Array], Array]


def saliency(
    logits_fn: Model, images: Float[ArrayLike, "image height width channel"], targets: Targets
) -> Float[Array, "image height width channel"]:
    """Absolute gradient of the target's logit (Simonyan et al. 2013; Captum's `Saliency`)."""
    return jnp.abs(_image_gradients(logits_fn, as_images(images), targets))


def input_x_gradient(
    logits_fn: Model, images: Float[ArrayLike, "image height width channel"], targets: Targets
) -> Float[Array, "image height width channel"]:
    """Image times gradient, signed (Shrikumar et al. 2016; Captum's `InputXGradient`).

    Depends on where zero lies: for normalised images, zero is the mean colour.
    """
    images = as_images(images)
    return images * _image_gradients(logits_fn, images, targets)


def _image_gradients(
    logits_fn: Model, images: Float[Array, "image height width channel"], targets: Targets
) -> Float[Array, "image height width channel"]:
    return gradients(logits_fn, images[:, None], targets)[:, 0]


def gradients(
    logits_fn: Model,
    points: Float[Array, "image point height width channel"],
    targets: Targets,
) -> Float[Array, "image point height width channel"]:
    """Gradient of the explained number at each of some points of each image's input space.

    Where that number is NaN (a member that diverged, a traced target out of range) the
    whole map is NaN: units that are switched off would otherwise leave zeros in it.
    """

    def total(points: Array) -> tuple[Array, Array]:
        values = scores(logits_fn, points, targets)
        return values.sum(), values

    slopes, values = jax.grad(total, has_aux=True)(points)
    return jnp.where(jnp.isnan(values)[:, :, None, None, None], jnp.nan, slopes)


def scores(
    logits_fn: Model,
    points: Float[Array, "image point height width channel"],
    targets: Targets,
) -> Float[Array, "image point"]:
    """The explained number at each point, from one call of the model on all of them."""
    images, count = points.shape[:2]
    logits = logits_fn(points.reshape(images * count, *points.shape[2:]))
    if logits.ndim != 2 or logits.shape[0] != images * count:
        raise ValueError(
            f"the model returned shape {logits.shape} for {images * count} images: return logits "
            f"of shape ({images * count}, classes)"
        )
    by_point = logits.reshape(images, count, -1)
    return jax.vmap(lambda logits: select(logits, targets), in_axes=1, out_axes=1)(by_point)


def sum_in_chunks(
    part: Callable[[Array, slice], Array], images: Array, count: int, chunk: int | None
) -> Array:
    """Sum of `part(images, points)` over slices of `count` points, `chunk` of them at a time.

    Unrolled, because XLA:CPU falls to slow convolutions inside its loops; in sequence,
    because XLA would otherwise hold the activations of all chunks at once.
    """
    if chunk is not None and chunk < 1:
        raise ValueError(f"chunk is {chunk}: give at least 1, or None for all at once")
    size = chunk or count
    total = part(images, slice(0, size))
    for first in range(size, count, size):
        # Never true, but XLA does not see it, and so waits for the total. It drops an
        # `optimization_barrier` before it schedules, on CPU.
        never = jnp.isnan(total) & (total > 0)
        images = jnp.where(never, 0, images)
        total = total + part(images, slice(first, first + size))
    return total


def as_images(images: ArrayLike) -> Float[Array, "image height width channel"]:
    """The images as a JAX array; ValueError unless [image, height, width, channel] floats."""
    array = jnp.asarray(images)
    if array.ndim != 4:
        raise ValueError(
            f"images has shape {array.shape}: give [image, height, width, channel]; one image "
            "alone is images[None]"
        )
    if not jnp.issubdtype(array.dtype, jnp.floating):
        raise ValueError(
            f"images has type {array.dtype}, which has no gradient: give the floating-point "
            "images that the model takes"
        )
    return array
