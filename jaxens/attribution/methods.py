"""The methods in one table, and one way to get a map [image, height, width] from each."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float, Real

from jaxens.attribution.gradcam import grad_cam
from jaxens.attribution.gradient import Model, as_images, input_x_gradient, saliency
from jaxens.attribution.integrated import integrated_gradients
from jaxens.attribution.reduce import max_abs, sum_channels
from jaxens.attribution.resize import resize
from jaxens.attribution.shap import Keys, gradient_shap
from jaxens.attribution.targets import Targets


@dataclass(frozen=True)
class Method:
    """A method, and what a reader of its maps has to know.

    `signed` maps speak for and against the target; others are not negative. `reduce` takes
    the channels away, as is usual for the method. A method that `needs` "logits" takes
    `logits_fn`; one that needs "features" takes the model's two halves, and makes a coarse
    map without channels.
    """

    name: str
    function: Callable[..., Array]
    title: str
    signed: bool
    reduce: Callable[[Array], Array] | None
    needs: Literal["logits", "features"]


METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        Method("saliency", saliency, "Saliency", False, max_abs, "logits"),
        Method(
            "input_x_gradient", input_x_gradient, "Input x Gradient", True, sum_channels, "logits"
        ),
        Method(
            "integrated_gradients",
            integrated_gradients,
            "Integrated Gradients",
            True,
            sum_channels,
            "logits",
        ),
        Method("gradient_shap", gradient_shap, "GradientSHAP", True, sum_channels, "logits"),
        Method("grad_cam", grad_cam, "Grad-CAM", True, None, "features"),
    )
}


def explain(
    method: str,
    features_fn: Model,
    head_fn: Model,
    images: Float[ArrayLike, "image height width channel"],
    targets: Targets,
    *,
    baselines: Real[ArrayLike, "..."] = 0.0,
    steps: int = 50,
    quadrature: str = "gausslegendre",
    key: Keys | None = None,
    background: Float[ArrayLike, "baseline height width channel"] | None = None,
    samples: int = 5,
    stdev: float | int = 0.0,
    chunk: int | None = None,
) -> Float[Array, "image height width"]:
    """One map per image by the method of this name, at the images' size.

    The model is `head_fn(features_fn(images))`. Channels are reduced as in `METHODS`; a
    coarse map is resized bilinearly. Every method takes every keyword and uses its own:
    integrated gradients `baselines`, `steps`, `quadrature`, `chunk`; GradientSHAP `key`,
    `background` (its baselines), `samples`, `stdev`, `chunk`.
    """
    if method not in METHODS:
        raise ValueError(f"unknown method {method!r}: choose from {', '.join(METHODS)}")
    images = as_images(images)
    if method == "gradient_shap" and (key is None or background is None):
        raise ValueError("gradient_shap needs a key and a background: images to draw from")
    settings: dict[str, dict[str, Any]] = {
        "integrated_gradients": {
            "baselines": baselines,
            "steps": steps,
            "quadrature": quadrature,
            "chunk": chunk,
        },
        "gradient_shap": {
            "key": key,
            "baselines": background,
            "samples": samples,
            "stdev": stdev,
            "chunk": chunk,
        },
    }
    row = METHODS[method]
    halves = (features_fn, head_fn)
    model = halves if row.needs == "features" else (lambda images: head_fn(features_fn(images)),)
    maps = row.function(*model, images, targets, **settings.get(method, {}))
    if row.reduce:
        maps = row.reduce(maps)
    return resize(maps, (images.shape[1], images.shape[2]))
