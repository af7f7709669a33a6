"""Integrated gradients (Sundararajan et al. 2017), as Captum's `IntegratedGradients`."""

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike
from jaxtyping import Float, Real

from jaxens.attribution import affine
from jaxens.attribution.gradient import Model, scores, sum_of_gradients, taking
from jaxens.attribution.images import as_images, broadcast_to_images, full
from jaxens.attribution.quadrature import nodes_and_weights
from jaxens.attribution.sequence import slices, sum_in_chunks
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

    Inside `jax.shard_map`, images that devices share have to be made varying first (`lax.pcast`)
    where the model's weights vary, as for every gradient: JAX would sum it over the devices.

    The attributions of an image sum to F(image) - F(baseline), but for the quadrature's
    error: see `convergence_delta`.
    """
    images = as_images(images)
    model, images = taking(images, logits_fn), full(images)
    start = as_baselines(baselines, images)
    difference = images - start
    nodes, weights = nodes_and_weights(quadrature, steps)
    counts = {some.stop - some.start for some in slices(steps, chunk)}
    before, behind = affine.split(model, images, counts)
    # What is affine is interpolated, and turned back, as well as the images themselves.
    ends, back = jax.vjp(before, images)
    starts = before(start)

    def part(ends: list[Array], some: slice) -> list[Array]:
        def along(start: Array, end: Array) -> Array:
            # A product, since a ReLU or a maximum may follow at once: XLA:CPU fused sums into
            # that, and again into its gradient, rounded a point in two ways, and then no value
            # was the largest of its window.
            at = jnp.asarray(nodes[some], start.dtype)
            sides = jnp.stack([start, end], axis=1).reshape(len(start), 2, -1)
            shares = jnp.broadcast_to(jnp.stack([1 - at, at], axis=1), (len(start), len(at), 2))
            points = jnp.matmul(shares, sides, precision=lax.Precision.HIGHEST)
            return points.reshape(*points.shape[:2], *start.shape[1:])

        points = jax.tree.map(along, starts, ends)
        return sum_of_gradients(behind, points, targets, weights[some])

    slopes = sum_in_chunks(part, ends, steps, chunk)
    undefined = jnp.isnan(slopes[0]).all(axis=tuple(range(1, slopes[0].ndim)), keepdims=True)
    return jnp.where(undefined.reshape(-1, 1, 1, 1), jnp.nan, difference * back(slopes)[0])


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
