"""GradientSHAP (expected gradients; Lundberg & Lee 2017, Erion et al. 2021).

What is random is drawn by `shap_draws`; `shap_from_draws` is deterministic.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float

from jaxens.attribution.gradient import Model, as_images, gradients, sum_in_chunks
from jaxens.attribution.keys import Keys, keys_of_images
from jaxens.attribution.targets import Targets


class Draws(NamedTuple):
    """For each image and sample: a row of the baselines, a place on the line, and noise.

    Shapes [image, sample], [image, sample] and [image, sample, height, width, channel];
    noise that is zero throughout may have length 1 in its last three axes.
    """

    baseline: Array
    alpha: Array
    noise: Array


def gradient_shap(
    logits_fn: Model,
    images: Float[ArrayLike, "image height width channel"],
    targets: Targets,
    *,
    key: Keys,
    baselines: Float[ArrayLike, "baseline height width channel"],
    samples: int = 5,
    stdev: float | int = 0.0,
    chunk: int | None = None,
) -> Float[Array, "image height width channel"]:
    """Mean of (image - baseline) times the gradient at a random point between them, signed.

    Each sample draws a baseline with replacement, adds noise of `stdev` (in the images'
    unit) to the image, and takes one point on the line between the two. As Captum's
    `GradientShap`, for the same draws. `key` and the draws: see `shap_draws`. `chunk` is
    how many samples of an image go through the model at once (all, if None), which bounds
    memory and leaves the result as it is.
    """
    images, baselines = as_images(images), jnp.asarray(baselines, images.dtype)
    if baselines.shape[1:] != images.shape[1:] or not len(baselines):
        raise ValueError(
            f"baselines has shape {baselines.shape}: give at least one image to draw from, shape "
            f"[baseline, height, width, channel] with {images.shape[1:]} last"
        )
    draws = shap_draws(key, images, len(baselines), samples, stdev)
    return shap_from_draws(logits_fn, images, targets, baselines, draws, chunk)


def shap_draws(
    key: Keys,
    images: Float[ArrayLike, "image height width channel"],
    baselines: int,
    samples: int = 5,
    stdev: float | int = 0.0,
) -> Draws:
    """Draws `samples` for each image, out of a number of baselines.

    With one key, image i takes `jax.random.fold_in(key, i)`; otherwise each image has its
    own. Sample s of an image depends on its key and on s alone: not on the other images,
    their order, or the number of samples (with JAX's default Threefry keys).
    """
    images = as_images(images)
    if samples < 1:
        raise ValueError(f"samples is {samples}: give at least 1")
    if stdev < 0:
        raise ValueError(f"stdev is {stdev}: give 0 or more")

    def draw(key: Array) -> Draws:
        which, where, how = jax.random.split(key, 3)
        return Draws(
            baseline=jax.random.randint(which, (), 0, baselines),
            alpha=jax.random.uniform(where, (), images.dtype),
            # Zeros of full size would take as much memory as all the samples.
            noise=stdev * jax.random.normal(how, images.shape[1:], images.dtype)
            if stdev
            else jnp.zeros((1, 1, 1), images.dtype),
        )

    fold = jax.vmap(jax.vmap(jax.random.fold_in, (None, 0)), (0, None))
    keys = fold(keys_of_images(key, len(images)), jnp.arange(samples))
    return jax.vmap(jax.vmap(draw))(keys)


def shap_from_draws(
    logits_fn: Model,
    images: Float[ArrayLike, "image height width channel"],
    targets: Targets,
    baselines: Float[ArrayLike, "baseline height width channel"],
    draws: Draws,
    chunk: int | None = None,
) -> Float[Array, "image height width channel"]:
    """GradientSHAP for given draws.

    The factor before the gradient is the noised image less the baseline, as in Captum.
    """
    images, baselines = as_images(images), jnp.asarray(baselines, images.dtype)
    samples = draws.alpha.shape[1]

    def part(images: Array, some: slice) -> Array:
        start = jnp.take(baselines, draws.baseline[:, some], axis=0, mode="fill")
        difference = images[:, None] + draws.noise[:, some] - start
        points = start + draws.alpha[:, some, None, None, None] * difference
        # XLA:CPU takes four times as long for the sum of a product, under `vmap` over members.
        return jnp.einsum(
            "nshwc,nshwc->nhwc",
            difference,
            gradients(logits_fn, points, targets),
            precision=jax.lax.Precision.HIGHEST,
        )

    return sum_in_chunks(part, images, samples, chunk) / samples
