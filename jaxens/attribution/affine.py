"""The affine beginning of a model: computed at two points, it is known on the line between them.

Most networks begin with a convolution, its bias or batch statistics, and then only a ReLU.
On a line of 50 points the convolution is needed at both ends, and its transpose once, for the sum
of the gradients that come back to it: a fifth to a third of the work for ResNet-18 and smaller
networks at 64 px on two CPU cores. A model that computes in bfloat16 rounds its images first,
which is not affine: it has no such beginning, and is taken as it is.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal, jaxpr_as_fun, jaxprs_in_params
from jaxtyping import Float

from jaxens.attribution.image_axis import image_axes

Parts = list[Array]  # each with an image axis first
Before = Callable[[Array], Parts]
Behind = Callable[[Parts], Array]

# Affine in all operands together; in one, the others being constant; in the others together,
# where these are constant.
JOINT = {"add", "add_any", "broadcast_in_dim", "concatenate", "copy", "neg"}
JOINT |= {"pad", "reduce_sum", "reshape", "rev", "slice", "split"}
JOINT |= {"squeeze", "stack", "sub", "transpose", "unstack"}
IN_ONE = {"conv_general_dilated", "dot_general", "mul"}
BUT_FOR = {"div": slice(1, None), "dynamic_slice": slice(1, None), "gather": slice(1, 2)}
BUT_FOR |= {"dynamic_update_slice": slice(2, None), "scatter-add": slice(1, 2)}
INLINED = {"closed_call", "jit", "pjit"}
CALLS = INLINED | {"custom_jvp_call", "custom_vjp_call", "custom_vmap_call"}


def split(
    model: Callable[[Array], Array],
    images: Float[Array, "image height width channel"],
    points: Collection[int],
) -> tuple[Before, Behind]:
    """`model` as an affine function of images, and what is behind it.

    `before` gives parts [image, ...] for as many images as these; `behind` takes such parts for
    as many, or for one of these numbers of `points` of each. A model that begins otherwise, or
    that is not traced (its operations would then run one by one), is all `behind`.
    """
    if _can_be_read(model, images):
        whole = {count: _traced(model, images, count) for count in {1, *points}}
        cuts = {count: _affine(each) for count, each in whole.items()}
        shapes = [[_of_image(v, count * len(images)) for v in cuts[count]] for count in cuts]
        alike = shapes[0] and None not in shapes[0] and all(each == shapes[0] for each in shapes)
        if alike and all(_image_by_image(whole[count], cuts[count]) for count in cuts):
            before = _first_part(whole[1], cuts[1])
            if _is_linear(before, images, cuts[1]):
                behind = {
                    count * len(images): _second_part(whole[count], cuts[count]) for count in cuts
                }
                return before, lambda parts: behind[len(parts[0])](parts)
    return lambda images: [images], lambda parts: model(parts[0])


def _can_be_read(model: Callable[[Array], Array], images: Array) -> bool:
    """Whether it is traced, gives one array, and does not vary between devices of a mesh."""
    type_ = jax.typeof(images)
    # The newer JAX's name of it, and the older one's.
    varying = getattr(getattr(type_, "mat", type_), "varying", getattr(type_, "vma", None))
    if not isinstance(images, jax.core.Tracer) or varying:
        return False
    return isinstance(jax.eval_shape(model, images), jax.ShapeDtypeStruct)


def _traced(model: Callable[[Array], Array], images: Array, points: int) -> ClosedJaxpr:
    """The model on `points` times as many images, with the functions that it calls written out."""
    several = jax.ShapeDtypeStruct((points * len(images), *images.shape[1:]), images.dtype)
    called = jax.make_jaxpr(model)(several)
    return jax.make_jaxpr(lambda images: _evaluate(called, [images])[0])(several)


def _evaluate(closed: ClosedJaxpr, operands: Sequence[Any]) -> list[Any]:
    known = dict(zip(closed.jaxpr.constvars, closed.consts, strict=True))
    known |= dict(zip(closed.jaxpr.invars, operands, strict=True))

    def value(atom: Any) -> Any:
        return atom.val if isinstance(atom, Literal) else known[atom]

    for eqn in closed.jaxpr.eqns:
        if eqn.primitive.name in INLINED:
            (inner,) = (p for p in eqn.params.values() if isinstance(p, ClosedJaxpr))
            results = _evaluate(inner, [value(atom) for atom in eqn.invars])
        else:
            free = [v for v in eqn.invars if not isinstance(v, Literal)]
            alone = closed.jaxpr.replace(constvars=[], invars=free, outvars=eqn.outvars, eqns=[eqn])
            results = jaxpr_as_fun(ClosedJaxpr(alone, ()))(*map(value, free))
        known.update(zip(eqn.outvars, results, strict=True))
    return [value(atom) for atom in closed.jaxpr.outvars]


def _affine(closed: ClosedJaxpr) -> list[Any]:
    """The last values that are affine in the images: all that the rest needs of them.

    Empty if the images themselves are among them, or if the function does more than compute.
    """
    jaxpr = closed.jaxpr
    if jaxpr.effects:
        return []
    kinds = _kinds(jaxpr, [True])
    cut: dict[Any, None] = {}
    for eqn in jaxpr.eqns:
        if any(kinds[v] is None for v in eqn.outvars):
            cut |= dict.fromkeys(v for v in eqn.invars if _kind(v, kinds))
    cut |= dict.fromkeys(v for v in jaxpr.outvars if _kind(v, kinds))
    return [] if jaxpr.invars[0] in cut else list(cut)


def _kinds(jaxpr: Jaxpr, inputs: Sequence[bool | None]) -> dict[Any, bool | None]:
    """Of each value, whether it is affine in the inputs (True), constant (False), or neither."""
    kinds: dict[Any, bool | None] = dict.fromkeys(jaxpr.constvars, False)
    kinds |= zip(jaxpr.invars, inputs, strict=True)
    for eqn in jaxpr.eqns:
        results = _of_results(eqn, [_kind(v, kinds) for v in eqn.invars])
        kinds |= zip(eqn.outvars, results, strict=True)
    return kinds


def _kind(atom: Any, kinds: dict[Any, bool | None]) -> bool | None:
    return False if isinstance(atom, Literal) else kinds[atom]


def _of_results(eqn: JaxprEqn, operands: list[bool | None]) -> list[bool | None]:
    name = eqn.primitive.name
    if not any(kind is not False for kind in operands):
        return [False] * len(eqn.outvars)
    inner = list(jaxprs_in_params(eqn.params))
    if name in CALLS and len(inner) == 1 and len(inner[0].invars) == len(operands):
        kinds = _kinds(inner[0], operands)
        return [_kind(v, kinds) for v in inner[0].outvars]
    affine = None not in operands and (
        name in JOINT
        or (name in IN_ONE and sum(map(bool, operands)) == 1)
        or (name in BUT_FOR and not any(operands[BUT_FOR[name]]))
        or (name == "convert_element_type" and _loses_nothing(eqn))
    )
    return [True if affine else None] * len(eqn.outvars)


def _loses_nothing(eqn: JaxprEqn) -> bool:
    before, behind = (v.aval.dtype for v in (*eqn.invars, *eqn.outvars))  # type: ignore[attr-defined]
    return jnp.promote_types(before, behind) == behind and jnp.issubdtype(before, jnp.floating)


def _of_image(value: Any, images: int) -> tuple[Any, ...] | None:
    """What must not depend on the number of points; None if images do not come first."""
    first, *rest = value.aval.shape or (0,)
    return (tuple(rest), value.aval.dtype) if first == images else None


def _image_by_image(closed: ClosedJaxpr, cut: list[Any]) -> bool:
    """False where images are mixed, or leave their places, though they may come back later."""
    axes = image_axes(_with(closed, closed.jaxpr.invars, cut).jaxpr, [0])
    return axes is not None and set(axes) == {0}


def _is_linear(before: Before, images: Array, cut: Sequence[Any]) -> bool:
    """False where a model's own derivative is not: one that clips, or looks at the point."""

    def pulled(images: Array, cotangents: Parts) -> Array:
        return jax.vjp(before, images)[1](cotangents)[0]

    parts = [jax.ShapeDtypeStruct(v.aval.shape, v.aval.dtype) for v in cut]
    found = jax.make_jaxpr(pulled)(jax.ShapeDtypeStruct(images.shape, images.dtype), parts)
    kinds = _kinds(found.jaxpr, [None] + [True] * len(parts))
    return all(_kind(v, kinds) is not None for v in found.jaxpr.outvars)


def _first_part(closed: ClosedJaxpr, cut: list[Any]) -> Before:
    return jaxpr_as_fun(_with(closed, closed.jaxpr.invars, cut))


def _second_part(closed: ClosedJaxpr, cut: list[Any]) -> Behind:
    rest = _with(closed, cut, closed.jaxpr.outvars)
    return lambda parts: jaxpr_as_fun(rest)(*parts)[0]


def _with(closed: ClosedJaxpr, inputs: list[Any], outputs: list[Any]) -> ClosedJaxpr:
    """The equations that lead from these inputs, and constants, to these outputs."""
    needed, equations = {v for v in outputs if not isinstance(v, Literal)} - {*inputs}, []
    for eqn in reversed(closed.jaxpr.eqns):
        if needed & {*eqn.outvars}:
            equations.append(eqn)
            needed |= {v for v in eqn.invars if not isinstance(v, Literal)} - {*inputs}
    part = closed.jaxpr.replace(invars=inputs, outvars=outputs, eqns=equations[::-1])
    return ClosedJaxpr(part, closed.consts)
