"""Grad-CAM (Selvaraju et al. 2017), as Captum's `LayerGradCam`."""

from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float

from jaxens.attribution.gradient import Model, as_images, gradients
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
    features = features_fn(images)
    if features.ndim != 4:
        raise ValueError(
            f"features_fn returned shape {features.shape}: Grad-CAM needs a feature map, "
            "[image, height, width, feature]; cut the model before its pooling"
        )
    slopes = gradients(head_fn, features[:, None], targets)[:, 0]
    # Summed in the images' precision, where the model computes in bfloat16.
    weights = slopes.astype(images.dtype).mean(axis=(1, 2), keepdims=True)
    return (weights * features.astype(images.dtype)).sum(axis=3)
