"""A convolution for one member that stays fast under `vmap` over members, and in loops.

`jax.vmap` of `lax.conv_general_dilated` over kernels becomes a grouped convolution, and its
weight gradient one with `batch_group_count`: both run far below the rate of a dense one.
On two CPU cores (11 members, batch 32, 16x16 maps, 32 to 32 channels, 3x3; XLA:CPU of
JAX 0.10.2), forward and both gradients took 2060 ms that way and 69 ms as dense convolutions.
So each of the three parts has a form for one member (see `jaxens.ops.cpu.conv`; elsewhere XLA's
own) and a batching rule of its own:

| what carries the mapped axis                        | CPU, channels last     | GPU, TPU, other |
| --------------------------------------------------- | ---------------------- | --------------- |
| images only, in the forward and input-gradient pass | one, of the whole batch| the same        |
| kernels only, in the forward pass; cotangents only, | a loop over members    | one, of all     |
| in the weight gradient                              |                        |                 |
| anything else                                       | a loop over members    | one per member  |

"Other" are grouped, dilated and transposed convolutions, which are always one per member there.
A loop compiles one member's part, however many members there are: for ResNet-18, a training step
of 11 in 12 s. What stands unrolled compiles eleven of each. The columns of GPU and TPU have not
been measured yet.

Forward mode is not defined, and JAX refuses it (`custom_vjp`): build a model with
`lax.conv_general_dilated` where you need it. Gradients of gradients are.
"""

from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.custom_batching import custom_vmap
from jaxtyping import Array, Float

from jaxens.ops.cpu import conv as cpu
from jaxens.ops.cpu import weights as cpu_weights
from jaxens.ops.geometry import Geometry

Part = Callable[[Array, Array], Array]


def conv_general_dilated(
    lhs: Float[Array, "batch *space in"],
    rhs: Float[Array, "*window in_per_group out"],
    window_strides: Sequence[int],
    padding: str | Sequence[tuple[int, int]],
    lhs_dilation: Sequence[int] | None = None,
    rhs_dilation: Sequence[int] | None = None,
    dimension_numbers: Any = None,
    feature_group_count: int = 1,
    precision: Any = None,
) -> Float[Array, "batch *out_space out"]:
    """`lax.conv_general_dilated`, for the `conv_general_dilated` field of `flax.linen.Conv`.

    Shapes are those of `dimension_numbers`; the annotation shows NHWC and HWIO. The result
    equals `lax`'s to rounding, with or without `vmap`, whatever carries the mapped axis.

    **Raises:** what `lax` raises, as `TypeError` for operands of two types.
    """
    geometry = Geometry.of(
        lhs.shape,
        rhs.shape,
        window_strides,
        padding,
        lhs_dilation,
        rhs_dilation,
        dimension_numbers,
        feature_group_count,
        precision,
    )
    # What does not fit is told in `lax`'s words; nothing is computed.
    jax.eval_shape(geometry.dense, *(jax.ShapeDtypeStruct(x.shape, x.dtype) for x in (lhs, rhs)))
    return _conv(geometry, *_varying_alike(lhs, rhs))


def _varying_alike(*operands: Array) -> list[Array]:
    """Operands that vary over the same axes of a mesh, as `shard_map` has those of one operation.

    `lax` does it by itself, but not for what is a gradient rule's own: what an operand did not
    vary over, its gradient is then summed over.
    """
    types = [jax.typeof(x) for x in operands]
    # The newer JAX's name of it, and the older one's.
    axes = [
        getattr(getattr(t, "mat", t), "varying", getattr(t, "vma", None)) or set() for t in types
    ]
    together = set().union(*axes)
    return [
        lax.pcast(x, tuple(together - own), to="varying") if together - own else x
        for x, own in zip(operands, axes, strict=True)
    ]


# The three parts are linear in each operand, and each one's gradients are the other two: so they
# have gradients of any order.
@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _conv(geometry: Geometry, images: Array, kernel: Array) -> Array:
    return _forward(geometry, _on_cpu(geometry, images, kernel))(images, kernel)


@partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _to_images(
    geometry: Geometry, shape: tuple[int, ...], cotangent: Array, kernel: Array
) -> Array:
    by_form = _on_cpu(geometry, jax.ShapeDtypeStruct(shape, cotangent.dtype), kernel)
    return _input_gradient(geometry, shape, by_form)(cotangent, kernel)


@partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _to_kernel(
    geometry: Geometry, shape: tuple[int, ...], images: Array, cotangent: Array
) -> Array:
    by_form = _on_cpu(geometry, images, jax.ShapeDtypeStruct(shape, images.dtype))
    return _weight_gradient(geometry, shape, by_form)(images, cotangent)


def _conv_bwd(
    geometry: Geometry, operands: tuple[Array, Array], cotangent: Array
) -> tuple[Array, Array]:
    images, kernel = operands
    return (
        _to_images(geometry, images.shape, cotangent, kernel),
        _to_kernel(geometry, kernel.shape, images, cotangent),
    )


def _to_images_bwd(
    geometry: Geometry, _: tuple[int, ...], operands: tuple[Array, Array], images: Array
) -> tuple[Array, Array]:
    cotangent, kernel = operands
    return (
        _conv(geometry, images, kernel),
        _to_kernel(geometry, kernel.shape, images, cotangent),
    )


def _to_kernel_bwd(
    geometry: Geometry, _: tuple[int, ...], operands: tuple[Array, Array], kernel: Array
) -> tuple[Array, Array]:
    images, cotangent = operands
    return (
        _to_images(geometry, images.shape, cotangent, kernel),
        _conv(geometry, images, kernel),
    )


def _keeping_operands(part: Callable[..., Array]) -> Callable[..., tuple[Array, tuple]]:
    return lambda *arguments: (part(*arguments), arguments[-2:])


_conv.defvjp(_keeping_operands(_conv), _conv_bwd)
_to_images.defvjp(_keeping_operands(_to_images), _to_images_bwd)
_to_kernel.defvjp(_keeping_operands(_to_kernel), _to_kernel_bwd)


def _on_cpu(geometry: Geometry, images: Any, kernel: Any) -> bool:
    """Whether it takes one of the forms of `jaxens.ops.cpu.conv`, which an empty result has not."""
    if jax.default_backend() != "cpu" or not geometry.plain:
        return False
    return cpu.has_work(geometry, images, kernel)


@cache
def _forward(geometry: Geometry, by_form: bool) -> Part:
    part: Part = partial(cpu.forward, geometry) if by_form else geometry.dense
    last = 3 if geometry.plain else None
    return _member_batched(part, geometry.batch_axes, looped=by_form, kernels_join=last)


@cache
def _input_gradient(geometry: Geometry, shape: tuple[int, ...], by_form: bool) -> Part:
    batch_in, batch_out = geometry.batch_axes

    def gradient(cotangent: Array, kernel: Array) -> Array:
        # The batch is read off the cotangent: folding makes it longer than `shape` says.
        sizes = list(shape)
        sizes[batch_in] = cotangent.shape[batch_out]
        if by_form:
            return cpu.input_gradient(geometry, tuple(sizes), cotangent, kernel)
        return geometry.dense_input_gradient(tuple(sizes), cotangent, kernel)

    return _member_batched(gradient, (batch_out, batch_in), looped=by_form)


@cache
def _weight_gradient(geometry: Geometry, shape: tuple[int, ...], by_form: bool) -> Part:
    def gradient(images: Array, cotangent: Array) -> Array:
        if by_form:
            return cpu_weights.weight_gradient(geometry, shape, images, cotangent)
        # Channels are read off the cotangent: those of all members may have joined.
        own = (*shape[:-1], cotangent.shape[-1]) if geometry.plain else shape
        return geometry.dense_weight_gradient(own, images, cotangent)

    last = 3 if geometry.plain else None
    return _member_batched(gradient, fold=None, looped=by_form, kernels_join=last)


def _member_batched(
    part: Part, fold: tuple[int, int] | None, *, looped: bool, kernels_join: int | None = None
) -> Part:
    """`part` with the table above as its batching rule.

    `fold` holds the batch axis of the first operand and of the result, where the mapped axis
    may join it; None where the result has no batch axis (a weight gradient sums over it).
    `kernels_join` is the second operand's and the result's axis of channels, where those of all
    members may be computed as one kernel's.
    """
    batched_part = custom_vmap(part)

    @batched_part.def_vmap
    def rule(size: int, mapped: list[bool], first: Array, second: Array) -> tuple[Array, bool]:
        if fold and mapped == [True, False]:
            axis_in, axis_out = fold
            out = batched_part(_join(first, axis_in), second)
            return _split(out, axis_out, size), True
        if kernels_join and not looped and mapped == [False, True]:
            out = batched_part(first, _join(second, kernels_join))
            return _split(out, kernels_join, size), True

        def member(m: Any) -> Array:
            return batched_part(
                first[m] if mapped[0] else first, second[m] if mapped[1] else second
            )

        if looped:
            return lax.map(member, jnp.arange(size)), True
        return jnp.stack([member(m) for m in range(size)]), True

    return batched_part


def _join(array: Array, axis: int) -> Array:
    """[size, ..., n at `axis`, ...] -> [..., size * n, ...]."""
    moved = jnp.moveaxis(array, 0, axis)
    return moved.reshape(*moved.shape[:axis], -1, *moved.shape[axis + 2 :])


def _split(array: Array, axis: int, size: int) -> Array:
    shape = (*array.shape[:axis], size, -1, *array.shape[axis + 1 :])
    return jnp.moveaxis(array.reshape(shape), axis, 0)
