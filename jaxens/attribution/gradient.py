"""Gradients of the explained logit, and the two methods that need only one gradient.

A model is any JAX function from images [image, height, width, channel] to logits [image, class]
that treats each image on its own (no batch statistics). It receives images in the precision of
the user's images; maps and sums are in float32 or float64.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike, DTypeLike
from jaxtyping import Bool, Float

from jaxens.arrays import as_images, to_float32
from jaxens.targets import Model, Targets, as_logits, select


def saliency(
    logits_fn: Model, images: Float[ArrayLike, "image height width channel"], targets: Targets
) -> Float[Array, "image height width channel"]:
    """Returns the absolute gradient of the logit (Simonyan et al. 2013; Captum's `Saliency`).

    Args:
        logits_fn: From images to logits [image, class].
        images: Floats, as the model takes them.
        targets: What to explain, see `select`.

    Returns:
        Attributions of 0 or more, in logits per unit of the images.

    Raises:
        ValueError: If an argument does not fit.
    """
    return jnp.abs(image_gradients(logits_fn, as_images(images), targets))


def input_x_gradient(
    logits_fn: Model, images: Float[ArrayLike, "image height width channel"], targets: Targets
) -> Float[Array, "image height width channel"]:
    """Returns image times gradient (Shrikumar et al. 2016; Captum's `InputXGradient`).

    Args:
        logits_fn: From images to logits [image, class].
        images: Floats, as the model takes them. Zero is the reference: the mean color, if images
            are normalized.
        targets: What to explain, see `select`.

    Returns:
        Signed attributions, in logits.

    Raises:
        ValueError: If an argument does not fit.
    """
    images = as_images(images)
    return to_float32(images) * image_gradients(logits_fn, images, targets)


def image_gradients(
    logits_fn: Model, images: Float[Array, "image height width channel"], targets: Targets
) -> Float[Array, "image height width channel"]:
    """Returns the gradient of the explained number at the images."""
    model = cast_inputs(logits_fn, images.dtype)
    return gradients(model, to_float32(images)[:, None], targets)[:, 0]


def gradients(
    logits_fn: Model,
    points: Float[Array, "image point ..."],
    targets: Targets,
) -> Float[Array, "image point ..."]:
    """Returns the gradient of the explained number at several points per image.

    If that number is NaN (a member diverged, or a traced target is out of range), the whole map
    is NaN. Units that are switched off would otherwise leave zeros in it.
    """
    slopes, values = _slopes(logits_fn, points, targets)
    return _nan_where(jnp.isnan(values), slopes)


def sum_of_gradients(
    logits_fn: Model,
    points: Float[Array, "image point ..."],
    targets: Targets,
    weights: Float[Array | np.ndarray, "point"],
) -> Float[Array, "image ..."]:
    """Returns the weighted sum of `gradients` over the points of each image."""
    slopes, values = _slopes(logits_fn, points, targets)
    # Point by point: a sum over the axis of a product took XLA:CPU a fifth of the time of a
    # small network.
    terms = (slopes[:, k] * jnp.asarray(w, slopes.dtype) for k, w in enumerate(weights))
    return _nan_where(jnp.isnan(values).any(axis=1), functools.reduce(jnp.add, terms))


def _slopes(
    logits_fn: Model, points: Float[Array, "image point ..."], targets: Targets
) -> tuple[Float[Array, "image point ..."], Float[Array, "image point"]]:
    def total(points: Array) -> tuple[Array, Array]:
        values = explained_values(logits_fn, points, targets)
        return values.sum(), values

    return jax.grad(total, has_aux=True)(points)


def _nan_where(undefined: Bool[Array, "..."], slopes: Float[Array, "..."]) -> Float[Array, "..."]:
    whole_maps = undefined.reshape(undefined.shape + (1,) * (slopes.ndim - undefined.ndim))
    return jnp.where(whole_maps, jnp.nan, slopes)


def explained_values(
    logits_fn: Model,
    points: Float[Array, "image point ..."],
    targets: Targets,
) -> Float[Array, "image point"]:
    """Returns the explained number at each point, from one call of the model on all points."""
    images, count = points.shape[:2]
    rows = jnp.squeeze(points, 1) if count == 1 else points.reshape(-1, *points.shape[2:])
    logits = as_logits(logits_fn(rows), images * count)
    by_point = to_float32(logits).reshape(images, count, logits.shape[1])
    return jax.vmap(lambda logits: select(logits, targets), in_axes=1, out_axes=1)(by_point)


def cast_inputs(model: Model, dtype: DTypeLike) -> Model:
    """Returns the model with its input cast to a type, which is the type of the user's images."""
    return lambda images: model(images.astype(dtype))
