"""Gradients of the explained logit, and the two methods that are no more than that.

A model is any JAX function from images [image, height, width, channel] to logits
[image, class] that treats each image on its own (no batch statistics).
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float

from jaxens.attribution.targets import Targets, select

Model = Callable[[Array], Array]


def saliency(
    logits_fn: Model, images: Float[ArrayLike, "image height width channel"], targets: Targets
) -> Float[Array, "image height width channel"]:
    """Absolute gradient of the target's logit (Simonyan et al. 2013; Captum's `Saliency`)."""
    return jnp.abs(image_gradients(logits_fn, as_images(images), targets))


def input_x_gradient(
    logits_fn: Model, images: Float[ArrayLike, "image height width channel"], targets: Targets
) -> Float[Array, "image height width channel"]:
    """Image times gradient, signed (Shrikumar et al. 2016; Captum's `InputXGradient`).

    Depends on where zero lies: for normalised images, zero is the mean colour.
    """
    images = as_images(images)
    return images * image_gradients(logits_fn, images, targets)


def image_gradients(
    logits_fn: Model, images: Float[Array, "image height width channel"], targets: Targets
) -> Float[Array, "image height width channel"]:
    """Gradient of the explained number at the images themselves."""
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
    logits = as_logits(logits_fn(points.reshape(images * count, *points.shape[2:])), images * count)
    by_point = logits.reshape(images, count, -1)
    return jax.vmap(lambda logits: select(logits, targets), in_axes=1, out_axes=1)(by_point)


def sum_in_chunks(
    part: Callable[[Array, slice], Array], images: Array, count: int, chunk: int | None
) -> Array:
    """Sum of `part(images, points)` over slices of `count` points, `chunk` of them at a time.

    Unrolled, because XLA:CPU falls to slow convolutions inside its loops; in sequence,
    because XLA would otherwise hold the activations of all chunks at once.
    """
    first, *rest = slices(count, chunk)
    total = part(images, first)
    for some in rest:
        images = after(total, images)
        total = total + part(images, some)
    return total


def slices(count: int, chunk: int | None) -> list[slice]:
    """Slices of `chunk` (all, if None) out of `count`; the last one may be shorter."""
    if chunk is not None and chunk < 1:
        raise ValueError(f"chunk is {chunk}: give at least 1, or None for all at once")
    size = chunk or count
    return [slice(first, min(first + size, count)) for first in range(0, count, size)]


def after(done: Float[Array, "*shape"], images: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """The images as they are, for what XLA shall not begin before `done` is computed."""
    # Never true, but XLA does not see it, and so waits. It drops an `optimization_barrier`
    # before it schedules, on CPU.
    never = jnp.isnan(done) & (done > 0)
    return jnp.where(never, 0, images)


def as_logits(logits: object, images: int) -> Float[Array, "image label"]:
    """What a model returned for a number of images; ValueError unless [image, class]."""
    shape = getattr(logits, "shape", None)
    if shape is None:
        raise ValueError(
            f"the model returned a {type(logits).__name__}: return the array of the logits to "
            f"explain, shape ({images}, classes)"
        )
    if len(shape) != 2 or shape[0] != images:
        raise ValueError(
            f"the model returned shape {shape} for {images} images: return logits "
            f"of shape ({images}, classes)"
        )
    return jnp.asarray(logits)


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
    if not jnp.issubdtype(array.dtype, jnp.floating):
        raise ValueError(
            f"images has type {array.dtype}, which has no gradient: give the floating-point "
            "images that the model takes"
        )
    if not isinstance(images, jax.core.Tracer):
        _check_finite(images)
    return array


def _check_finite(images: ArrayLike) -> None:
    with jax.ensure_compile_time_eval():  # a constant inside of `jit` has values too
        finite = np.asarray(jnp.isfinite(images).all(axis=(1, 2, 3)))
    if not finite.all():
        wrong = np.flatnonzero(~finite)
        raise ValueError(
            f"image {wrong[0]} contains NaN or infinity ({len(wrong)} of {len(finite)} images "
            "do): leave it out, or mend its preprocessing (a division by a deviation of 0?)"
        )
