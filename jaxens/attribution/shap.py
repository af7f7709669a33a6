"""GradientSHAP (expected gradients; Lundberg & Lee 2017, Erion et al. 2021).

`shap_draws` draws what is random; `shap_from_draws` is deterministic.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float

from jaxens.arrays import as_images, check_finite, to_float32
from jaxens.attribution.gradient import cast_inputs, gradients
from jaxens.attribution.keys import Keys, check_noise, keys_of_samples
from jaxens.chunks import in_chunks
from jaxens.targets import Model, Targets


class ShapDraws(NamedTuple):
    """The random choices for each image and sample.

    Attributes:
        baseline: A row of the baselines, [image, sample].
        alpha: The place on the path from baseline (0) to image (1), [image, sample].
        noise: Added to the image, [image, sample, height, width, channel]. If it is zero, its
            last three axes may have length 1.
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
    """Returns the mean of (image - baseline) times the gradient at a random point between them.

    As Captum's `GradientShap`, for the same draws.

    Args:
        logits_fn: From images to logits [image, class].
        images: Floats, as the model takes them.
        targets: What to explain, see `select`.
        key: One key, or one for each image, see `shap_draws`.
        baselines: Images; each sample draws one of them, with replacement.
        samples: Per image.
        stdev: Standard deviation of the noise on the image, in the images' unit.
        chunk: Samples of an image that go through the model at once (None: all). It bounds
            memory and changes the result by rounding only.

    Returns:
        Signed attributions, in logits.

    Raises:
        ValueError: If an argument does not fit.
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
) -> ShapDraws:
    """Draws the samples of GradientSHAP.

    Sample s of an image depends only on the key of the image and on s: not on the other images,
    their order, or the number of samples (with JAX's default Threefry keys).

    Args:
        key: One key, of which image i gets `jax.random.fold_in(key, i)`, or one for each image.
        images: What is explained.
        baselines: The number of baselines.
        samples: Per image.
        stdev: Standard deviation of the noise, in the images' unit.

    Raises:
        ValueError: If an argument does not fit.
    """
    images = to_float32(as_images(images))
    check_noise(samples, stdev)

    def draw(key: Array) -> ShapDraws:
        for_baseline, for_alpha, for_noise = jax.random.split(key, 3)
        return ShapDraws(
            baseline=jax.random.randint(for_baseline, (), 0, baselines, jnp.int32),
            alpha=jax.random.uniform(for_alpha, (), images.dtype),
            # Zeros of full size would take as much memory as all the samples.
            noise=stdev * jax.random.normal(for_noise, images.shape[1:], images.dtype)
            if stdev
            else jnp.zeros((1, 1, 1), images.dtype),
        )

    return jax.vmap(jax.vmap(draw))(keys_of_samples(key, len(images), samples))


def shap_from_draws(
    logits_fn: Model,
    images: Float[ArrayLike, "image height width channel"],
    targets: Targets,
    baselines: Float[ArrayLike, "baseline height width channel"],
    draws: ShapDraws,
    chunk: int | None = None,
) -> Float[Array, "image height width channel"]:
    """Returns `gradient_shap` for given draws.

    The factor of the gradient is the noisy image minus the baseline, as in Captum.

    Args:
        logits_fn: From images to logits [image, class].
        images: Floats, as the model takes them.
        targets: What to explain, see `select`.
        baselines: Images from which `draws.baseline` selects.
        draws: The result of `shap_draws`.
        chunk: As for `gradient_shap`.

    Returns:
        Signed attributions, in logits.

    Raises:
        ValueError: If an argument does not fit.
    """
    images = as_images(images)
    baselines, draws = _as_baselines(baselines, images), _as_draws(draws, images)
    model, images = cast_inputs(logits_fn, images.dtype), to_float32(images)
    samples = draws.alpha.shape[1]

    def part(draws: ShapDraws) -> Array:
        start = jnp.take(baselines, draws.baseline, axis=0, mode="fill")
        difference = images[:, None] + draws.noise - start
        points = start + draws.alpha[..., None, None, None] * difference
        slopes = gradients(model, points, targets)
        # Sample by sample: XLA:CPU takes longer for the sum of a product over an axis.
        terms = (difference[:, k] * slopes[:, k] for k in range(slopes.shape[1]))
        return functools.reduce(jnp.add, terms)

    return in_chunks(part, chunk, draws, axis=1, combine=jnp.add) / samples


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
    return jnp.asarray(baselines, to_float32(images).dtype)


def _as_draws(draws: ShapDraws, images: Float[Array, "image height width channel"]) -> ShapDraws:
    shape, noise_shape = np.shape(draws.alpha), np.shape(draws.noise)
    if len(shape) != 2 or shape[0] != len(images) or not shape[1]:
        raise ValueError(
            f"draws.alpha has shape {shape} for {len(images)} images: give [image, sample], at "
            "least one sample for each"
        )
    if np.shape(draws.baseline) != shape:
        raise ValueError(
            f"draws.baseline has shape {np.shape(draws.baseline)}, and draws.alpha {shape}: give "
            "both for each image and sample"
        )
    if noise_shape not in ((*shape, *images.shape[1:]), (*shape, 1, 1, 1)):
        raise ValueError(
            f"draws.noise has shape {noise_shape}: give {(*shape, *images.shape[1:])}, or "
            f"{(*shape, 1, 1, 1)} where it is zero"
        )
    alpha, noise = (jnp.asarray(values, to_float32(images).dtype) for values in draws[1:])
    return ShapDraws(jnp.asarray(draws.baseline), alpha, noise)
