"""Whether a function is a model that can be explained."""

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float, Float64

from jaxens.attribution.gradient import Model, as_logits
from jaxens.attribution.images import as_images, full

# Shares of an image's largest logit. Among other images nothing changes, not even rounding; in
# another place of the batch, the order of sums may, which shows in bfloat16.
OTHERS, PLACE = 1e-3, 0.02


def check_model(logits_fn: Model, images: Float[ArrayLike, "image height width channel"]) -> None:
    """ValueError, with the remedy, where attributions of this model would make no sense.

    Images have to be finite floats [image, height, width, channel], at least one. Logits have to
    be finite floats [image, class], the same in every call, and an image's may depend on no other
    image (a BatchNorm in training mode mixes in the batch, a dropout chance). The last image's may
    change by no more than 0.1 % of its largest when the others become noise, and every image's by
    no more than 2 % when the batch is reversed.

    Runs the model three times on batches of one size, outside of `jit` (a fourth time to tell
    what is wrong): call it once, with a few images, before long work. An image alone is put
    behind a copy of itself.
    """
    images = as_images(images)
    count = len(images)
    if count == 1:
        images = jnp.concatenate([images, images])
    logits = _logits(logits_fn, images)
    _check_finite(logits[:count])
    among_others = _logits(logits_fn, _with_other_company(images))
    reversed_ = _logits(logits_fn, images[::-1])[::-1]
    wrong = _changed(logits, reversed_, PLACE)
    wrong[-1] |= _changed(logits, among_others, OTHERS)[-1]
    if not wrong.any():
        return
    if _changed(logits, _logits(logits_fn, images), OTHERS).any():
        raise ValueError(
            "the model gives other logits when it is called again with the same images: turn off "
            "what is random in it, such as dropout (train=False, deterministic=True, model.eval())"
        )
    image = np.argmax(wrong) % count
    raise ValueError(
        f"the logits of image {image} depend on the rest of the batch, or on its "
        "place there, so that a gradient would mix images: let BatchNorm use its running averages, "
        "and turn dropout off (train=False, use_running_average=True, model.eval())"
    )


def _with_other_company(
    images: Float[Array, "image height width channel"],
) -> Float[Array, "image height width channel"]:
    """The last image as it is, in its place; noise upon the others, so that no two are alike."""
    size = float(jnp.abs(full(images)).max()) or 1.0
    noise = np.random.default_rng(0).normal(0, size, images.shape)
    noise[-1] = 0
    return images + jnp.asarray(noise, images.dtype)


def _check_finite(logits: Float64[np.ndarray, "image label"]) -> None:
    wrong = np.flatnonzero(~np.isfinite(logits).all(axis=1))
    if wrong.size:
        raise ValueError(
            f"the logits of image {wrong[0]} are NaN or infinite ({wrong.size} of {len(logits)} "
            "images have such): the training diverged, or the images are not scaled as they "
            "were in training"
        )


def _logits(
    logits_fn: Model, images: Float[Array, "image height width channel"]
) -> Float64[np.ndarray, "image label"]:
    return np.asarray(as_logits(logits_fn(images), len(images)), np.float64)


def _changed(
    before: Float64[np.ndarray, "image label"],
    after: Float64[np.ndarray, "image label"],
    tolerance: float,
) -> np.ndarray:
    """Which images' logits moved by more than this share of their largest."""
    return ~(np.abs(after - before).max(axis=1) <= tolerance * np.abs(before).max(axis=1))
