"""Attributions: which parts of an image speak for a class.

Pure functions of a model, images and targets. They explain raw logits, work with any JAX
function from images [image, height, width, channel] to logits [image, class], and may be
`jit`ted, and `vmap`ped over the members of an ensemble.
"""

from jaxens.attribution.gradcam import grad_cam
from jaxens.attribution.gradient import input_x_gradient, saliency
from jaxens.attribution.integrated import convergence_delta, integrated_gradients
from jaxens.attribution.methods import METHODS, Method, explain
from jaxens.attribution.quadrature import QUADRATURES
from jaxens.attribution.reduce import REDUCTIONS, max_abs, sum_abs, sum_channels
from jaxens.attribution.resize import resize
from jaxens.attribution.shap import Draws, gradient_shap, shap_draws, shap_from_draws
from jaxens.attribution.targets import Contrast, Targets, select

__all__ = [
    "METHODS",
    "QUADRATURES",
    "REDUCTIONS",
    "Contrast",
    "Draws",
    "Method",
    "Targets",
    "convergence_delta",
    "explain",
    "grad_cam",
    "gradient_shap",
    "input_x_gradient",
    "integrated_gradients",
    "max_abs",
    "resize",
    "saliency",
    "select",
    "shap_draws",
    "shap_from_draws",
    "sum_abs",
    "sum_channels",
]
