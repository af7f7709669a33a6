"""Guided backpropagation (Springenberg et al. 2015), and Guided Grad-CAM (Selvaraju et al. 2017).

The guided model is the model itself with `guided_relu` in place of every ReLU: the same
logits, another backward pass. In Flax the activation is a field of the model, and the guided
one is `model.clone(act=guided_relu)`.
"""

from typing import Literal

import jax
import jax.numpy as jnp
from jax import Array
from jax.ad_checkpoint import checkpoint_name
from jax.typing import ArrayLike
from jaxtyping import Bool, Float

from jaxens.attribution.gradcam import grad_cam
from jaxens.attribution.gradient import Model, image_gradients
from jaxens.attribution.images import as_images
from jaxens.attribution.relus import GUIDED, relus_of
from jaxens.attribution.resize import resize
from jaxens.attribution.targets import Targets


@jax.custom_vjp
def guided_relu(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """max(x, 0); backwards, a gradient passes where x > 0 and the gradient is positive."""
    # The name is what `check_guided` finds.
    return checkpoint_name(jnp.maximum(x, 0), GUIDED)


def _forwards(x: Float[Array, "..."]) -> tuple[Float[Array, "..."], Bool[Array, "..."]]:
    return jnp.maximum(x, 0), x > 0


def _backwards(
    positive: Bool[Array, "..."], gradient: Float[Array, "..."]
) -> tuple[Float[Array, "..."]]:
    return (jnp.where(positive & (gradient > 0), gradient, 0),)


guided_relu.defvjp(_forwards, _backwards)


def guided_backprop(
    guided_logits_fn: Model,
    images: Float[ArrayLike, "image height width channel"],
    targets: Targets,
) -> Float[Array, "image height width channel"]:
    """Gradient of the guided model, signed, as Captum's `GuidedBackprop`.

    ReLUs pass positive gradients only, the layers below the first one both signs. ValueError
    where the model is not guided: see `check_guided`.
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
    """Guided backpropagation times the positive part of Grad-CAM, as Captum's `GuidedGradCam`.

    `features_fn` and `head_fn` are the halves of the ordinary model, as in `grad_cam`, whose
    map is brought to the images' size by `interpolation` (see `resize`; Selvaraju et al. use
    bilinear). ValueError where the head is guided: Grad-CAM's gradient is the ordinary one.

    The features of both models are equal: under `jit`, XLA finds this and computes them once.
    """
    images = as_images(images)
    guided = guided_backprop(guided_logits_fn, images, targets)
    coarse = jnp.maximum(grad_cam(features_fn, head_fn, images, targets), 0)
    features = jax.eval_shape(features_fn, images)
    if relus_of(jax.make_jaxpr(head_fn)(features).jaxpr).guided:
        raise ValueError(
            "head_fn contains guided_relu, so that Grad-CAM would be guided too: give the halves "
            "of the ordinary model, and the guided one as guided_logits_fn alone"
        )
    return guided * resize(coarse, (images.shape[1], images.shape[2]), interpolation)[..., None]


def check_guided(
    guided_logits_fn: Model, images: Float[ArrayLike, "image height width channel"]
) -> None:
    """ValueError unless `guided_relu` is in the model, and no ordinary ReLU beside it.

    Otherwise the maps would be plain gradients, which look much alike, or half guided. The
    model is traced on the images' shape and not run: under `jit` this costs nothing at run
    time.

    An ordinary ReLU is `jax.nn.relu`, `max(x, 0)`, or one with a cap (`jax.nn.relu6`,
    `clip(x, 0, cap)`), but for a clip of the images themselves, a hard sigmoid (a clip divided
    by its cap), and a variance kept from being negative before its root. Not found are those
    that are written without a maximum, as `where(x > 0, x, 0)` or `x * (x > 0)`.
    """
    images = as_images(images)
    shape = jax.ShapeDtypeStruct(images.shape, images.dtype)
    found = relus_of(jax.make_jaxpr(guided_logits_fn)(shape).jaxpr)
    if not found.guided:
        raise ValueError(
            "guided_logits_fn contains no guided_relu, so that its maps would be plain gradients: "
            "build the model with jaxens.attribution.guided_relu in place of every ReLU "
            "(Flax: model.clone(act=guided_relu), where the activation is a field)"
        )
    if found.ordinary:
        first = next(iter(found.ordinary.values()))
        raise ValueError(
            f"guided_logits_fn contains {len(found.ordinary)} ordinary ReLU beside guided_relu "
            f"(the first returns {first}), so that its maps would be guided in part: put "
            "guided_relu in place of every jax.nn.relu, jax.nn.relu6 and max(x, 0)"
        )
