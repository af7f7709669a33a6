"""Whether a function is a model that can be explained."""

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float, Float64

from jaxens.attribution.gradient import Model, as_images, as_logits

# A share of an image's largest logit. In another batch an image may take another algorithm,
# where TensorFloat-32 or bfloat16 shows; what is to be found is larger.
TOLERANCE = 0.02


def check_model(logits_fn: Model, images: Float[ArrayLike, "image height width channel"]) -> None:
    """ValueError, with the remedy, where attributions of this model would make no sense.

    Images have to be finite floats [image, height, width, channel]. Logits have to be finite
    floats [image, class], the same in every call, and an image's may depend on no other image
    (a BatchNorm in training mode mixes in the batch, a dropout chance).

    Runs the model twice on all images and once on the last one, outside of `jit`: call it
    once, with a few images, before long work.
    """
    images = as_images(images)
    logits = _finite_logits(logits_fn, images)
    alone = _logits(logits_fn, images[-1:])
    if len(images) > 1:
        among_others = _logits(logits_fn, images[::-1])[::-1]
    else:  # behind another one: a dropout with a fixed key treats every first image alike
        among_others = _logits(logits_fn, jnp.concatenate([0 * images, images]))[1:]
    image = _first_change(logits, among_others)
    if image is None and _first_change(logits[-1:], alone) is not None:
        image = len(images) - 1
    if image is None:
        return
    if _first_change(logits, _logits(logits_fn, images)) is not None:
        raise ValueError(
            "the model gives other logits when it is called again with the same images: turn off "
            "what is random in it, such as dropout (train=False, deterministic=True, model.eval())"
        )
    raise ValueError(
        f"the logits of image {image} depend on the rest of the batch, or on its place there, so "
        "that a gradient would mix images: let BatchNorm use its running averages, and turn "
        "dropout off (train=False, use_running_average=True, model.eval())"
    )


def _finite_logits(
    logits_fn: Model, images: Float[Array, "image height width channel"]
) -> Float64[np.ndarray, "image label"]:
    logits = as_logits(logits_fn(images), len(images))
    if not jnp.issubdtype(logits.dtype, jnp.floating) or not logits.shape[1]:
        raise ValueError(
            f"the model returned type {logits.dtype}, shape {logits.shape}: return the raw logits "
            "of at least one class, as floating-point numbers"
        )
    values = np.asarray(logits, np.float64)
    wrong = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if wrong.size:
        raise ValueError(
            f"the logits of image {wrong[0]} are NaN or infinite ({wrong.size} of {len(values)} "
            "images have such): the training diverged, or the images are not scaled as they "
            "were in training"
        )
    return values


def _logits(
    logits_fn: Model, images: Float[Array, "image height width channel"]
) -> Float64[np.ndarray, "image label"]:
    return np.asarray(logits_fn(images), np.float64)


def _first_change(
    before: Float64[np.ndarray, "image label"], after: Float64[np.ndarray, "image label"]
) -> int | None:
    """The first image whose logits are not the same, but for rounding."""
    same = np.abs(after - before).max(axis=1) <= TOLERANCE * np.abs(before).max(axis=1)
    return None if same.all() else int(np.flatnonzero(~same)[0])
