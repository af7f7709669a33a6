"""Guided backpropagation (Springenberg et al. 2015) and Guided Grad-CAM (Selvaraju et al. 2017).

The guided model is the model with `guided_relu` in place of every ReLU: the same logits, another
backward pass. If the activation is a field of a Flax model, `model.clone(act=guided_relu)` is the
guided model.
"""

import warnings
from typing import Literal

import jax
import jax.numpy as jnp
from jax import Array
from jax.ad_checkpoint import checkpoint_name
from jax.typing import ArrayLike
from jaxtyping import Bool, Float

from jaxens.arrays import as_images
from jaxens.attribution.gradcam import grad_cam
from jaxens.attribution.gradient import image_gradients
from jaxens.attribution.relus import GUIDED, count_guided, likely_relus
from jaxens.attribution.resize import resize
from jaxens.targets import Model, Targets

CAPPED = "jnp.minimum(guided_relu(x), 6)"  # without the cap, the logits would be others


@jax.custom_vjp
def guided_relu(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """Returns max(x, 0). Its backward pass keeps a gradient only if x > 0 and the gradient > 0.

    In place of ReLU6, use `jnp.minimum(guided_relu(x), 6)`.
    """
    return checkpoint_name(jnp.maximum(x, 0), GUIDED)  # `check_guided` looks for the name


def _forward(x: Float[Array, "..."]) -> tuple[Float[Array, "..."], Bool[Array, "..."]]:
    return jnp.maximum(x, 0), x > 0


def _backward(
    positive: Bool[Array, "..."], gradient: Float[Array, "..."]
) -> tuple[Float[Array, "..."]]:
    return (jnp.where(positive & (gradient > 0), gradient, 0),)


guided_relu.defvjp(_forward, _backward)


def guided_backprop(
    guided_logits_fn: Model,
    images: Float[ArrayLike, "image height width channel"],
    targets: Targets,
) -> Float[Array, "image height width channel"]:
    """Returns the gradient of the guided model, as Captum's `GuidedBackprop`.

    Args:
        guided_logits_fn: The model with `guided_relu` in place of every ReLU.
        images: Floats, as the model takes them.
        targets: What to explain, see `select`.

    Returns:
        Attributions of both signs, because the layers before the first ReLU pass both. Their sign
        says little: reduce channels by `max_abs`, and score the maps as unsigned ones.

    Raises:
        ValueError: If the model contains no `guided_relu`, see `check_guided`, or if an argument
            does not fit.
    """
    images = as_images(images)
    check_guided(guided_logits_fn, images)
    return image_gradients(guided_logits_fn, images, targets)


def guided_grad_cam(
    guided_logits_fn: Model,
    features_fn: Model,
    head_fn: Model,
    images: Float[ArrayLike, "image height width channel"],
    targets: Targets,
    interpolation: Literal["nearest", "bilinear"] = "nearest",
) -> Float[Array, "image height width channel"]:
    """Returns guided backpropagation times the positive part of Grad-CAM.

    As Captum's `GuidedGradCam`. Under `jit`, XLA computes the features once, because they are the
    same in both models.

    Args:
        guided_logits_fn: The model with `guided_relu` in place of every ReLU.
        features_fn: First half of the ordinary model, as for `grad_cam`.
        head_fn: Second half of the ordinary model.
        images: Floats, as the model takes them.
        targets: What to explain, see `select`.
        interpolation: How the map of Grad-CAM is resized. Selvaraju et al. use "bilinear",
            Captum "nearest".

    Returns:
        Attributions, to be read as those of `guided_backprop`.

    Raises:
        ValueError: As `guided_backprop`, and if `head_fn` contains `guided_relu`: Grad-CAM takes
            the ordinary gradient.
    """
    images = as_images(images)
    guided = guided_backprop(guided_logits_fn, images, targets)
    coarse = jnp.maximum(grad_cam(features_fn, head_fn, images, targets), 0)
    features = jax.eval_shape(features_fn, images)
    if count_guided(jax.make_jaxpr(head_fn)(features).jaxpr):
        raise ValueError(
            "head_fn contains guided_relu, so that Grad-CAM would be guided too: give the halves "
            "of the ordinary model, and the guided model only as guided_logits_fn"
        )
    return guided * resize(coarse, (images.shape[1], images.shape[2]), interpolation)[..., None]


def check_guided(
    guided_logits_fn: Model, images: Float[ArrayLike, "image height width channel"]
) -> None:
    """Checks that every ReLU of a model is `guided_relu`.

    Maps of another model would be plain gradients, which look similar, or guided in part. The
    model is traced and not run: under `jit` the check costs nothing at run time.

    A warning (UserWarning) says if something looks like an ordinary ReLU: `jax.nn.relu`,
    `jax.nn.relu6`, max(x, 0) or clip(x, 0, top). It may be another thing, such as a clip of the
    images. A ReLU that is written without a maximum, such as where(x > 0, x, 0), is not found.

    Args:
        guided_logits_fn: The model with `guided_relu` in place of every ReLU.
        images: Floats, as the model takes them.

    Raises:
        ValueError: If the model contains no `guided_relu`.
    """
    images = as_images(images)
    shape = jax.ShapeDtypeStruct(images.shape, images.dtype)
    jaxpr = jax.make_jaxpr(guided_logits_fn)(shape).jaxpr
    if not count_guided(jaxpr):
        raise ValueError(
            "guided_logits_fn contains no guided_relu, so that its maps would be plain gradients: "
            "build the model with jaxens.attribution.guided_relu in place of every ReLU, and "
            f"{CAPPED} in place of ReLU6 (Flax: model.clone(act=guided_relu), where the activation "
            "is a field); a model without ReLUs has no guided maps"
        )
    likely = list(likely_relus(jaxpr))
    if likely:
        warnings.warn(
            f"guided_logits_fn seems to contain {len(likely)} ordinary ReLU next to guided_relu "
            f"(the first returns {likely[0]}): put guided_relu in its place, or {CAPPED} where it "
            "has a cap of 6, as ReLU6; ignore this if it is not an activation",
            stacklevel=2,
        )
