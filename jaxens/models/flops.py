"""The FLOP of a model, counted from its layers.

XLA's own count (`cost_analysis`) depends on how convolutions were rewritten, for example as
Winograd's or as products of windows. So count the multiply-adds of one member's convolutions and
dense layers, and two FLOP for each.
"""

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import jax
from jax.extend.core import ClosedJaxpr, Jaxpr

from jaxens.models import Classifier, build

FORMULA = (
    "FLOP: 2 per multiply-add of convolutions and dense layers; a training step counts the "
    "forward pass three times (two gradients), less the first layer's input gradient"
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
    return work_of_stages(build(model, (("task", classes),)), image_size)[1]


def work_of_stages(
    model: Classifier, image_size: int, stage: str | None = None
) -> tuple[Work, Work]:
    """Counts the FLOP of the stages below a stage, and of that stage and those above.

    Args:
        model: The model of one member.
        image_size: Side of an image, pixels.
        stage: As for `Classifier.below`. None: there is nothing below.
    """
    plain = model.clone(conv_general_dilated=jax.lax.conv_general_dilated)
    images = jax.ShapeDtypeStruct((1, image_size, image_size, 3), "float32")
    variables = jax.eval_shape(plain.init, jax.random.key(0), images)
    if stage is None:
        return Work(0, 0), _work(plain.apply, variables, images)
    below = partial(plain.apply, stage=stage, method="below")
    above = partial(plain.apply, stage=stage, method="above")
    features = jax.eval_shape(below, variables, images)
    return _work(below, variables, images), _work(above, variables, features)


def _work(function: Callable[..., Any], *shapes: Any) -> Work:
    counts = [*_multiply_adds(jax.make_jaxpr(function)(*shapes).jaxpr)] or [0]
    return Work(2.0 * sum(counts), 2.0 * counts[0])


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
