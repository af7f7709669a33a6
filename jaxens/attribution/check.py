"""Checks whether the functions of a network belong to one model that can be explained."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Bool, Float, Float64

from jaxens.arrays import as_images, to_float32
from jaxens.attribution.gradcam import as_features
from jaxens.attribution.guided import CAPPED, check_guided
from jaxens.attribution.methods import Network
from jaxens.attribution.relus import count_guided
from jaxens.targets import Model, as_logits

# Tolerances, as shares of an image's largest logit. If only the other images change, not even
# rounding does. At another place in the batch, and in another program, sums may have another
# order, which shows in bfloat16.
OTHER_IMAGES, OTHER_PLACE, OTHER_FUNCTION = 1e-3, 0.02, 0.05


def check_network(network: Network, images: Float[ArrayLike, "image height width channel"]) -> None:
    """Checks that attributions of a network make sense.

    - Logits must be finite floats [image, class], the same in every call, and the logits of an
      image must not depend on other images. BatchNorm in training mode mixes the images of a
      batch, and dropout is random. The logits of the last image may change by 0.1 % of the
      largest if the other images become noise, and those of every image by 2 % if the batch is
      reversed.
    - `head_fn(features_fn(images))` and `guided_logits_fn(images)` must return the logits of
      `logits_fn(images)`, to 5 % of the largest.
    - `guided_relu` must be in the guided model (see `check_guided`), and in no other function
      whose gradient is taken.

    A warning (UserWarning) says what only looks wrong: images with channels first, and features
    of another shape than the image, such as a column of tokens or channels first.

    A model of one logit is in order: gradients explain that logit. What reads probabilities (LIME,
    insertion and deletion) asks for `jax.nn.sigmoid` there.

    Fields that are None are not checked; without `logits_fn`, the others are. The model runs
    three times outside of `jit` (a fourth time to find out what is wrong), and the halves and the
    guided model run twice: call this once, with a few images, before long work. A single image
    is duplicated.

    Args:
        network: The functions of the model.
        images: Floats, as the model takes them, at least one.

    Raises:
        ValueError: If the images or the network cannot be explained, with the remedy.
    """
    images = as_images(images)
    _warn_of_channels_first(images.shape)
    count = len(images)
    if count == 1:
        images = jnp.concatenate([images, images])
    (name, model), *others = _functions(network, images)
    logits = _logits(model, images)
    _check_finite(logits[:count])
    noise = _with_noise_around_the_last(images)
    among_others = _logits(model, noise)
    _check_independence(model, images, logits, among_others, count)
    for other, function in others:
        _check_same(other, _logits(function, images), name, logits)
        _check_same(other, _logits(function, noise), name, among_others)
    _check_traces(network, images)


def _functions(network: Network, images: Array) -> list[tuple[str, Model]]:
    """Returns the functions from images to logits, by name."""
    features_fn, head_fn = network.features_fn, network.head_fn
    if (features_fn is None) != (head_fn is None):
        raise ValueError(
            "the network has one of features_fn and head_fn: give both halves, or leave both out"
        )
    functions: list[tuple[str, Model]] = []
    if network.logits_fn is not None:
        functions.append(("logits_fn", network.logits_fn))
    if features_fn is not None and head_fn is not None:

        def halves(images: Array) -> Array:
            return head_fn(as_features(features_fn(images), len(images)))

        functions.append(("head_fn(features_fn(images))", halves))
    if network.guided_logits_fn is not None:
        functions.append(("guided_logits_fn", network.guided_logits_fn))
    if not functions:
        raise ValueError("the network has no function: give at least logits_fn")
    return functions


def _check_independence(
    model: Model,
    images: Float[Array, "image height width channel"],
    logits: Float64[np.ndarray, "image class"],
    among_others: Float64[np.ndarray, "image class"],
    count: int,
) -> None:
    in_reverse = _logits(model, images[::-1])[::-1]
    wrong = _changed(logits, in_reverse, OTHER_PLACE)
    wrong[-1] |= _changed(logits, among_others, OTHER_IMAGES)[-1]
    if not wrong.any():
        return
    if _changed(logits, _logits(model, images), OTHER_IMAGES).any():
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


def _check_same(
    name: str,
    logits: Float64[np.ndarray, "image class"],
    reference: str,
    expected: Float64[np.ndarray, "image _label"],
) -> None:
    remedy = (
        f"replace its ReLUs by guided_relu, ReLU6 by {CAPPED}, and change nothing else"
        if name == "guided_logits_fn"
        else "cut the same model in two, with the same parameters, and leave nothing out"
    )
    if logits.shape != expected.shape:
        raise ValueError(
            f"{name} returns {logits.shape[1]} logits, and {reference} {expected.shape[1]}: "
            f"{remedy}"
        )
    if (_changed(expected, logits, OTHER_FUNCTION) & np.isfinite(expected).all(axis=1)).any():
        raise ValueError(
            f"{name} is another function than {reference}, by up to "
            f"{np.nanmax(np.abs(logits - expected)):.3g} logits: {remedy}"
        )


def _check_traces(network: Network, images: Float[Array, "image height width channel"]) -> None:
    """Checks what shows without running the functions."""
    plain: list[tuple[str, Model | None, Array]] = [("logits_fn", network.logits_fn, images)]
    if network.features_fn is not None:
        features = jax.eval_shape(network.features_fn, images)
        _warn_of_features(features.shape, images.shape)
        plain.append(("head_fn", network.head_fn, features))
    for name, function, values in plain:
        if function is not None and count_guided(jax.make_jaxpr(function)(values).jaxpr):
            raise ValueError(
                f"{name} contains guided_relu, so that its gradients would be guided: give the "
                "ordinary model there, and the guided model only as guided_logits_fn"
            )
    if network.guided_logits_fn is not None:
        check_guided(network.guided_logits_fn, images)


def _warn_of_channels_first(shape: tuple[int, ...]) -> None:
    _, first, height, width = shape
    if first in (1, 3, 4) and min(height, width) > 4:
        warnings.warn(
            f"images has shape {shape}, which looks like channels first: give "
            "[image, height, width, channel], jnp.moveaxis(images, 1, -1), and let the functions "
            "move the channels back",
            stacklevel=3,
        )


def _warn_of_features(features: tuple[int, ...], images: tuple[int, ...]) -> None:
    height, width = features[1:3]
    if _are_alike((height, width), images[1:3]):
        return
    warnings.warn(
        f"features_fn returned maps of {height} x {width} for images of {images[1]} x "
        f"{images[2]}, so that Grad-CAM would show stripes: give [image, row, column, feature]; "
        "move channels that come first, jnp.moveaxis(features, 1, -1); drop a transformer's class "
        "token, and lay the patches out as they lie in the image",
        stacklevel=4,
    )


def _are_alike(features: tuple[int, int], image: tuple[int, ...]) -> bool:
    """Returns whether the ratios of height and width differ by less than a factor of two.

    As heights and widths of features are rounded, each may be larger or smaller by a half.
    """
    ratio = image[0] / image[1]
    most = (features[0] + 0.5) / (features[1] - 0.5)
    least = (features[0] - 0.5) / (features[1] + 0.5)
    return most > ratio / 2 and least < ratio * 2


def _with_noise_around_the_last(
    images: Float[Array, "image height width channel"],
) -> Float[Array, "image height width channel"]:
    size = float(jnp.abs(to_float32(images)).max()) or 1.0
    noise = np.random.default_rng(0).normal(0, size, images.shape)
    noise[-1] = 0
    return images + jnp.asarray(noise, images.dtype)


def _check_finite(logits: Float64[np.ndarray, "image class"]) -> None:
    wrong = np.flatnonzero(~np.isfinite(logits).all(axis=1))
    if wrong.size:
        raise ValueError(
            f"the logits of image {wrong[0]} are NaN or infinite ({wrong.size} of {len(logits)} "
            "images have such): the training diverged, or the images are not scaled as in "
            "training"
        )


def _logits(
    logits_fn: Model, images: Float[Array, "image height width channel"]
) -> Float64[np.ndarray, "image class"]:
    return np.asarray(as_logits(logits_fn(images), len(images)), np.float64)


def _changed(
    before: Float64[np.ndarray, "image class"],
    after: Float64[np.ndarray, "image class"],
    tolerance: float,
) -> Bool[np.ndarray, "image"]:
    """Which images' logits changed by more than this share of their largest; true for NaN."""
    return ~(np.abs(after - before).max(axis=1) <= tolerance * np.abs(before).max(axis=1))
