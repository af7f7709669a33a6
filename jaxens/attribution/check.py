"""Checks whether a function is a model that can be explained."""

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Bool, Float, Float64

from jaxens.arrays import as_images, to_float32
from jaxens.attribution.gradient import Model, as_logits

# Tolerances, as shares of an image's largest logit. If only the other images change, not even
# rounding does. At another place in the batch sums may have another order, which shows in bfloat16.
OTHER_IMAGES, OTHER_PLACE = 1e-3, 0.02


def check_model(logits_fn: Model, images: Float[ArrayLike, "image height width channel"]) -> None:
    """Checks that attributions of a model make sense.

    Logits must be finite floats [image, class], the same in every call, and the logits of an
    image must not depend on other images. BatchNorm in training mode mixes the images of a batch,
    and dropout is random. The logits of the last image may change by 0.1 % of the largest if the
    other images become noise, and those of every image by 2 % if the batch is reversed.

    The model runs three times outside of `jit` (a fourth time to find out what is wrong): call
    this once, with a few images, before long work. A single image is duplicated.

    Args:
        logits_fn: from images to logits [image, class].
        images: floats, as the model takes them, at least one.

    Raises:
        ValueError: if the images or the model cannot be explained, with the remedy.
    """
    images = as_images(images)
    count = len(images)
    if count == 1:
        images = jnp.concatenate([images, images])
    logits = _logits(logits_fn, images)
    _check_finite(logits[:count])
    among_others = _logits(logits_fn, _with_noise_around_the_last(images))
    in_reverse = _logits(logits_fn, images[::-1])[::-1]
    wrong = _changed(logits, in_reverse, OTHER_PLACE)
    wrong[-1] |= _changed(logits, among_others, OTHER_IMAGES)[-1]
    if not wrong.any():
        return
    if _changed(logits, _logits(logits_fn, images), OTHER_IMAGES).any():
        raise ValueError(
            "the model gives other logits when it is called again with the same images: turn off "
            "its random parts, such as dropout (train=False, deterministic=True, model.eval())"
        )
    image = np.argmax(wrong) % count
    raise ValueError(
        f"the logits of image {image} depend on the rest of the batch, or on its place in it, "
        "so that a gradient would mix images: let BatchNorm use its running averages, "
        "and turn dropout off (train=False, use_running_average=True, model.eval())"
    )


def _with_noise_around_the_last(
    images: Float[Array, "image height width channel"],
) -> Float[Array, "image height width channel"]:
    size = float(jnp.abs(to_float32(images)).max()) or 1.0
    noise = np.random.default_rng(0).normal(0, size, images.shape)
    noise[-1] = 0
    return images + jnp.asarray(noise, images.dtype)


def _check_finite(logits: Float64[np.ndarray, "image label"]) -> None:
    wrong = np.flatnonzero(~np.isfinite(logits).all(axis=1))
    if wrong.size:
        raise ValueError(
            f"the logits of image {wrong[0]} are NaN or infinite ({wrong.size} of {len(logits)} "
            "images have such): the training diverged, or the images are not scaled as in "
            "training"
        )


def _logits(
    logits_fn: Model, images: Float[Array, "image height width channel"]
) -> Float64[np.ndarray, "image label"]:
    return np.asarray(as_logits(logits_fn(images), len(images)), np.float64)


def _changed(
    before: Float64[np.ndarray, "image label"],
    after: Float64[np.ndarray, "image label"],
    tolerance: float,
) -> Bool[np.ndarray, "image"]:
    """Which images' logits changed by more than this share of their largest; true for NaN."""
    return ~(np.abs(after - before).max(axis=1) <= tolerance * np.abs(before).max(axis=1))
