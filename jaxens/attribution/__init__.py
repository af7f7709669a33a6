"""Attributions: which parts of an image speak for a class.

Pure functions of a model, images and targets. They explain raw logits (LIME: also probabilities),
work with any JAX function from images [image, height, width, channel] to logits [image, class],
and may be `jit`ted, and `vmap`ped over the members of an ensemble. The model receives images in
the type of the user's images. Maps are in float32, or in float64 if the images are.

The axes that each returns are in its annotation; the guide has them in one table. The size of a
`grad_cam` map is that of the features: `resize` brings it to the size of the images.
`sum_channels`, `max_abs` and `sum_abs` remove the channel axis. `attribute` does both.
"""

from jaxens.attribution.check import check_network
from jaxens.attribution.gradcam import grad_cam
from jaxens.attribution.gradient import input_x_gradient, saliency
from jaxens.attribution.guided import check_guided, guided_backprop, guided_grad_cam, guided_relu
from jaxens.attribution.integrated import convergence_delta, integrated_gradients
from jaxens.attribution.keys import Keys, keys_of_images
from jaxens.attribution.lime import lime, lime_draws, lime_from_draws, lime_weights
from jaxens.attribution.lime_variants import VARIANTS, Variant
from jaxens.attribution.maps import attribute, explain
from jaxens.attribution.methods import METHODS, Method, Network, method_named
from jaxens.attribution.quadrature import QUADRATURES
from jaxens.attribution.reduce import REDUCTIONS, max_abs, sum_abs, sum_channels
from jaxens.attribution.resize import resize
from jaxens.attribution.segments import grid, segments_to_map, superpixels
from jaxens.attribution.shap import ShapDraws, gradient_shap, shap_draws, shap_from_draws
from jaxens.attribution.smooth import (
    noise_draws,
    smooth_grad,
    smooth_grad_from_draws,
    var_grad,
    var_grad_from_draws,
)
from jaxens.chunks import in_chunks
from jaxens.targets import Contrast, Targets, select

__all__ = [
    "METHODS",
    "QUADRATURES",
    "REDUCTIONS",
    "VARIANTS",
    "Contrast",
    "Keys",
    "Method",
    "Network",
    "ShapDraws",
    "Targets",
    "Variant",
    "attribute",
    "check_guided",
    "check_network",
    "convergence_delta",
    "explain",
    "grad_cam",
    "gradient_shap",
    "grid",
    "guided_backprop",
    "guided_grad_cam",
    "guided_relu",
    "in_chunks",
    "input_x_gradient",
    "integrated_gradients",
    "keys_of_images",
    "lime",
    "lime_draws",
    "lime_from_draws",
    "lime_weights",
    "max_abs",
    "method_named",
    "noise_draws",
    "resize",
    "saliency",
    "segments_to_map",
    "select",
    "shap_draws",
    "shap_from_draws",
    "smooth_grad",
    "smooth_grad_from_draws",
    "sum_abs",
    "sum_channels",
    "superpixels",
    "var_grad",
    "var_grad_from_draws",
]
