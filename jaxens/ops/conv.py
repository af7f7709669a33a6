"""A convolution of one member that stays fast under `vmap` over members, and in loops.

`jax.vmap` of `lax.conv_general_dilated` over kernels gives a grouped convolution, and its weight
gradient one with `batch_group_count`. Both run far below the rate of a dense convolution: on two
CPU cores (11 members, batch 32, 16x16 maps, 32 to 32 channels, 3x3; JAX 0.10.2), forward and both
gradients took 2060 ms, and 69 ms as dense convolutions.

So each of the three parts (forward, input gradient, weight gradient) has a batching rule of its
own. On a CPU, plain and depthwise convolutions also have kernels of their own (`jaxens.ops.cpu`),
unless their windows are very large.

| operand with the mapped axis                 | on a CPU            | plain, elsewhere          |
| -------------------------------------------- | ------------------- | ------------------------- |
| images (forward), cotangent (input gradient) | joins the batch     | joins the batch           |
| kernel (forward), cotangent (weight gradient)| a loop over members | joins the channels        |
| both operands, or the other one              | a loop over members | one per member (up to 64) |

Elsewhere, members of a grouped convolution (a depthwise one too) become more groups, and dilated
and transposed ones run one per member, on a CPU too.
A loop compiles the part of one member only. The platform is the one that the program is compiled
for, which need not be that of this machine. On a TPU, one convolution per member moves 6.9 GB in a
step of 11 ResNet-18 where `vmap` moves 9.8 (docs/performance.md). No GPU or TPU has been timed yet.

Reverse mode of any order works. Forward mode raises JAX's error for `custom_vjp`: build a model
with `lax.conv_general_dilated` if you need it.
"""

import math
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.custom_batching import custom_vmap
from jaxtyping import Array, Float

from jaxens.ops.cpu import conv as cpu_conv
from jaxens.ops.cpu import depthwise
from jaxens.ops.cpu import weights as cpu_weights
from jaxens.ops.geometry import Geometry
from jaxens.platforms import by_platform

BinaryOp = Callable[[Array, Array], Array]


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
    """Returns `lax.conv_general_dilated` of the same arguments, up to rounding.

    For the field `conv_general_dilated` of `flax.linen.Conv`. The annotations show NHWC and HWIO;
    other layouts work through `dimension_numbers`. On a CPU, 3x3 windows with many channels are
    computed by Winograd's algorithm, whose rounding is 1.6 times as large, and where a pixel that
    is not finite also reaches results next to its windows; with the precision "highest" they are
    not.

    Args:
        lhs: Images.
        rhs: The kernel, in the images' type.
        window_strides: As in `lax.conv_general_dilated`, like the other arguments.

    Raises:
        TypeError, ValueError: As `lax` does, with its messages, if shapes or types don't match.
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
    # Tracing `lax`'s convolution raises its error if the operands don't fit. Its equation also has
    # the precision that `jax.default_matmul_precision` sets.
    types = (jax.ShapeDtypeStruct(x.shape, x.dtype) for x in (lhs, rhs))
    (equation,) = jax.make_jaxpr(geometry.conv)(*types).eqns
    geometry = geometry._replace(precision=equation.params["precision"])
    return _conv(geometry, *_match_varying_axes(lhs, rhs))


def _match_varying_axes(*operands: Array) -> list[Array]:
    """Makes operands vary over the same mesh axes, as `lax` does inside `shard_map`.

    Custom gradient rules have to do this themselves, so that the gradient of an operand that
    devices share is summed over them.
    """
    types = [jax.typeof(x) for x in operands]
    # `mat.varying` in newer releases of JAX, `vma` in older ones.
    axes = [
        getattr(getattr(t, "mat", t), "varying", getattr(t, "vma", None)) or set() for t in types
    ]
    union = set().union(*axes)
    return [
        lax.pcast(x, tuple(union - varying), to="varying") if union - varying else x
        for x, varying in zip(operands, axes, strict=True)
    ]


# Each of the three functions is linear in both operands, and its gradients are the other two:
# that gives gradients of any order.
@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _conv(geometry: Geometry, images: Array, kernel: Array) -> Array:
    part = partial(_forward_op, geometry)
    return _by_platform(part, _cpu_variant(geometry, images, kernel))(images, kernel)


@partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _input_grad(
    geometry: Geometry, shape: tuple[int, ...], cotangent: Array, kernel: Array
) -> Array:
    images = jax.ShapeDtypeStruct(shape, cotangent.dtype)
    part = partial(_input_grad_op, geometry, shape)
    return _by_platform(part, _cpu_variant(geometry, images, kernel))(cotangent, kernel)


@partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _weight_grad(
    geometry: Geometry, shape: tuple[int, ...], images: Array, cotangent: Array
) -> Array:
    kernel = jax.ShapeDtypeStruct(shape, images.dtype)
    part = partial(_weight_grad_op, geometry, shape)
    return _by_platform(part, _cpu_variant(geometry, images, kernel))(images, cotangent)


def _conv_bwd(
    geometry: Geometry, operands: tuple[Array, Array], cotangent: Array
) -> tuple[Array, Array]:
    images, kernel = operands
    return (
        _input_grad(geometry, images.shape, cotangent, kernel),
        _weight_grad(geometry, kernel.shape, images, cotangent),
    )


def _input_grad_bwd(
    geometry: Geometry, _: tuple[int, ...], operands: tuple[Array, Array], images: Array
) -> tuple[Array, Array]:
    cotangent, kernel = operands
    return (
        _conv(geometry, images, kernel),
        _weight_grad(geometry, kernel.shape, images, cotangent),
    )


def _weight_grad_bwd(
    geometry: Geometry, _: tuple[int, ...], operands: tuple[Array, Array], kernel: Array
) -> tuple[Array, Array]:
    images, cotangent = operands
    return (
        _input_grad(geometry, images.shape, cotangent, kernel),
        _conv(geometry, images, kernel),
    )


def _save_operands(function: Callable[..., Array]) -> Callable[..., tuple[Array, tuple]]:
    return lambda *args: (function(*args), args[-2:])


_conv.defvjp(_save_operands(_conv), _conv_bwd)
_input_grad.defvjp(_save_operands(_input_grad), _input_grad_bwd)
_weight_grad.defvjp(_save_operands(_weight_grad), _weight_grad_bwd)


class Variant(NamedTuple):
    """Which kernels compute a part of a convolution, and whether members run in a loop."""

    cpu_kernels: bool
    member_loop: bool


MOST_UNROLLED = 64  # members: each is compiled; more of them are a loop
MOST_PLACES = 128  # of a window: in our own kernels, each is compiled
ACCELERATOR = Variant(cpu_kernels=False, member_loop=False)


def _cpu_variant(geometry: Geometry, images: Any, kernel: Any) -> Variant:
    fits = geometry.plain or depthwise.fits(geometry, kernel)
    kernels = (
        fits
        and math.prod(kernel.shape[:2]) <= MOST_PLACES
        and not cpu_conv.is_empty(geometry, images, kernel)
    )
    return Variant(kernels, member_loop=kernels or geometry.groups > 1)


def _by_platform(part: Callable[[Variant], BinaryOp], on_cpu: Variant) -> BinaryOp:
    """Returns the variant of a part for the platform that the program is compiled for."""
    if on_cpu == ACCELERATOR:
        return part(ACCELERATOR)
    return by_platform(cpu=part(on_cpu), elsewhere=part(ACCELERATOR))


@cache
def _forward_op(geometry: Geometry, variant: Variant) -> BinaryOp:
    forward = cpu_conv.forward if geometry.plain else depthwise.forward
    op: BinaryOp = partial(forward, geometry) if variant.cpu_kernels else geometry.conv
    return _batched(op, geometry, geometry.batch_axes, variant)


@cache
def _input_grad_op(geometry: Geometry, shape: tuple[int, ...], variant: Variant) -> BinaryOp:
    batch_in, batch_out = geometry.batch_axes

    def op(cotangent: Array, kernel: Array) -> Array:
        # Members may share one batch here, which is longer than that of `shape`.
        sizes = list(shape)
        sizes[batch_in] = cotangent.shape[batch_out]
        if variant.cpu_kernels:
            gradient = (cpu_conv if geometry.plain else depthwise).input_gradient
            return gradient(geometry, tuple(sizes), cotangent, kernel)
        return geometry.conv_input_grad(tuple(sizes), cotangent, kernel)

    return _batched(op, geometry, (batch_out, batch_in), variant, joins_channels=False)


@cache
def _weight_grad_op(geometry: Geometry, shape: tuple[int, ...], variant: Variant) -> BinaryOp:
    def op(images: Array, cotangent: Array) -> Array:
        if variant.cpu_kernels:
            gradient = (cpu_weights if geometry.plain else depthwise).weight_gradient
            return gradient(geometry, shape, images, cotangent)
        # Members may share one cotangent here, which has more channels than `shape` says.
        sizes = (*shape[:-1], cotangent.shape[-1]) if geometry.plain else shape
        return geometry.conv_weight_grad(sizes, images, cotangent)

    return _batched(op, geometry, None, variant)


def _batched(
    op: BinaryOp,
    geometry: Geometry,
    batch_axes: tuple[int, int] | None,
    variant: Variant,
    *,
    joins_channels: bool = True,
) -> BinaryOp:
    """`op` with the batching rule of the table above.

    `batch_axes` are those of the first operand and of the result, None if the result has none.
    `joins_channels` says whether members of the second operand can join the channels.
    """
    channel_axis = 3 if geometry.plain and joins_channels and not variant.cpu_kernels else None
    batched_op = custom_vmap(op)

    @batched_op.def_vmap
    def rule(size: int, mapped: list[bool], first: Array, second: Array) -> tuple[Array, bool]:
        if batch_axes and mapped == [True, False]:
            axis_in, axis_out = batch_axes
            out = batched_op(_join(first, axis_in), second)
            return _split(out, axis_out, size), True
        if channel_axis and mapped == [False, True]:
            out = batched_op(first, _join(second, channel_axis))
            return _split(out, channel_axis, size), True

        one = jax.jit(batched_op, inline=True)  # all members share one trace

        def member(m: Any) -> Array:
            return one(first[m] if mapped[0] else first, second[m] if mapped[1] else second)

        if variant.member_loop or size > MOST_UNROLLED:
            return lax.map(member, jnp.arange(size)), True
        if geometry.groups > 1:
            # JAX has no rule for a second operand alone inside `shard_map`.
            if not mapped[0]:
                first = jnp.broadcast_to(first, (size, *first.shape))
            return jax.vmap(op, (0, 0 if mapped[1] else None))(first, second), True
        return jnp.stack([member(m) for m in range(size)]), True

    return batched_op


def _join(array: Array, axis: int) -> Array:
    """[size, ..., n at `axis`, ...] -> [..., size * n, ...]."""
    moved = jnp.moveaxis(array, 0, axis)
    return moved.reshape(*moved.shape[:axis], -1, *moved.shape[axis + 2 :])


def _split(array: Array, axis: int, size: int) -> Array:
    shape = (*array.shape[:axis], size, -1, *array.shape[axis + 1 :])
    return jnp.moveaxis(array.reshape(shape), axis, 0)
