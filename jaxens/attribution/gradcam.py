"""Grad-CAM (Selvaraju et al. 2017), as Captum's `LayerGradCam`."""

from typing import Any

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float

from jaxens.arrays import as_images, to_float32
from jaxens.attribution.gradient import cast_inputs, gradients
from jaxens.targets import Model, Targets


def grad_cam(
    features_fn: Model,
    head_fn: Model,
    images: Float[ArrayLike, "image height width channel"],
    targets: Targets,
) -> Float[Array, "image map_height map_width"]:
    """Returns features, weighted by the spatial mean of their gradient and summed over channels.

    The model is given as two halves: its logits are `head_fn(features_fn(images))`.

    Args:
        features_fn: From images to features [image, map_height, map_width, feature].
        head_fn: From features to logits [image, class].
        images: Floats, as the model takes them.
        targets: What to explain, see `select`.

    Returns:
        Signed maps of the features' size (see `resize`). The ReLU of the paper is left to the
        caller.

    Raises:
        ValueError: If an argument or a result of the functions does not fit.
    """
    images = as_images(images)
    features = as_features(features_fn(images), len(images))
    head = cast_inputs(head_fn, features.dtype)
    features = to_float32(features)
    slopes = gradients(head, features[:, None], targets)[:, 0]
    return (slopes.mean(axis=(1, 2), keepdims=True) * features).sum(axis=3)


def as_features(features: Any, images: int) -> Float[Array, "image height width feature"]:
    """Returns what `features_fn` returned; ValueError unless it is a feature map per image."""
    shape, dtype = getattr(features, "shape", None), getattr(features, "dtype", None)
    if shape is None or dtype is None:
        raise ValueError(
            f"features_fn returned a {type(features).__name__}: return the array of the feature "
            f"map, shape ({images}, height, width, features)"
        )
    if len(shape) != 4 or not jnp.issubdtype(dtype, jnp.floating):
        raise ValueError(
            f"features_fn returned shape {shape}, type {dtype}: Grad-CAM needs a feature map of "
            "floats, [image, height, width, feature]; cut the model before its pooling"
        )
    if shape[0] != images:
        raise ValueError(
            f"features_fn returned {shape[0]} feature maps for {images} images, shape {shape}: "
            "return one for each image, in their order"
        )
    return jnp.asarray(features)
