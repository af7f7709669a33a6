"""Integrated gradients (Sundararajan et al. 2017), as Captum's `IntegratedGradients`."""

import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike
from jaxtyping import Float, Real

from jaxens.arrays import as_images, broadcast_to_images, to_float32
from jaxens.attribution.gradient import cast_inputs, explained_values, sum_of_gradients
from jaxens.attribution.quadrature import nodes_and_weights
from jaxens.chunks import in_chunks
from jaxens.sharding import shard_as
from jaxens.targets import Model, Targets


def integrated_gradients(
    logits_fn: Model,
    images: Float[ArrayLike, "image height width channel"],
    targets: Targets,
    baselines: Real[ArrayLike, "..."] = 0.0,
    steps: int = 50,
    quadrature: str = "gausslegendre",
    chunk: int | None = None,
) -> Float[Array, "image height width channel"]:
    """Returns (image - baseline) times the mean gradient on the straight path between them.

    The attributions of an image sum to F(image) - F(baseline), up to the error of the quadrature:
    see `convergence_delta`.

    Inside `jax.shard_map`, images that all devices share must be made varying first (`lax.pcast`)
    if the model's weights vary, as for every gradient: JAX would sum it over the devices.

    Args:
        logits_fn: From images to logits [image, class].
        images: Floats, as the model takes them.
        targets: What to explain, see `select`.
        baselines: Where the path starts: a number, a color [channel], one image
            [height, width, channel], or one for each image. The default 0 is the mean color if
            images are normalized, not black.
        steps: Points on the path.
        quadrature: A name of `QUADRATURES`, which chooses the points and their weights.
        chunk: Points of an image that go through the model at once (None: all). It bounds memory
            and changes the result by rounding only.

    Returns:
        Signed attributions, in logits.

    Raises:
        ValueError: If an argument does not fit.
    """
    images = as_images(images)
    model, images = cast_inputs(logits_fn, images.dtype), to_float32(images)
    start = as_baselines(baselines, images)
    nodes, weights = nodes_and_weights(quadrature, steps)

    def part(nodes: Array | np.ndarray, weights: Array | np.ndarray) -> Array:
        points = _between(start, images, jnp.asarray(nodes, images.dtype))
        return sum_of_gradients(model, points, targets, weights)

    return (images - start) * in_chunks(part, chunk, nodes, weights, combine=jnp.add)


def _between(
    start: Float[Array, "image height width channel"],
    end: Float[Array, "image height width channel"],
    nodes: Float[Array, "point"],
) -> Float[Array, "image point height width channel"]:
    # A matrix product, because XLA:CPU fuses a sum into the ReLU or maximum that follows it and
    # again into its gradient. It rounded the same point in two ways, and then no value was the
    # largest of its window.
    ends = jnp.stack([start, end], axis=1).reshape(len(start), 2, -1)
    shares = jnp.stack([1 - nodes, nodes], axis=1)
    shares = shard_as(jnp.broadcast_to(shares, (len(start), *shares.shape)), end)
    points = jnp.matmul(shares, ends, precision=lax.Precision.HIGHEST)
    return points.reshape(*points.shape[:2], *start.shape[1:])


def convergence_delta(
    logits_fn: Model,
    attributions: Float[ArrayLike, "image height width channel"],
    images: Float[ArrayLike, "image height width channel"],
    targets: Targets,
    baselines: Real[ArrayLike, "..."] = 0.0,
) -> Float[Array, "image"]:
    """Returns the sum of the attributions minus (F(image) - F(baseline)), as Captum's.

    Args:
        logits_fn: From images to logits [image, class].
        attributions: The result of `integrated_gradients` for the arguments that follow.
        images: Floats, as the model takes them.
        targets: What was explained.
        baselines: Where the path started.

    Returns:
        One number per image, in logits; 0 if the attributions are complete.

    Raises:
        ValueError: If an argument does not fit.
    """
    images = as_images(images)
    model, images = cast_inputs(logits_fn, images.dtype), to_float32(images)
    ends = jnp.stack([as_baselines(baselines, images), images], axis=1)
    at_baseline, at_image = explained_values(model, ends, targets).T
    return jnp.asarray(attributions).sum(axis=(1, 2, 3)) - (at_image - at_baseline)


def as_baselines(
    baselines: ArrayLike, images: Float[Array, "image height width channel"]
) -> Float[Array, "image height width channel"]:
    """Returns one baseline per image; ValueError if they are not finite or do not broadcast."""
    return broadcast_to_images(baselines, images, "baselines")
