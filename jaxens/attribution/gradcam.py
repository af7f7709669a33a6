"""Grad-CAM (Selvaraju et al. 2017), as Captum's `LayerGradCam`."""

from typing import Any

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float

from jaxens.attribution.gradient import Model, gradients, taking
from jaxens.attribution.images import as_images, full
from jaxens.attribution.targets import Targets


def grad_cam(
    features_fn: Model,
    head_fn: Model,
    images: Float[ArrayLike, "image height width channel"],
    targets: Targets,
) -> Float[Array, "image map_height map_width"]:
    """Features weighted by the spatial mean of their gradient, summed over channels.

    The model is in two halves, `head_fn(features_fn(images))`, with features
    [image, map_height, map_width, feature]. The map is signed (the original's ReLU is left
    to the caller), as large as the features (see `resize`), and not normalised.
    """
    images = as_images(images)
    features = _as_features(features_fn(images), len(images))
    exact = full(features)
    slopes = gradients(taking(features, head_fn), exact[:, None], targets)[:, 0]
    return (slopes.mean(axis=(1, 2), keepdims=True) * exact).sum(axis=3)


def _as_features(features: Any, images: int) -> Float[Array, "image height width feature"]:
    shape, dtype = getattr(features, "shape", None), getattr(features, "dtype", None)
    if shape is None or dtype is None:
        raise ValueError(
            f"features_fn returned a {type(features).__name__}: return the array of the feature "
            f"map alone, shape ({images}, height, width, features)"
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
