"""Where the image axis goes in an affine function: what is computed of each image alone."""

import math
from collections.abc import Callable, Sequence
from typing import Any

from jax.extend.core import Jaxpr, JaxprEqn, Literal, jaxprs_in_params

Axes = list[int | None]  # of each value; None for one that no image is in


def image_axes(jaxpr: Jaxpr, inputs: Axes) -> Axes | None:
    """The image axis of each result, given those of the inputs.

    None if a value mixes images or changes their order, or if an operation is not known to do
    neither. (Where several points stand in for an image, its neighbours are others.) Functions
    with a derivative or a batching rule of their own, such as convolutions that fold images into
    rows, are taken to keep images where they are if they keep their number.
    """
    axes: dict[Any, int | None] = dict.fromkeys(jaxpr.constvars)
    axes |= zip(jaxpr.invars, inputs, strict=True)
    for eqn in jaxpr.eqns:
        results = _of_results(eqn, _known(eqn.invars, axes))
        if results is None:
            return None
        axes |= zip(eqn.outvars, results, strict=True)
    return _known(jaxpr.outvars, axes)


def _known(atoms: Sequence[Any], axes: dict[Any, int | None]) -> Axes:
    return [None if isinstance(atom, Literal) else axes[atom] for atom in atoms]


def _of_results(eqn: JaxprEqn, operands: Axes) -> Axes | None:
    held = [(place, axis) for place, axis in enumerate(operands) if axis is not None]
    if not held:
        return [None] * len(eqn.outvars)
    images = {_shape(eqn.invars[place])[axis] for place, axis in held}
    if len({axis for _, axis in held}) > 1 or len(images) > 1:
        return None
    own_rule = any(True for _ in jaxprs_in_params(eqn.params))
    result = held[0][1] if own_rule else _of_result(eqn, *held[0])
    if result is None or any({*_shape(v)[result : result + 1]} != images for v in eqn.outvars):
        return None
    return [result] * len(eqn.outvars)


Params = dict[str, Any]
Shape = tuple[int, ...]
# Where the axis goes: parameters, the operand's shape, the result's, and the operand's axis.
Rule = Callable[[Params, Shape, Shape, int], int | None]


def _same(params: Params, given: Shape, became: Shape, axis: int) -> int:
    return axis


def _but_along(name: str) -> Rule:
    """The same place, unless the operation works along it."""

    def rule(params: Params, given: Shape, became: Shape, axis: int) -> int | None:
        along = params[name]
        return None if axis in (along if isinstance(along, tuple) else (along,)) else axis

    return rule


def _dropping(name: str) -> Rule:
    def rule(params: Params, given: Shape, became: Shape, axis: int) -> int | None:
        gone = params[name]
        return _without(gone if isinstance(gone, tuple) else (gone,), axis)

    return rule


def _of_reshape(params: Params, given: Shape, became: Shape, axis: int) -> int | None:
    ahead = math.prod(given[:axis])
    places = (d for d, n in enumerate(became) if n == given[axis])
    return next((d for d in places if math.prod(became[:d]) == ahead), None)


def _of_pad(params: Params, given: Shape, became: Shape, axis: int) -> int | None:
    return axis if params["padding_config"][axis] == (0, 0, 0) else None


def _of_convolution(params: Params, given: Shape, became: Shape, axis: int) -> int | None:
    numbers = params["dimension_numbers"]
    alone = axis == numbers.lhs_spec[0] and params["batch_group_count"] == 1
    return numbers.out_spec[0] if alone else None


def _of_gather(params: Params, given: Shape, became: Shape, axis: int) -> int | None:
    numbers = params["dimension_numbers"]
    own = _without((*numbers.collapsed_slice_dims, *numbers.operand_batching_dims), axis)
    whole = params["slice_sizes"][axis] == given[axis]
    return numbers.offset_dims[own] if own is not None and whole else None


RULES: dict[str, Rule] = dict.fromkeys(
    ("add", "add_any", "convert_element_type", "copy", "div", "mul", "neg", "sub"), _same
)
# They take part of an axis, or fill part of it: one that keeps its length is as it was.
RULES |= dict.fromkeys(("dynamic_slice", "dynamic_update_slice", "slice"), _same)
RULES |= {
    "broadcast_in_dim": lambda params, given, became, axis: params["broadcast_dimensions"][axis],
    "concatenate": _but_along("dimension"),
    "conv_general_dilated": _of_convolution,
    "gather": _of_gather,
    "pad": _of_pad,
    "reduce_sum": _dropping("axes"),
    "reshape": _of_reshape,
    "rev": _but_along("dimensions"),
    "split": _but_along("axis"),
    "squeeze": _dropping("dimensions"),
    "stack": lambda params, given, became, axis: axis + (params["axis"] <= axis),
    "transpose": lambda params, given, became, axis: params["permutation"].index(axis),
    "unstack": _dropping("axis"),
}
OF_FIRST = {"conv_general_dilated", "gather"}  # which know images in their first operand alone


def _of_result(eqn: JaxprEqn, place: int, axis: int) -> int | None:
    """Of an operation whose operand at this `place` has images along this axis."""
    name = eqn.primitive.name
    if name == "dot_general":
        return _of_product(eqn.params, [_shape(v) for v in eqn.invars], place, axis)
    rule = None if name in OF_FIRST and place else RULES.get(name)
    shapes = _shape(eqn.invars[place]), _shape(eqn.outvars[0])
    return rule(eqn.params, *shapes, axis) if rule else None


def _shape(atom: Any) -> Shape:
    return atom.aval.shape


def _without(axes: Sequence[int], axis: int) -> int | None:
    """Where an axis is when others are gone; None if it is one of them."""
    return None if axis in axes else axis - sum(other < axis for other in axes)


def _of_product(params: Params, shapes: Sequence[Shape], place: int, axis: int) -> int | None:
    contracted, batched = params["dimension_numbers"]
    if axis in batched[place]:
        return batched[place].index(axis)
    # Batch axes come first, then those of the first operand's own, then of the second's.
    own = _without((*contracted[place], *batched[place]), axis)
    if own is None:
        return None
    firsts = len(shapes[0]) - len(contracted[0]) - len(batched[0])
    return len(batched[0]) + own + (firsts if place == 1 else 0)
