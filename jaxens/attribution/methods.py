"""All methods in one table, and what each needs."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from jax import Array

from jaxens.attribution.gradcam import grad_cam
from jaxens.attribution.gradient import input_x_gradient, saliency
from jaxens.attribution.guided import guided_backprop, guided_grad_cam
from jaxens.attribution.integrated import integrated_gradients
from jaxens.attribution.lime import lime
from jaxens.attribution.shap import gradient_shap
from jaxens.attribution.smooth import smooth_grad, var_grad
from jaxens.errors import remedy
from jaxens.targets import Model


class Network(NamedTuple):
    """The functions of one model; a method needs some of them (see `Method.needs`).

    On a CPU, `jaxens.ops.accelerate` makes convolutional models faster: apply it to each function.

    Attributes:
        logits_fn: The model, from images to logits [image, class].
        features_fn: Its first half, from images to features [image, height, width, feature].
        head_fn: Its second half, from features to logits.
        guided_logits_fn: The model with `guided_relu` in place of every ReLU.
    """

    logits_fn: Model | None = None
    features_fn: Model | None = None
    head_fn: Model | None = None
    guided_logits_fn: Model | None = None


@dataclass(frozen=True)
class Method:
    """A method, and how to read its maps.

    Attributes:
        name: Key of `METHODS`.
        function: From the model's functions, images, targets and settings to attributions.
        title: For tables and figures.
        source: The paper.
        signed: Whether the sign tells what speaks for and against the target. The sign of a
            gradient tells only whether a pixel should become brighter, so that maps of gradients
            are reduced to magnitudes.
        regions: Whether a map shows whole regions rather than single pixels.
        reduce: A name of `REDUCTIONS`, the usual reduction of channels; None if maps have no
            channels.
        per_image: Settings with an image axis.
        options: The settings that commands offer, each with the name of its option there.
        note: How maps are made, for people. In braces: settings, `superpixels`, and the number of
            `background` images.
        gradients: Whether it takes gradients; other methods call the model for many versions of an
            image.
    """

    name: str
    function: Callable[..., Array]
    title: str
    source: str
    signed: bool
    regions: bool
    reduce: str | None
    per_image: tuple[str, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)
    note: str = ""
    gradients: bool = True

    @property
    def needs(self) -> tuple[str, ...]:
        """The fields of `Network` that `function` takes, in the order of its arguments."""
        return tuple(name for name in self._arguments if name in Network._fields)

    @property
    def settings(self) -> dict[str, Any]:
        """Each setting and its default: `inspect.Parameter.empty` if the setting is required."""
        known = (*Network._fields, "images", "targets")
        return {
            name: argument.default
            for name, argument in self._arguments.items()
            if name not in known
        }

    @property
    def needs_background(self) -> bool:
        """Whether it starts from other images, which have to be given."""
        return self.settings.get("baselines") is inspect.Parameter.empty

    @property
    def needs_segments(self) -> bool:
        """Whether it hides segments of the images."""
        return "segments" in self.settings

    @property
    def _arguments(self) -> Mapping[str, inspect.Parameter]:
        return inspect.signature(self.function).parameters


_NOISE = {"samples": "noise_samples", "stdev": "noise"}
_NOISY = (
    "{samples} saliency maps of the image with noise of standard deviation {stdev:g} (of "
    "normalized images)."
)
METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        Method(
            "saliency", saliency, "Saliency", "Simonyan et al. 2013",
            signed=False, regions=False, reduce="max_abs",
        ),
        Method(
            "input_x_gradient", input_x_gradient, "Input x Gradient", "Shrikumar et al. 2016",
            signed=True, regions=False, reduce="sum",
        ),
        Method(
            "integrated_gradients", integrated_gradients,
            "Integrated Gradients", "Sundararajan et al. 2017",
            signed=True, regions=False, reduce="sum",
            per_image=("baselines",),
            options={"steps": "steps"},
            note="{steps} Gauss-Legendre steps from the mean color.",
        ),
        Method(
            "gradient_shap", gradient_shap, "GradientSHAP", "Lundberg and Lee 2017",
            signed=True, regions=False, reduce="sum",
            per_image=("key",),
            options={"samples": "shap_samples"},
            note="{samples} samples, from {background} training images, the same for all members.",
        ),
        Method(
            "grad_cam", grad_cam, "Grad-CAM", "Selvaraju et al. 2017",
            signed=True, regions=True, reduce=None,
            note="resized bilinearly.",
        ),
        Method(
            "guided_backprop", guided_backprop, "Guided Backprop", "Springenberg et al. 2015",
            signed=False, regions=False, reduce="max_abs",
        ),
        Method(
            "guided_grad_cam", guided_grad_cam, "Guided Grad-CAM", "Selvaraju et al. 2017",
            signed=False, regions=False, reduce="max_abs",
            note="Grad-CAM's positive part, resized to the nearest cell.",
        ),
        Method(
            "lime", lime, "LIME", "Ribeiro et al. 2016",
            signed=True, regions=True, reduce=None,
            per_image=("key", "segments"),
            options={"samples": "lime_samples", "variant": "lime_variant"},
            note="{samples} samples of {superpixels} superpixels, the same for all members; as "
            "{variant.source}; explains the {variant.explains}.",
            gradients=False,
        ),
        Method(
            "smooth_grad", smooth_grad(saliency), "SmoothGrad", "Smilkov et al. 2017",
            signed=False, regions=False, reduce="max_abs",
            per_image=("key",),
            options=_NOISE,
            note=f"the mean of {_NOISY}",
        ),
        Method(
            "var_grad", var_grad(saliency), "VarGrad", "Adebayo et al. 2018",
            signed=False, regions=False, reduce="max_abs",
            per_image=("key",),
            options=_NOISE,
            note=f"the variance of {_NOISY}",
        ),
    )
}  # fmt: skip


def method_named(method: str) -> Method:
    """Returns the method; ValueError for an unknown name."""
    if method not in METHODS:
        raise ValueError(f"unknown method {method!r}: {remedy(method, METHODS)}")
    return METHODS[method]
