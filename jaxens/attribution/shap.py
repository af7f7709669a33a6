"""GradientSHAP (expected gradients; Lundberg & Lee 2017, Erion et al. 2021).

What is random is drawn by `shap_draws`; `shap_from_draws` is deterministic.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float

from jaxens.attribution.gradient import Model, gradients, taking
from jaxens.attribution.images import as_images, check_finite, full
from jaxens.attribution.keys import Keys, check_noise, keys_of_samples
from jaxens.attribution.sequence import sum_in_chunks
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
    memory and changes the result by no more than rounding.
    """
    images = as_images(images)
    baselines = _as_baselines(baselines, images)
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
    images = full(as_images(images))
    check_noise(samples, stdev)

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

    return jax.vmap(jax.vmap(draw))(keys_of_samples(key, len(images), samples))


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
    images = as_images(images)
    baselines, draws = _as_baselines(baselines, images), _as_draws(draws, images)
    model, images = taking(images, logits_fn), full(images)
    samples = draws.alpha.shape[1]

    def part(images: Array, some: slice) -> Array:
        start = jnp.take(baselines, draws.baseline[:, some], axis=0, mode="fill")
        difference = images[:, None] + draws.noise[:, some] - start
        points = start + draws.alpha[:, some, None, None, None] * difference
        slopes = gradients(model, points, targets)
        # Sample by sample: XLA:CPU takes longer for the sum of a product over an axis.
        by_sample = (difference[:, k] * slopes[:, k] for k in range(slopes.shape[1]))
        return functools.reduce(jnp.add, by_sample)

    return sum_in_chunks(part, images, samples, chunk) / samples


def _as_baselines(
    baselines: ArrayLike, images: Float[Array, "image height width channel"]
) -> Float[Array, "baseline height width channel"]:
    shape = np.shape(baselines)
    if shape[1:] != images.shape[1:] or not shape[0]:
        raise ValueError(
            f"baselines has shape {shape}: give at least one image to draw from, shape "
            f"[baseline, height, width, channel] with {images.shape[1:]} last"
        )
    check_finite(baselines, "baselines")
    return jnp.asarray(baselines, full(images).dtype)


def _as_draws(draws: Draws, images: Float[Array, "image height width channel"]) -> Draws:
    rows, of_noise = np.shape(draws.alpha), np.shape(draws.noise)
    if len(rows) != 2 or rows[0] != len(images) or not rows[1]:
        raise ValueError(
            f"draws.alpha has shape {rows} for {len(images)} images: give [image, sample], at "
            "least one sample for each"
        )
    if np.shape(draws.baseline) != rows:
        raise ValueError(
            f"draws.baseline has shape {np.shape(draws.baseline)}, and draws.alpha {rows}: give "
            "both for each image and sample"
        )
    if of_noise not in ((*rows, *images.shape[1:]), (*rows, 1, 1, 1)):
        raise ValueError(
            f"draws.noise has shape {of_noise}: give {(*rows, *images.shape[1:])}, or "
            f"{(*rows, 1, 1, 1)} where it is zero"
        )
    alpha, noise = (jnp.asarray(some, full(images).dtype) for some in draws[1:])
    return Draws(jnp.asarray(draws.baseline), alpha, noise)
