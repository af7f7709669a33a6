"""Integrated gradients (Sundararajan et al. 2017), as Captum's `IntegratedGradients`."""

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float, Real

from jaxens.attribution.gradient import Model, gradients, scores, taking
from jaxens.attribution.images import as_images, broadcast_to_images, full
from jaxens.attribution.quadrature import nodes_and_weights
from jaxens.attribution.sequence import sum_in_chunks
from jaxens.attribution.targets import Targets


def integrated_gradients(
    logits_fn: Model,
    images: Float[ArrayLike, "image height width channel"],
    targets: Targets,
    baselines: Real[ArrayLike, "..."] = 0.0,
    steps: int = 50,
    quadrature: str = "gausslegendre",
    chunk: int | None = None,
) -> Float[Array, "image height width channel"]:
    """(image - baseline) times the mean gradient on the straight line between them, signed.

    `baselines` is a number or an array that broadcasts to the images: a colour [channel],
    one image [height, width, channel], or one for each. The default 0 is the mean colour
    where images are normalised, not black. `steps` and `quadrature` choose the points on
    the line (see `quadrature`); `chunk` is how many of them go through the model at once
    (all, if None), which bounds memory and changes the result by no more than rounding.

    The attributions of an image sum to F(image) - F(baseline), but for the quadrature's
    error: see `convergence_delta`.
    """
    images = as_images(images)
    model, images = taking(images, logits_fn), full(images)
    start = as_baselines(baselines, images)
    difference = images - start
    nodes, weights = (
        jnp.asarray(values, images.dtype)[None, :, None, None, None]
        for values in nodes_and_weights(quadrature, steps)
    )

    def part(difference: Array, some: slice) -> Array:
        points = start[:, None] + nodes[:, some] * difference[:, None]
        return (weights[:, some] * gradients(model, points, targets)).sum(axis=1)

    return difference * sum_in_chunks(part, difference, steps, chunk)


def convergence_delta(
    logits_fn: Model,
    attributions: Float[ArrayLike, "image height width channel"],
    images: Float[ArrayLike, "image height width channel"],
    targets: Targets,
    baselines: Real[ArrayLike, "..."] = 0.0,
) -> Float[Array, "image"]:
    """Sum of the attributions - (F(image) - F(baseline)), in logits: 0 where complete."""
    images = as_images(images)
    model, images = taking(images, logits_fn), full(images)
    ends = jnp.stack([as_baselines(baselines, images), images], axis=1)
    before, after = scores(model, ends, targets).T
    return jnp.asarray(attributions).sum(axis=(1, 2, 3)) - (after - before)


def as_baselines(
    baselines: ArrayLike, images: Float[Array, "image height width channel"]
) -> Float[Array, "image height width channel"]:
    """One baseline for each image; ValueError if they are not finite or do not broadcast."""
    return broadcast_to_images(baselines, images, "baselines")
