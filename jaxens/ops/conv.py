"""A convolution for one member that stays fast under `vmap` over members.

`jax.vmap` of `lax.conv_general_dilated` over kernels becomes a grouped convolution, and its
weight gradient one with `batch_group_count`: both run far below the rate of a dense one.
On two CPU cores (11 members, batch 32, 16x16 maps, 32 to 32 channels, 3x3; XLA:CPU of
JAX 0.10.2), forward and both gradients took 2060 ms that way and 69 ms as dense convolutions
unrolled over the members. So each of the three parts has a batching rule of its own:

| what carries the mapped axis                        | becomes                               |
| --------------------------------------------------- | ------------------------------------- |
| images only, in the forward and input-gradient pass | one convolution of the folded batch   |
| anything else                                       | one dense convolution for each member |

A gradient of a gradient and forward mode are not defined: JAX says so when asked.
"""

from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.custom_batching import custom_vmap
from jaxtyping import Array, Float


class _Geometry(NamedTuple):
    """All of a convolution but its operands: hashable, so that each rule is made once."""

    strides: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    lhs_dilation: tuple[int, ...]
    rhs_dilation: tuple[int, ...]
    dimension_numbers: lax.ConvDimensionNumbers
    groups: int
    precision: Any

    @property
    def batch_axes(self) -> tuple[int, int]:
        return self.dimension_numbers.lhs_spec[0], self.dimension_numbers.out_spec[0]

    def dense(self, images: Array, kernel: Array) -> Array:
        return lax.conv_general_dilated(
            images,
            kernel,
            window_strides=self.strides,
            padding=self.padding,
            lhs_dilation=self.lhs_dilation,
            rhs_dilation=self.rhs_dilation,
            dimension_numbers=self.dimension_numbers,
            feature_group_count=self.groups,
            precision=self.precision,
        )


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
    """
    numbers = lax.conv_dimension_numbers(lhs.shape, rhs.shape, dimension_numbers)
    space = len(window_strides)
    lhs_dilation = tuple(lhs_dilation or (1,) * space)
    rhs_dilation = tuple(rhs_dilation or (1,) * space)
    if isinstance(padding, str):
        inputs = _dilated(lhs.shape, numbers.lhs_spec, lhs_dilation)
        window = _dilated(rhs.shape, numbers.rhs_spec, rhs_dilation)
        padding = lax.padtype_to_pads(inputs, window, window_strides, padding)
    geometry = _Geometry(
        tuple(window_strides),
        tuple((low, high) for low, high in padding),
        lhs_dilation,
        rhs_dilation,
        numbers,
        feature_group_count,
        precision,
    )
    return _conv(geometry, lhs, rhs)


def _dilated(shape: Sequence[int], spec: Sequence[int], dilation: Sequence[int]) -> list[int]:
    """The spatial sizes of an operand once its elements are `dilation` apart."""
    return [(shape[d] - 1) * k + 1 for d, k in zip(spec[2:], dilation, strict=True)]


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _conv(geometry: _Geometry, images: Array, kernel: Array) -> Array:
    return _forward(geometry)(images, kernel)


def _conv_fwd(geometry: _Geometry, images: Array, kernel: Array) -> tuple[Array, tuple]:
    return _forward(geometry)(images, kernel), (images, kernel)


def _conv_bwd(geometry: _Geometry, saved: tuple, cotangent: Array) -> tuple[Array, Array]:
    images, kernel = saved
    to_images = _input_gradient(geometry, images.shape)(cotangent, kernel)
    to_kernel = _weight_gradient(geometry, kernel.shape)(images, cotangent)
    return to_images, to_kernel


_conv.defvjp(_conv_fwd, _conv_bwd)


@cache
def _forward(geometry: _Geometry) -> Callable[[Array, Array], Array]:
    batch_in, batch_out = (
        geometry.dimension_numbers.lhs_spec[0],
        geometry.dimension_numbers.out_spec[0],
    )
    return _member_batched(geometry.dense, fold=(batch_in, batch_out))


@cache
def _input_gradient(geometry: _Geometry, shape: tuple[int, ...]) -> Callable[[Array, Array], Array]:
    batch_in, batch_out = (
        geometry.dimension_numbers.lhs_spec[0],
        geometry.dimension_numbers.out_spec[0],
    )

    def gradient(cotangent: Array, kernel: Array) -> Array:
        # The batch is read off the cotangent: folding makes it longer than `shape` says.
        sizes = list(shape)
        sizes[batch_in] = cotangent.shape[batch_out]
        images = jax.ShapeDtypeStruct(tuple(sizes), cotangent.dtype)
        return jax.linear_transpose(lambda x: geometry.dense(x, kernel), images)(cotangent)[0]

    return _member_batched(gradient, fold=(batch_out, batch_in))


@cache
def _weight_gradient(
    geometry: _Geometry, shape: tuple[int, ...]
) -> Callable[[Array, Array], Array]:
    def gradient(images: Array, cotangent: Array) -> Array:
        kernel = jax.ShapeDtypeStruct(shape, cotangent.dtype)
        return jax.linear_transpose(lambda k: geometry.dense(images, k), kernel)(cotangent)[0]

    return _member_batched(gradient, fold=None)


def _member_batched(
    part: Callable[[Array, Array], Array], fold: tuple[int, int] | None
) -> Callable[[Array, Array], Array]:
    """`part` with the table above as its batching rule.

    `fold` holds the batch axis of the first operand and of the result, where the mapped axis
    may join it; None where the result has no batch axis (a weight gradient sums over it).
    """
    batched_part = custom_vmap(part)

    @batched_part.def_vmap
    def rule(size: int, mapped: list[bool], first: Array, second: Array) -> tuple[Array, bool]:
        if fold and mapped == [True, False]:
            axis_in, axis_out = fold
            out = batched_part(_join(first, axis_in), second)
            return _split(out, axis_out, size), True
        members = [
            batched_part(first[m] if mapped[0] else first, second[m] if mapped[1] else second)
            for m in range(size)
        ]
        return jnp.stack(members), True

    return batched_part


def _join(array: Array, axis: int) -> Array:
    """[size, ..., batch at `axis`, ...] -> [..., size * batch, ...]."""
    moved = jnp.moveaxis(array, 0, axis)
    return moved.reshape(*moved.shape[:axis], -1, *moved.shape[axis + 2 :])


def _split(array: Array, axis: int, size: int) -> Array:
    shape = (*array.shape[:axis], size, -1, *array.shape[axis + 1 :])
    return jnp.moveaxis(array.reshape(shape), axis, 0)
