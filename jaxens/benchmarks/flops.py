"""The FLOP of a model, counted from its layers.

XLA's own count (`cost_analysis`) depends on how convolutions were rewritten, for example as
Winograd's or as products of windows. So count the multiply-adds of one member's convolutions and
dense layers, and two FLOP for each.
"""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
from jax.extend.core import ClosedJaxpr, Jaxpr

from jaxens.attribution import METHODS
from jaxens.evaluation.settings import MethodSettings
from jaxens.models import build

FORMULA = (
    "FLOP: 2 per multiply-add of convolutions and dense layers; a training step counts the "
    "forward pass three times (two gradients), less the first layer's input gradient"
)
EXPLAINING = (
    "FLOP: 2 per multiply-add of convolutions and dense layers; a gradient by the image counts the "
    "forward pass twice, Grad-CAM once"
)


class Work(NamedTuple):
    """Number of floating-point operations for one image in one member.

    Attributes:
        forward: The FLOP of a forward pass.
        first: The FLOP of the first layer in that pass.
    """

    forward: float
    first: float

    @property
    def training(self) -> float:
        """Forward pass, weight gradients of all layers, input gradients of all but the first."""
        return 3 * self.forward - self.first

    @property
    def input_gradient(self) -> float:
        """Forward pass, and the input gradients of all layers."""
        return 2 * self.forward


def work_of(model: str, classes: int, image_size: int) -> Work:
    """Counts the FLOP of a model of one task; `model` is a key of `jaxens.models.MODELS`."""
    network = build(model, (("task", classes),))
    images = jax.ShapeDtypeStruct((1, image_size, image_size, 3), "float32")
    variables = jax.eval_shape(network.init, jax.random.key(0), images)
    counts = list(_multiply_adds(jax.make_jaxpr(network.apply)(variables, images).jaxpr))
    return Work(2.0 * sum(counts), 2.0 * counts[0])


def flop_of(method: str, work: Work) -> float:
    """Returns the FLOP of one map by a method of `jaxens.attribution`, with its usual settings."""
    needs = METHODS[method].needs
    whole = "logits_fn" in needs or "guided_logits_fn" in needs
    gradients = MethodSettings().passes(method) * work.input_gradient if whole else 0
    return gradients + (work.forward if "features_fn" in needs else 0)


def _multiply_adds(jaxpr: Jaxpr) -> Iterator[int]:
    """Multiply-adds of each convolution and matrix product, in program order."""
    for equation in jaxpr.eqns:
        if equation.primitive.name == "conv_general_dilated":
            kernel, out = _shape(equation.invars[1]), _shape(equation.outvars[0])
            channels_out = kernel[equation.params["dimension_numbers"].rhs_spec[0]]
            yield math.prod(out) * math.prod(kernel) // channels_out
        elif equation.primitive.name == "dot_general":
            (contracted, _), _ = equation.params["dimension_numbers"]
            left, out = _shape(equation.invars[0]), _shape(equation.outvars[0])
            yield math.prod(out) * math.prod(left[axis] for axis in contracted)
        for inner in map(_inner, equation.params.values()):
            if inner is not None:
                yield from _multiply_adds(inner)


def _shape(variable: Any) -> tuple[int, ...]:
    return variable.aval.shape


def _inner(parameter: Any) -> Jaxpr | None:
    if isinstance(parameter, ClosedJaxpr):
        return parameter.jaxpr
    return parameter if isinstance(parameter, Jaxpr) else None
